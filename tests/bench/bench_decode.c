/* SPDX-License-Identifier: Apache-2.0
 * How fast records are decoded, beside the peers, on the file of research: 20 features, an embedding, 10 logits. Rounds are
 * interleaved, because machines change their speed; only ratios of one run mean something. `bench_decode [rounds]`.
 * Chunks of 1 MiB, as the agent reads them. */
#include <math.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "input/decode.h"
#include "input/json.h"
#include "tests/bench/bench_decode.h"

#define CHUNK ((size_t)1 << 20)
#define LOG_BYTES ((size_t)12 << 20)

/* One log, in one form. */
struct log {
	const char *name;
	struct buf bytes;
	size_t records;
	struct decoder *decoder; /* ours keeps its memory from round to round, as the agent does from chunk to chunk */
	struct decoded to;
};

static uint64_t seed = 88172645463325252u;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

/* ---- JSON ---- */

static void json_numbers(struct buf *to, const char *name, size_t n, const char *format, double scale)
{
	buf_format(to, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_text(to, ",");
		buf_format(to, format, normal() * scale);
	}
	buf_text(to, "]");
}

static void json_log(struct log *l, size_t width, const char *format)
{
	while (l->bytes.n < LOG_BYTES) {
		char ts[40];

		buf_format(&l->bytes, "{\"ts\":\"%s\",\"id\":\"req-%09zu\",\"model\":\"intent-router\",\"version\":\"3.1\",\"features\":{",
			time_format(INT64_C(1795000000000000) + (int64_t)l->records * 37000, ts, sizeof ts), l->records);
		for (int i = 0; i < 20; i++)
			buf_format(&l->bytes, i % 3 ? "%s\"feature_%02d\":%.4f" : "%s\"feature_%02d\":%.0f", i ? "," : "", i, normal() * 100);
		buf_text(&l->bytes, "}");
		json_numbers(&l->bytes, "embedding", width, format, 0.3);
		json_numbers(&l->bytes, "logits", 10, "%.6f", 3);
		buf_format(&l->bytes, ",\"prediction\":\"class_%d\",\"confidence\":%.6f}\n", (int)(uniform() * 10), uniform());
		l->records++;
	}
}

/* ---- msgpack ---- */

static void pack_text(msgpack_packer *p, const char *text)
{
	msgpack_pack_str_with_body(p, text, strlen(text));
}

static void pack_vector(msgpack_packer *p, const char *name, size_t n, double scale, bool packed)
{
	pack_text(p, name);
	if (packed)
		msgpack_pack_bin(p, n * sizeof(float));
	else
		msgpack_pack_array(p, n);
	for (size_t i = 0; i < n; i++) {
		float x = (float)(normal() * scale);

		if (packed)
			msgpack_pack_bin_body(p, &x, sizeof x);
		else
			msgpack_pack_float(p, x);
	}
}

static void pack_record(msgpack_packer *p, size_t record, size_t width, bool packed)
{
	char text[40];

	msgpack_pack_map(p, 9);
	pack_text(p, "ts");
	pack_text(p, time_format(INT64_C(1795000000000000) + (int64_t)record * 37000, text, sizeof text));
	pack_text(p, "id");
	snprintf(text, sizeof text, "req-%09zu", record);
	pack_text(p, text);
	pack_text(p, "model");
	pack_text(p, "intent-router");
	pack_text(p, "version");
	pack_text(p, "3.1");
	pack_text(p, "features");
	msgpack_pack_map(p, 20);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "feature_%02d", i);
		pack_text(p, text);
		msgpack_pack_double(p, normal() * 100);
	}
	pack_vector(p, "embedding", width, 0.3, packed);
	pack_vector(p, "logits", 10, 3, packed);
	pack_text(p, "prediction");
	pack_text(p, "class_7");
	pack_text(p, "confidence");
	msgpack_pack_double(p, uniform());
}

static void msgpack_log(struct log *l, size_t width, bool packed)
{
	msgpack_sbuffer s;
	msgpack_packer p;

	msgpack_sbuffer_init(&s);
	msgpack_packer_init(&p, &s, msgpack_sbuffer_write);
	while (s.size < LOG_BYTES)
		pack_record(&p, l->records++, width, packed);
	buf_put(&l->bytes, s.data, s.size);
	msgpack_sbuffer_destroy(&s);
}

/* ---- readers: all of a log; returns the records ---- */

static double sum;

static size_t ours(struct log *l, enum format format)
{
	struct decode_options options = DECODE_OPTIONS;
	struct decoded *to = &l->to;
	size_t rows = 0, at = 0;

	options.format = format;
	if (!l->decoder) {
		l->decoder = decoder_open(&options);
		decoded_init(to);
	}
	while (at < l->bytes.n) {
		size_t n = l->bytes.n - at < CHUNK ? l->bytes.n - at : CHUNK;

		decoded_reset(to);
		decoder_run(l->decoder, l->bytes.at + at, n, at, false, n == l->bytes.n - at, to);
		rows += to->batches[0]->n;
		sum += to->batches[0]->embedding[0] + to->batches[0]->logits[0] + to->batches[0]->confidence[0];
		at += to->consumed;
	}
	return rows;
}

