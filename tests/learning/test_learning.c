/* SPDX-License-Identifier: Apache-2.0
 * Records are put aside until there are enough: by number and by time, evenly where there are too many, each once whatever
 * happens to the process; and references stand where their names say. */
#include "learning.h"
#include "reference_place.h"

#include "base/clock.h"
#include "base/mem.h"
#include "input/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/oodd-learning-XXXXXX";
static char spools[64];
static struct source_config source = {.name = "s", .decode = {.format = FORMAT_JSONL, .longest = 1 << 20, .deepest = 32, .most_columns = 64}};
static struct model_config model = {.name = "m", .window_us = 60 * SECOND_US,
	.learn = {.on = true, .records = 300, .span_us = 600 * SECOND_US, .spool_bytes = 1 << 20, .keep = 2}};
static struct config config = {.sources = &source, .n_sources = 1, .models = &model, .n_models = 1};
static int n_notes[8];

static void on_note(void *context, const struct learning_note *note)
{
	(void)context;
	n_notes[note->state]++;
}

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(spools, sizeof spools, "%s/learning", folder);
	return 0;
}

static int clean(void **state)
{
	char *command = mem_format("rm -rf %s", folder);
	int status = system(command);

	(void)state;
	free(command);
	return status;
}

static struct learning *opened(void)
{
	struct learning_options o = {.config = &config, .dir = spools, .note = on_note};

	memset(n_notes, 0, sizeof n_notes);
	return learning_open(&o);
}

/* n lines, one every `step` milliseconds from second `at` on; free(). */
static char *lines(int at, int n, int step, size_t *ret_n)
{
	struct buf text = BUF_EMPTY;
	char *copy;

	for (int i = 0; i < n; i++) {
		char time[32];

		time_format((at * INT64_C(1000) + (int64_t)i * step) * 1000, time, sizeof time);
		buf_format(&text, "{\"ts\":\"%s\",\"model\":\"m\",\"version\":\"1\",\"prediction\":\"c%d\",\"features\":{\"a\":%d}}\n", time,
			i % 5, i);
	}
	copy = mem_copy(text.at, text.n);
	*ret_n = text.n;
	buf_done(&text);
	return copy;
}

/* All rows of these bytes, in pieces of whole lines of at most `piece` bytes; how many rows were taken before it was ready. */
static size_t feed(struct learning *t, struct learner *l, const char *at, size_t n, size_t piece, struct counts *counts)
{
	struct decoder *d = decoder_open(&source.decode);
	struct decoded decoded;
	size_t taken = 0;

	decoded_init(&decoded);
	for (size_t from = 0, size; from < n; from += size) {
		size_t ready;

		size = n - from < piece ? n - from : piece;
		while (at[from + size - 1] != '\n')
			size--;
		decoded_reset(&decoded);
		decoder_run(d, at + from, size, from, false, false, &decoded);
		ready = learning_rows(t, l, 0, at + from, from, decoded.batches[0], 0, decoded.batches[0]->n, counts);
		taken += ready;
		if (l->ready)
			break;
	}
	decoded_done(&decoded);
	decoder_close(d);
	return taken;
}

static char *spool_text(size_t *ret_n)
{
	char *path = mem_format("%s/m@1@s.jsonl", spools), *text = mem_zero(1 << 22, 1);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, 1 << 22);

	close(fd);
	free(path);
	*ret_n = (size_t)n;
	return text;
}

static void test_enough_is_by_number_and_by_time(void **state)
{
	struct learning *t = opened();
	struct learner *l = learning_begin(t, &model, "m", "1", NULL);
	struct counts counts = {0};
	size_t n, n_spool;
	char *quick = lines(1000000, 400, 10, &n), *slow, *kept;

	(void)state;
	/* 400 records of four seconds: not enough. */
	assert_int_equal(feed(t, l, quick, n, 1 << 14, &counts), 400);
	assert_false(l->ready);
	assert_int_equal(counts.learning.records, 400);
	assert_int_equal(counts.learning.bytes, n);
	free(quick);
	/* One every ten seconds: the span is there at the 60th. */
	slow = lines(1000010, 200, 10000, &n);
	assert_int_equal(feed(t, l, slow, n, 1 << 14, &counts), 60);
	assert_true(l->ready);
	assert_ptr_equal(learning_ready(t), l);
	assert_int_equal(counts.learning.records, 460);
	assert_int_equal(l->classes.n, 5);
	assert_int_equal(l->fields.n, 1);
	kept = spool_text(&n_spool);
	assert_int_equal(n_spool, counts.learning.bytes);
	/* While a reference is being made records are counted, and not kept. */
	l->ready = true;
	feed(t, l, slow, n, 1 << 14, &counts);
	assert_int_equal(l->known.kept, 460);
	free(kept);
	free(slow);
	assert_int_equal(n_notes[LEARNING_BEGUN], 1);
	assert_in_range(n_notes[LEARNING_PROGRESS], 3, 9);
	/* It fails: half as many records again are wanted. */
	learning_failed(t, l, "for a test");
	assert_false(l->ready);
	assert_int_equal(l->wanted, 690);
	assert_null(learning_ready(t));
	learning_end(t, l);
	learning_close(t);
}

