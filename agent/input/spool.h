/* SPDX-License-Identifier: Apache-2.0
 * Records put aside to be learned from: the bytes as they were read, one after the other, in a file that any command reads as a
 * log. How far it goes is committed elsewhere, together with the source's positions; what was written behind that when the
 * process died is cut off again, since it will be read again. So after kill -9 every record stands in it once.
 *
 * Bytes are written when they are put, before the commit that counts them: they are in the kernel's hands, and survive the
 * process. They are not flushed to the disk (a loss of power is rare, and what is learned can be learned again): after one, a
 * file that is shorter than was committed, or another, is told by its length and a hash of its last bytes, and begun anew. */
#ifndef INPUT_SPOOL_H
#define INPUT_SPOOL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* How far, and what stood there. */
struct spool_mark {
	uint64_t length;
	uint64_t hash; /* of the last bytes before it */
};

struct spool;

/* Made with mode 0600. `known`: as far as was committed; NULL: from nothing, whatever is there. 0; -ESTALE and a sentence when the
 * file is not the one that was committed (nothing of it is touched); or another -errno. */
int spool_open(const char *path, const struct spool_mark *known, struct spool **ret, struct error *e);
void spool_close(struct spool *s);  /* accepts NULL; the file stays */
void spool_remove(struct spool *s); /* and the file goes; accepts NULL */

/* All of it or nothing: 0, or -errno with a sentence. */
int spool_put(struct spool *s, const void *at, size_t n, struct error *e);
int spool_clear(struct spool *s, struct error *e); /* back to nothing */
/* For the commit. */
int spool_mark(const struct spool *s, struct spool_mark *ret, struct error *e);
/* n bytes from `offset` on, all of which must be there. */
int spool_read(const struct spool *s, uint64_t offset, void *to, size_t n, struct error *e);
uint64_t spool_length(const struct spool *s);
const char *spool_path(const struct spool *s);

#endif