static size_t ours_path(struct log *l, enum json_path path)
{
	json_begin();
	return json_path_set(path) ? ours(l, FORMAT_JSONL) : 0;
}

static size_t ours_portable(struct log *l)
{
	return ours_path(l, JSON_PORTABLE);
}

static size_t ours_sse41(struct log *l)
{
	return ours_path(l, JSON_SSE41);
}

static size_t ours_avx2(struct log *l)
{
	return ours_path(l, JSON_AVX2);
}

static size_t theirs_lines(struct log *l)
{
	return simdjson_lines(l->bytes.at, l->bytes.n, &sum);
}

static size_t theirs_many(struct log *l)
{
	return simdjson_many(l->bytes.at, l->bytes.n, &sum);
}

static size_t ours_msgpack(struct log *l)
{
	return ours(l, FORMAT_MSGPACK);
}

static float theirs_to[8192];

/* The same work: vectors as floats. */
static void object_floats(const msgpack_object *o)
{
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object *v = &o->via.map.ptr[i].val;

		if (v->type == MSGPACK_OBJECT_ARRAY)
			for (uint32_t k = 0; k < v->via.array.size; k++)
				theirs_to[k] = (float)v->via.array.ptr[k].via.f64;
		if (v->type == MSGPACK_OBJECT_BIN)
			memcpy(theirs_to, v->via.bin.ptr, v->via.bin.size);
		sum += theirs_to[i];
	}
}

static size_t theirs_msgpack(struct log *l)
{
	size_t at = 0, records = 0;
	msgpack_unpacked u;

	msgpack_unpacked_init(&u);
	while (msgpack_unpack_next(&u, l->bytes.at, l->bytes.n, &at) == MSGPACK_UNPACK_SUCCESS) {
		object_floats(&u.data);
		records++;
	}
	msgpack_unpacked_destroy(&u);
	return records;
}

/* ---- rounds ---- */

struct reader {
	const char *name;
	size_t (*read)(struct log *l);
	double best_s;
};

static void rounds_run(struct log *l, struct reader *readers, size_t n, int rounds)
{
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < n; i++) {
			int64_t begin = clock_monotonic_us();
			size_t records = readers[i].read(l);
			double s = (double)(clock_monotonic_us() - begin) * 1e-6;

			if (!records)
				readers[i].best_s = INFINITY;
			else if (records != l->records)
				printf("%s: %zu records of %zu\n", readers[i].name, records, l->records);
			if (!round || s < readers[i].best_s)
				readers[i].best_s = records ? s : INFINITY;
		}
}

/* The first readers are the peers; ratios are to the best of them. */
static void compare(struct log *l, struct reader *readers, size_t n, size_t n_peers, int rounds)
{
	double peer = INFINITY;

	rounds_run(l, readers, n, rounds);
	for (size_t i = 0; i < n_peers; i++)
		peer = fmin(peer, readers[i].best_s);
	printf("\n%s: %zu records of %zu bytes\n", l->name, l->records, l->bytes.n / l->records);
	for (size_t i = 0; i < n; i++)
		if (isfinite(readers[i].best_s))
			printf("  %-34s %7.0f MB/s %9.0f records/s  %5.0f %%\n", readers[i].name,
				(double)l->bytes.n / readers[i].best_s * 1e-6, (double)l->records / readers[i].best_s,
				peer / readers[i].best_s * 100);
	fflush(stdout);
	decoder_close(l->decoder);
	decoded_done(&l->to);
	buf_done(&l->bytes);
}

static void compare_json(const char *name, size_t width, const char *format, int rounds)
{
	struct log l = {.name = name};
	struct reader readers[] = {
		{simdjson_name(), theirs_lines, 0}, {"  iterate_many, one thread", theirs_many, 0},
		{"oodd portable", ours_portable, 0}, {"oodd sse4.1", ours_sse41, 0}, {"oodd avx2", ours_avx2, 0},
	};

	json_log(&l, width, format);
	compare(&l, readers, sizeof readers / sizeof *readers, 2, rounds);
}

static void compare_msgpack(const char *name, size_t width, bool packed, int rounds)
{
	struct log l = {.name = name};
	struct reader readers[] = {{"msgpack_unpack_next", theirs_msgpack, 0}, {"oodd", ours_msgpack, 0}};

	msgpack_log(&l, width, packed);
	compare(&l, readers, sizeof readers / sizeof *readers, 1, rounds);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 7;

	compare_json("JSON, 64-d of 9 digits", 64, "%.9f", rounds);
	compare_json("JSON, 768-d of 6 digits", 768, "%.6f", rounds);
	compare_json("JSON, 768-d of 17 digits", 768, "%.17g", rounds);
	compare_msgpack("msgpack, 64-d float32 array", 64, false, rounds);
	compare_msgpack("msgpack, 768-d float32 array", 768, false, rounds);
	compare_msgpack("msgpack, 64-d packed", 64, true, rounds);
	compare_msgpack("msgpack, 768-d packed", 768, true, rounds);
	return 0;
}
