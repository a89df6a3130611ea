/* SPDX-License-Identifier: Apache-2.0
 * What the files of the tail share: tail.c (the whole), tail_scan.c (names to files), tail_file.c (one file as the kernel has
 * it), tail_read.c (its bytes), tail_settle.c (what became of it: copies, truncation, the end), tail_ready.c (which is read
 * next). Nobody else includes this. */
#ifndef INPUT_TAIL_ROOM_H
#define INPUT_TAIL_ROOM_H

#include "input/identity.h"
#include "input/tail.h"
#include "input/tail_index.h"
#include "input/watch.h"


#define COPY_LEAST 64       /* bytes that must agree before a file counts as the copy of one that cannot be compared whole */
#define PART_LEAST 4096     /* bytes that must agree before a file counts as a copy that went its own way */
#define ALIKE_MOST 16       /* files with the same first bytes that a new one is compared with, the latest ones */
#define PAST_MOST 64        /* generations gone by that a copy may still turn out to be of */

enum where {
	FILE_PRESENT,  /* its path leads to it */
	FILE_DETACHED, /* no path leads to it any more, but it is open */
	FILE_ABSENT,   /* known from the store only: not found, or not open and its path gone */
	FILE_FINISHED, /* nothing will come of it any more; waits for tail_forgotten */
};

struct tail_file {
	struct tail *tail;
	struct tail_file *before, *after;               /* all files */
	size_t ready_at;                                /* its place in the heap, while ready */
	struct index_link by_identity, by_path, by_former, by_first;
	char *identity, *path, *former;                 /* former: where it was before it was renamed, or NULL */
	struct tail_file *predecessor, *successor;      /* rotation: successor stands where predecessor stood */
	struct tail_file *copy_of;                      /* read through that one as long as it lasts */
	enum where where;
	int fd;                                         /* -1: closed */
	uint64_t round, truncated_round;                /* scan that saw it last; that was the last before it was found truncated */

	/* what the kernel said last */
	dev_t device;
	ino_t inode;
	uint64_t size, peak;                            /* peak: largest size of this generation */
	int64_t mtime_ns, birth_us, changed_us;         /* changed_us: when size or mtime was last seen to change */
	int64_t shrunk_us;                              /* TIME_NONE, or since when a network filesystem says it is shorter */
	bool symlink, network, unlinked;

	/* how far it was read */
	uint64_t generation, cursor, done, tried;       /* tried: up to where bytes were offered, no use offering them again */
	bool skipping, done_skipping;
	char head[FINGERPRINT_N], trail[FINGERPRINT_N]; /* the first bytes, and those just before the cursor */
	uint32_t n_head, n_trail;
	char first[17];                                 /* hash of the first COPY_LEAST bytes of this generation, in hex */
	struct fingerprint marker;                      /* of the bytes just before `done` */
	struct fingerprint stored_head;                 /* while from_store */

	uint64_t hole_from, hole_to;                    /* the last NULs passed over; `done` follows when it gets there */
	uint64_t alike;                                 /* of a copy: found to be the original's up to there */
	uint64_t offered;                               /* end of the last read */
	int64_t next_us, newest_us, touched_us;

	bool busy, ready, dirty, stored;
	bool from_store;  /* not yet met in this run: head and marker are hashes only */
	bool at_end;      /* the last read met the end of the file */
	bool watched;     /* its directory is */
	bool failed;      /* could not be read: tried again after the next scan */
	bool ignored;     /* compressed */
	bool fresh;       /* new, or its generation is, and not yet known whether it is a copy */
	bool copied;      /* some file is or was a copy of it */
	bool moved;       /* renamed away from where it was written */
	bool truncated;   /* content changed under the offset; begins a new generation when nothing is under way */
	bool polled;      /* no watch speaks for it */
	bool read_final;  /* the last read met the end of a file that was final */
	bool offered_last;/* its unfinished last bytes were offered as final */
};

/* Where a generation that is gone had been read to: a copy of it may still appear. */
struct past {
	struct fingerprint head, marker;
	uint64_t offset;
	bool skipping;
	int64_t newest_us;
};

struct tail {
	struct tail_options options; /* with the defaults filled in; texts below */
	char *source, **globs, **excludes;
	uv_timer_t *timer;           /* NULL without a loop */
	struct watch *watch;
	tail_ready_fn *on_ready;
	void *context;
	struct tail_file *files;
	struct tail_file **ready;    /* heap: those with bytes to read */
	size_t n_ready, ready_room;
	const struct tail_file *pinned; /* being compared with others: stays open */
	struct index by_identity, by_path, by_former, by_first, refused_by_path;
	struct refused *refused;     /* tail_scan.c: what could not be opened */
	struct past past[PAST_MOST];
	size_t n_past, n_files, n_open, n_polled, n_copies, n_unwatched, n_from_store;
	uint64_t round;
	int64_t scan_due_us, poll_due_us;
	bool first, scanning, scan_wanted, deep; /* deep: names of directories matter too */
	struct tail_stats stats;
};

/* tail.c */
int64_t tail_time(const struct tail *t);                 /* for quiet times */
void tail_wake(struct tail *t);                          /* a scan as soon as the loop turns */
struct tail_file *tail_file_new(struct tail *t, const char *identity, const char *path);
void tail_file_free(struct tail_file *f);
void tail_file_path_set(struct tail_file *f, const char *path);
void tail_file_follow(struct tail_file *f, struct tail_file *predecessor); /* f is read after it */
void tail_file_where_set(struct tail_file *f, enum where where);

/* tail_scan.c */
void tail_look(struct tail *t, const char *path);        /* something came, went or changed at this path */
void tail_watch(struct tail *t);                         /* watch every directory that matters */
bool tail_wants(const struct tail *t, const char *path); /* do the globs cover it, and the excludes not? */
void tail_scan_run(struct tail *t);                      /* tail_scan, without telling */
void tail_refused_done(struct tail *t);

/* tail_file.c (the functions of tail.h that read are in tail_read.c) */
int file_open_path(const struct tail *t, const char *path); /* a descriptor or -errno */
bool file_intact(struct tail_file *f);                   /* open, refreshed, and what was read of it still stands there */
void file_resume(struct tail_file *f);                   /* found again: is it what the position says? */
int file_open(struct tail_file *f);                      /* again, if it is closed: 0 or -errno; -ESTALE: another is there */
void file_close(struct tail_file *f);
void file_fd_give(struct tail_file *f, int fd);          /* takes fd; may close a quiet file's instead to stay in bounds */
void file_refresh(struct tail_file *f);                  /* size, times, links, truncation: as the kernel has it now */
void file_remember(struct tail_file *f);                 /* head and trail from the file, at the cursor */
void file_met(struct tail_file *f);                      /* no longer from_store */
void file_begin(struct tail_file *f, uint64_t offset);   /* cursor and done there */
struct fingerprint file_head(const struct tail_file *f); /* of the bytes dealt with */
void file_begins_anew(struct tail_file *f);              /* found truncated */
bool nuls_only(const char *at, size_t n);
bool file_under_way(const struct tail_file *f);

/* tail_ready.c */
void file_ready_set(struct tail_file *f);
bool file_quiet(const struct tail_file *f);              /* unchanged for partial_us */

/* tail_settle.c */
void file_settle(struct tail_file *f);                   /* after refresh: copy? truncated? ended? ready? */
void file_be_found(struct tail_file *f);                 /* by files that may be copies of it */
void file_release(struct tail_file *f);                  /* of a file about to go: what was read through it stands alone */

#endif
