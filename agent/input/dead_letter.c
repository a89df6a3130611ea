/* SPDX-License-Identifier: Apache-2.0
 * Rejected records, one line each, written at once: whoever looks after a bad deployment sees the first bad record while it is news.
 * The file is renamed to ".1" at half the cap, so that both together stay under it and the newest are always there. */
#include "input/dead_letter.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "input/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dead_letter {
	char *path, *older, *source;
	int fd;
	uint64_t bytes, most;
	uint64_t lost;
	uint64_t seen[REJECT_N]; /* of each reason, since this process began */
	struct buf line;
};

/* A crash may have left half a line: the next letter begins a new one. */
static void line_complete(struct dead_letter *d)
{
	char last = '\n';

	if (d->bytes && pread(d->fd, &last, 1, (off_t)d->bytes - 1) == 1 && last != '\n' && write(d->fd, "\n", 1) == 1)
		d->bytes++;
}

/* Without blocking: whoever puts a pipe there must not stop the agent. */
static int file_open(struct dead_letter *d)
{
	struct stat st;

	d->fd = open(d->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (d->fd < 0)
		return -errno;
	d->bytes = fstat(d->fd, &st) ? 0 : (uint64_t)st.st_size;
	line_complete(d);
	return 0;
}

int dead_letter_open(const char *path, const char *source, uint64_t cap_bytes, struct dead_letter **ret, struct error *e)
{
	struct dead_letter *d = mem_zero(1, sizeof *d);
	int status;

	d->path = mem_copy_text(path);
	d->older = mem_format("%s.1", path);
	d->source = mem_copy_text(source);
	d->most = cap_bytes / 2;
	status = file_open(d);
	if (status) {
		error_set(e, status, "%s: the file for rejected records cannot be opened: %s", path, strerror(-status));
		dead_letter_close(d);
		return status;
	}
	*ret = d;
	return 0;
}

void dead_letter_close(struct dead_letter *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	buf_done(&d->line);
	free(d->path);
	free(d->older);
	free(d->source);
	free(d);
}

static void make_room(struct dead_letter *d)
{
	if (d->fd >= 0 && (d->bytes + d->line.n <= d->most || !d->bytes))
		return;
	if (d->fd >= 0) {
		close(d->fd);
		rename(d->path, d->older);
	}
	file_open(d); /* where it fails, the next letter tries again */
}

static void put_base64(struct buf *to, const unsigned char *at, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)at[i] << 16 | (i + 1 < n ? (unsigned)at[i + 1] << 8 : 0) | (i + 2 < n ? at[i + 2] : 0);
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=',
			i + 2 < n ? digits[v & 63] : '='};

		buf_put(to, four, 4);
	}
}

/* A text survives being JSON text when nothing in it had to be replaced; bytes of msgpack or of broken UTF-8 do not. */
static bool is_text(const struct reject *r, size_t n)
{
	size_t good = json_utf8(r->at, n);

	return !memchr(r->at, 0, n) && (good == n || (n < r->length && n - good < 4));
}

static void put_text(struct buf *to, const char *key, const char *text)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_text(to, text, strlen(text));
}

static void line_make(struct dead_letter *d, const char *file, const struct reject *r)
{
	size_t n = r->kept < DEAD_LETTER_KEPT ? r->kept : DEAD_LETTER_KEPT;
	char now[32];

	buf_clear(&d->line);
	buf_format(&d->line, "{\"time\":\"%s\"", time_format(clock_now(NULL), now, sizeof now));
	put_text(&d->line, "source", d->source);
	put_text(&d->line, "file", file);
	buf_format(&d->line, ",\"offset\":%llu,\"length\":%llu", (unsigned long long)r->offset, (unsigned long long)r->length);
	put_text(&d->line, "reason", reject_words[r->reason]);
	put_text(&d->line, "why", r->why);
	if (is_text(r, n)) {
		buf_text(&d->line, ",\"bytes\":");
		buf_json_text(&d->line, r->at, n);
	} else {
		buf_text(&d->line, ",\"base64\":\"");
		put_base64(&d->line, (const unsigned char *)r->at, n);
		buf_text(&d->line, "\"");
	}
	buf_text(&d->line, "}\n");
}

/* The first of its kind, the tenth, the hundredth ...: a model that begins to log NaN is known at once, and the journal is not flooded. */
static void refusal_say(struct dead_letter *d, const char *file, const struct reject *r)
{
	uint64_t n = ++d->seen[r->reason];

	while (n % 10 == 0)
		n /= 10;
	if (n != 1)
		return;
	log_warning("input", "records are refused; they are counted, and kept in the file of dead letters", "source", log_s(d->source), "reason",
		log_s(reject_words[r->reason]), "meaning", log_s(reject_helps[r->reason]), "count", log_n((long long)d->seen[r->reason]), "file",
		log_s(file), "offset", log_n((long long)r->offset), "why", log_s(r->why), "dead_letters", log_s(d->path));
}

void dead_letter_put(struct dead_letter *d, const char *file, const struct reject *r)
{
	ssize_t wrote;

	refusal_say(d, file, r);
	line_make(d, file, r);
	make_room(d);
	wrote = d->line.n <= d->most ? write(d->fd, d->line.at, d->line.n) : -1;
	if (wrote == (ssize_t)d->line.n) {
		d->bytes += (uint64_t)wrote;
		return;
	}
	if (wrote > 0 && ftruncate(d->fd, (off_t)d->bytes)) /* a full disk: no half lines */
		d->bytes += (uint64_t)wrote;
	if (!d->lost++)
		log_warning("input", "a rejected record cannot be kept; it is counted all the same, and this is said once",
			"path", log_s(d->path), "error", log_s(strerror(errno)));
}

uint64_t dead_letter_lost(const struct dead_letter *d)
{
	return d->lost;
}
