/* SPDX-License-Identifier: Apache-2.0
 * Which file is this? A name for the file behind a descriptor that survives rename and truncation, differs when the inode
 * number is used again, and means the same after a reboot. And fingerprints of what stands in it. */
#ifndef INPUT_IDENTITY_H
#define INPUT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_MAX 384
#define FINGERPRINT_N 256 /* bytes hashed at the head of a file, and just before the offset */

/* From the most to the least trusted; the word stands in front of the text. */
enum identity_kind {
	IDENTITY_HANDLE,     /* the kernel's file handle: inode and generation (name_to_handle_at(2)) */
	IDENTITY_BTIME,      /* inode and time of birth (statx(2)) */
	IDENTITY_GENERATION, /* inode and generation by FS_IOC_GETVERSION (ioctl_iflags(2)) */
	IDENTITY_HEAD,       /* inode alone: then only the head's fingerprint tells a new file from an old one */
	IDENTITY_N
};
extern const char *const identity_words[IDENTITY_N]; /* "handle", "btime", "generation", "head" */

struct identity {
	char text[IDENTITY_MAX]; /* "handle:<filesystem id>:<type>:<bytes in hex>" and so on */
	int64_t birth_us;        /* time of birth; where the filesystem does not tell, of the last change of its inode */
	bool network;            /* on a filesystem whose sizes may be stale and whose events stay elsewhere */
};

/* The best identity to be had. 0 or -errno. */
int identity_of(int fd, struct identity *ret);
/* One kind; -EOPNOTSUPP where the filesystem has none. */
int identity_of_kind(int fd, enum identity_kind kind, struct identity *ret);

struct fingerprint {
	uint32_t n;    /* bytes hashed; 0: none, and then it matches anything */
	uint64_t hash;
};

struct fingerprint fingerprint_of(const void *at, uint32_t n);
/* Do the f->n bytes at `offset` of the file have this fingerprint? False too when the file is too short. */
bool fingerprint_holds(const struct fingerprint *f, int fd, uint64_t offset);

/* This boot of the machine, 36 letters and a NUL; "" where the kernel does not tell. */
void identity_boot(char to[37]);

#endif