static void test_a_wrong_clock_makes_no_span(void **state)
{
	struct learning *t = opened();
	struct learner *l = learning_begin(t, &model, "m", "1", NULL);
	struct counts counts = {0};
	size_t n;
	char *text = lines(1000000, 400, 10, &n);

	(void)state;
	feed(t, l, text, n, 1 << 14, &counts);
	free(text);
	text = lines(5, 1, 10, &n);
	feed(t, l, text, n, 1 << 14, &counts);
	free(text);
	text = lines(90000000, 2, 10, &n);
	feed(t, l, text, n, 1 << 14, &counts);
	free(text);
	assert_false(l->ready);
	assert_int_equal(l->known.newest_us - l->known.first_us, 399 * 10000);
	learning_end(t, l);
	learning_close(t);
}

/* How chunks were cut changes nothing: the same records, the same spool, ready at the same one. */
static void test_cuts_change_nothing(void **state)
{
	size_t sizes[] = {1 << 20, 4096, 333}, n, n_first = 0, taken[3];
	char *text = lines(1000000, 3000, 400, &n), *first = NULL;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct learning *t = opened();
		struct learner *l = learning_begin(t, &model, "m", "1", NULL);
		struct counts counts = {0};
		size_t n_spool;
		char *kept;

		taken[i] = feed(t, l, text, n, sizes[i], &counts);
		kept = spool_text(&n_spool);
		if (i) {
			assert_int_equal(n_spool, n_first);
			assert_memory_equal(kept, first, n_spool);
			assert_int_equal(taken[i], taken[0]);
			free(kept);
		} else {
			first = kept;
			n_first = n_spool;
		}
		assert_true(l->ready);
		learning_end(t, l);
		learning_close(t);
	}
	free(first);
	free(text);
}

