/* SPDX-License-Identifier: Apache-2.0
 * The decoder alone over a file, in chunks as the agent reads them: what part of a replay is decoding?
 * usage: decode_file FILE [msgpack] */
#include "base/mem.h"
#include "input/archive.h"
#include "input/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 512 * 1024, ROOM = 2 * 1024 * 1024 };

/* Decodes what is held and moves the unfinished rest to the front; how much that is. */
static size_t decode(struct decoder *d, char *at, size_t n, uint64_t *offset, bool final, struct decoded *to)
{
	decoded_reset(to);
	decoder_run(d, at, n, *offset, to->skipping, final, to);
	memmove(at, at + to->consumed, n - to->consumed);
	*offset += to->consumed;
	return n - to->consumed;
}

int main(int argc, char **argv)
{
	struct decode_options options = DECODE_OPTIONS;
	struct decoder *decoder;
	struct decoded to;
	struct archive *log;
	struct error e;
	char *at = mem_aligned(ROOM);
	size_t n = 0, records = 0;
	uint64_t offset = 0;
	ssize_t got = 1;

	if (argc < 2 || argc > 3 || archive_open(argv[1], &log, &e)) {
		fprintf(stderr, "usage: decode_file FILE [msgpack]\n");
		return 64;
	}
	options.format = argc == 3 ? FORMAT_MSGPACK : FORMAT_JSONL;
	decoder = decoder_open(&options);
	decoded_init(&to);
	while (got > 0) {
		while (n < CHUNK_BYTES && (got = archive_read(log, at + n, CHUNK_BYTES, &e)) > 0)
			n += (size_t)got;
		n = decode(decoder, at, n, &offset, got <= 0, &to);
		records += (size_t)to.counts.read.records;
	}
	printf("%zu records\n", records);
	archive_close(log);
	decoded_done(&to);
	decoder_close(decoder);
	free(at);
	return got < 0;
}