/* Ten times more than fits: the spool is not passed, and every minute has its share. */
static void test_heavy_traffic_is_thinned_evenly(void **state)
{
	struct learning *t;
	struct learner *l;
	struct counts counts = {0};
	size_t n, n_spool, minutes[10] = {0};
	char *text = lines(1000020, 60000, 10, &n), *kept;

	(void)state;
	model.learn.spool_bytes = 1 << 19;
	t = opened();
	l = learning_begin(t, &model, "m", "1", NULL);
	feed(t, l, text, n, 1 << 16, &counts);
	kept = spool_text(&n_spool);
	assert_in_range(n_spool, 1 << 17, 1 << 19);
	assert_int_equal(counts.learning.records, 60000);
	assert_int_equal(l->known.seen, 60000);
	for (char *line = kept; *line; line = strchr(line, '\n') + 1) {
		int64_t us;

		assert_int_equal(time_parse(line + 7, strcspn(line + 7, "\""), &us), 0);
		minutes[(us / 1000 - 1000020000) / 60000]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(minutes[i], 100, 520);
	free(kept);
	free(text);
	learning_end(t, l);
	learning_close(t);
	model.learn.spool_bytes = 1 << 20;
}

static bool wanted(void *context, const char *name, const char *version, const char *replaces)
{
	assert_string_equal(name, "m");
	assert_string_equal(version, "1");
	assert_string_equal(replaces, "");
	return *(bool *)context;
}

static void commit(struct learning *t, struct store *s)
{
	struct txn *txn = txn_open();
	struct error e;

	learning_save(t, txn);
	assert_int_equal(store_commit_wait(s, &txn, SECOND_US, &e), 0);
}

/* Died after more was written than was committed: cut back, and read again, every record stands there once. */
static void test_after_a_kill_every_record_stands_there_once(void **state)
{
	char *dir = mem_format("%s/state", folder), *text, *kept;
	struct store_options o = {.dir = dir};
	struct counts counts = {0};
	struct learning *t = opened();
	struct learner *l = learning_begin(t, &model, "m", "1", NULL);
	struct store *s;
	struct error e;
	size_t n, half, n_spool;
	bool yes = true;

	(void)state;
	assert_int_equal(store_open(&o, &s, &e), 0);
	text = lines(1000000, 500, 1000, &n);
	half = n / 2;
	while (text[half - 1] != '\n')
		half--;
	feed(t, l, text, half, 4096, &counts);
	commit(t, s);
	feed(t, l, text + half, n - half, 4096, &counts);
	learning_close(t); /* killed */
	t = opened();
	assert_int_equal(learning_load(t, s, wanted, &yes, &e), 0);
	l = learning_find(t, "m", "1");
	assert_non_null(l);
	assert_in_range(l->known.kept, 240, 260);
	assert_int_equal(l->classes.n, 5);
	feed(t, l, text + half, n - half, 4096, &counts);
	kept = spool_text(&n_spool);
	assert_int_equal(n_spool, n);
	assert_memory_equal(kept, text, n);
	free(kept);
	commit(t, s);
	/* Its reference came to be meanwhile: it goes, spool and all. */
	learning_close(t);
	t = opened();
	yes = false;
	assert_int_equal(learning_load(t, s, wanted, &yes, &e), 0);
	assert_null(learning_find(t, "m", "1"));
	kept = spool_text(&n_spool);
	assert_int_equal(n_spool, 0);
	free(kept);
	commit(t, s);
	/* Its model left the configuration: so do its records. */
	l = learning_begin(t, &model, "m", "1", NULL);
	feed(t, l, text, half, 4096, &counts);
	commit(t, s);
	learning_close(t);
	config.n_models = 0;
	t = opened();
	assert_int_equal(learning_load(t, s, wanted, &yes, &e), 0);
	config.n_models = 1;
	kept = spool_text(&n_spool);
	assert_int_equal(n_spool, 0);
	free(kept);
	commit(t, s);
	learning_close(t);
	store_close(s);
	free(text);
	free(dir);
}

static void test_relearning_waits_while_an_alarm_is_on(void **state)
{
	struct learning *t = opened();
	struct learner *l = learning_begin(t, &model, "m", "1", "hash");
	size_t n;
	char *text = lines(1000000, 900, 1000, &n);

	(void)state;
	feed(t, l, text, n, 4096, NULL);
	assert_true(l->ready);
	learning_hold(t, l, true);
	assert_false(l->ready);
	assert_int_equal(l->known.kept, 0);
	feed(t, l, text, n, 4096, NULL);
	assert_int_equal(l->known.kept, 0);
	learning_hold(t, l, false);
	feed(t, l, text, n, 4096, NULL);
	assert_true(l->ready);
	assert_int_equal(n_notes[LEARNING_POSTPONED], 1);
	assert_int_equal(n_notes[LEARNING_RESUMED], 1);
	free(text);
	learning_end(t, l);
	learning_close(t);
}

/* Hostile versions are not kept without end. */
static void test_not_more_than_some_at_once(void **state)
{
	struct learning *t = opened();
	struct learner *l;
	size_t n;
	char *text;

	(void)state;
	for (int i = 0; i < LEARNERS_MOST; i++) {
		char version[16];

		snprintf(version, sizeof version, "%d", i);
		assert_non_null(learning_begin(t, &model, "m", version, NULL));
	}
	assert_null(learning_begin(t, &model, "m", "one too many", NULL));
	/* Unless one of them went away while others went on. */
	l = learning_each(t, 7);
	text = lines(1000000, 10, 1000, &n);
	feed(t, l, text, n, 4096, NULL);
	free(text);
	assert_non_null(learning_begin(t, &model, "m", "one too many", NULL));
	assert_non_null(learning_find(t, "m", "7"));
	/* One record each, an hour ago, is not worth the place either; within the hour it is. */
	for (size_t i = 0; (l = learning_each(t, i)); i++)
		if (l->known.newest_us == TIME_NONE)
			l->known = (struct learner_known){.seen = 1, .kept = 1, .first_us = l->known.first_us,
				.newest_us = learning_find(t, "m", "7")->known.newest_us - INT64_C(3599000000)};
	assert_null(learning_begin(t, &model, "m", "two too many", NULL));
	learning_find(t, "m", "9")->known.newest_us -= 2000000;
	assert_non_null(learning_begin(t, &model, "m", "two too many", NULL));
	assert_null(learning_find(t, "m", "9"));
	while ((l = learning_each(t, 0)))
		learning_end(t, l);
	learning_close(t);
}

static void test_names(void **state)
{
	static const char *const texts[] = {"1.0", "../../etc/passwd", "a/b", "a%2Fb", ".hidden", "", "ä", "a@b", "with space"};
	char *names[9], *long_name;
	char text[600];

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		names[i] = reference_name(texts[i]);
		assert_null(strchr(names[i], '/'));
		assert_null(strchr(names[i], '@'));
		assert_true(*names[i] != '.');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
	assert_string_equal(names[0], "1.0");
	for (size_t i = 0; i < 9; i++)
		free(names[i]);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	long_name = reference_name(text);
	assert_int_equal(strlen(long_name), 72);
	free(long_name);
}

static void path_is(const char *name, const char *reference, const char *want)
{
	struct model_config m = {.name = (char *)name, .reference = (char *)reference};
	char *path = reference_path(&m, "/state", "intent", "2.0");

	assert_string_equal(path, want);
	free(path);
}

static void test_places(void **state)
{
	(void)state;
	path_is("intent", "/r/intent.ref", "/r/intent@2.0.ref");
	path_is("intent", "/r.d/intent", "/r.d/intent@2.0");
	path_is("intent-*", "/r/x.ref", "/r/x@intent@2.0.ref");
	path_is("*", "/r/%m/%v.ref", "/r/intent/2.0.ref");
	path_is("*", "/r/100%/%v.ref", "/r/100%/2.0.ref");
	path_is("*", NULL, "/state/references/intent@2.0.ref");
}

static void keep_path(void *context, const char *path)
{
	buf_format(context, "%s ", strrchr(path, '/') + 1);
}

static void touch(const char *name, const char *text)
{
	char *path = mem_format("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	free(path);
}

static void test_every_reference_of_a_block_is_found(void **state)
{
	char *reference = mem_format("%s/[i].ref", folder);
	struct model_config m = {.name = "i", .reference = reference};
	struct buf found = BUF_EMPTY;

	(void)state;
	touch("[i].ref", "");
	touch("[i]@2.ref", "");
	touch("[i]@10.ref", "");
	touch("[i].ref.2026-11-21T00:00:00Z", "");
	touch("i@3.ref", "");
	reference_each(&m, folder, keep_path, &found);
	assert_string_equal(buf_cstr(&found), "[i].ref [i]@10.ref [i]@2.ref ");
	buf_done(&found);
	free(reference);
}

static void test_a_new_reference_takes_the_place_and_old_ones_are_kept(void **state)
{
	char *path = mem_format("%s/r.ref", folder), *pattern = mem_format("%s/r.ref*", folder), *fresh = mem_format("%s/r.ref.new", folder);
	struct error e;
	char text[16] = "";
	glob_t g;
	FILE *f;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char version[2] = {(char)('0' + i), 0};

		touch("r.ref.new", version);
		assert_int_equal(reference_install(fresh, path, 2, INT64_C(1790000000000000) + i * 500000, &e), 0);
	}
	f = fopen(path, "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "4");
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, 3);
	assert_non_null(strstr(g.gl_pathv[2], "r.ref.2026-09-21T"));
	f = fopen(g.gl_pathv[2], "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "3");
	globfree(&g);
	assert_int_equal(reference_install(fresh, path, 2, 0, &e), -ENOENT);
	free(path);
	free(pattern);
	free(fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enough_is_by_number_and_by_time), cmocka_unit_test(test_a_wrong_clock_makes_no_span),
		cmocka_unit_test(test_cuts_change_nothing), cmocka_unit_test(test_heavy_traffic_is_thinned_evenly),
		cmocka_unit_test(test_after_a_kill_every_record_stands_there_once),
		cmocka_unit_test(test_relearning_waits_while_an_alarm_is_on), cmocka_unit_test(test_not_more_than_some_at_once),
		cmocka_unit_test(test_names), cmocka_unit_test(test_places), cmocka_unit_test(test_every_reference_of_a_block_is_found),
		cmocka_unit_test(test_a_new_reference_takes_the_place_and_old_ones_are_kept),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
