/* SPDX-License-Identifier: Apache-2.0
 * Logs of offline commands: plain, gzip, zstd, several members one after the other, cut short, broken. The compressed ones are
 * made by gzip and zstd themselves. */
#include "input/archive.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char *text;
static size_t n_text;

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	snprintf(path[turn % 4], sizeof path[0], "%s/%s", folder, name);
	return path[turn++ % 4];
}

static void shell(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* Half a million bytes of lines that compress somewhat. */
static int set_up(void **state)
{
	unsigned random = 1;
	FILE *f;

	(void)state;
	snprintf(folder, sizeof folder, "/tmp/oodd-archive-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	text = mem_alloc(1 << 20);
	for (n_text = 0; n_text < 500000;) {
		random = random * 1664525 + 1013904223;
		n_text += (size_t)sprintf(text + n_text, "{\"id\":%u,\"x\":%f}\n", random, random / 4294967296.0);
	}
	f = fopen(in_folder("plain"), "w");
	fwrite(text, 1, n_text, f);
	fclose(f);
	shell("cd %s && gzip -c plain > gz && zstd -q -c plain > zst && cat gz gz > gzgz && cat zst zst > zstzst", folder);
	shell("cd %s && head -c 90000 gz > gz.cut && head -c 90000 zst > zst.cut && : > empty && gzip -c empty > gz.empty", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(text);
	shell("rm -rf %s", folder);
	return 0;
}

static ssize_t read_all(struct archive *a, char *to, size_t room, size_t step, struct error *e)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = archive_read(a, to + n, step < room - n ? step : room - n, e);

		if (got <= 0)
			return got < 0 ? got : (ssize_t)n;
		n += (size_t)got;
	}
}

static void reads_back(const char *name, unsigned times, size_t step)
{
	char *got = mem_alloc(times * n_text + 1);
	uint64_t read, size;
	struct archive *a;
	struct error e;

	assert_int_equal(archive_open(in_folder(name), &a, &e), 0);
	assert_int_equal(read_all(a, got, times * n_text + 1, step, &e), times * n_text);
	for (unsigned i = 0; i < times; i++)
		assert_memory_equal(got + i * n_text, text, n_text);
	archive_progress(a, &read, &size);
	assert_int_equal(read, size);
	archive_close(a);
	free(got);
}

static void whole_logs_read_back(void **state)
{
	(void)state;
	for (size_t step = 1; step < 1 << 21; step = step * 7 + 1) {
		reads_back("plain", 1, step);
		reads_back("gz", 1, step);
		reads_back("zst", 1, step);
		reads_back("gzgz", 2, step);
		reads_back("zstzst", 2, step);
	}
}

static void empty_logs_end_at_once(void **state)
{
	struct archive *a;
	struct error e;
	char byte;

	(void)state;
	assert_int_equal(archive_open(in_folder("empty"), &a, &e), 0);
	assert_int_equal(archive_read(a, &byte, 1, &e), 0);
	archive_close(a);
	assert_int_equal(archive_open(in_folder("gz.empty"), &a, &e), 0);
	assert_int_equal(archive_read(a, &byte, 1, &e), 0);
	archive_close(a);
}

static void cut_short_says_so(void **state)
{
	const char *names[] = {"gz.cut", "zst.cut"};
	char *got = mem_alloc(n_text + 1);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct archive *a;
		struct error e = {""};
		char byte;

		assert_int_equal(archive_open(in_folder(names[i]), &a, &e), 0);
		assert_int_equal(read_all(a, got, n_text + 1, 1000, &e), -ENODATA);
		assert_non_null(strstr(e.text, names[i]));
		assert_non_null(strstr(e.text, "at byte 90000"));
		assert_int_equal(archive_read(a, &byte, 1, &e), -ENODATA);
		archive_close(a);
	}
	free(got);
}

/* One byte broken anywhere: the same text (the byte did not matter), or a clear error; never other text in silence. */
static void broken_bytes_are_found(void **state)
{
	const char *names[] = {"gz", "zst"};
	char *got = mem_alloc(2 * n_text + 1);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (long at = 4; at < 100000; at += 4999) {
			struct archive *a;
			struct error e = {""};
			ssize_t n;

			shell("cp %s %s", in_folder(names[i]), in_folder("broken"));
			shell("printf '\\125' | dd of=%s bs=1 seek=%ld conv=notrunc status=none", in_folder("broken"), at);
			assert_int_equal(archive_open(in_folder("broken"), &a, &e), 0);
			n = read_all(a, got, 2 * n_text + 1, 4096, &e);
			if (n >= 0 && i == 0)
				assert_true(n == (ssize_t)n_text && memcmp(got, text, n_text) == 0);
			else if (n < 0)
				assert_true((n == -EBADMSG || n == -ENODATA) && strstr(e.text, "broken"));
			archive_close(a);
		}
	free(got);
}

static void what_is_not_there_is_named(void **state)
{
	struct archive *a = NULL;
	struct error e;

	(void)state;
	assert_int_equal(archive_open("/nonexistent/log", &a, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/log"));
	assert_int_equal(archive_open(folder, &a, &e), -EISDIR);
	assert_null(a);
}

static void standard_input_is_read(void **state)
{
	int saved = dup(STDIN_FILENO), fd = open(in_folder("gz"), O_RDONLY);
	char *got = mem_alloc(n_text + 1);
	struct archive *a;
	struct error e;

	(void)state;
	dup2(fd, STDIN_FILENO);
	close(fd);
	assert_int_equal(archive_open("-", &a, &e), 0);
	assert_int_equal(read_all(a, got, n_text + 1, 777, &e), n_text);
	assert_memory_equal(got, text, n_text);
	archive_close(a);
	assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_CUR) > 0, true);
	dup2(saved, STDIN_FILENO);
	close(saved);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_logs_read_back),
		cmocka_unit_test(empty_logs_end_at_once),
		cmocka_unit_test(cut_short_says_so),
		cmocka_unit_test(broken_bytes_are_found),
		cmocka_unit_test(what_is_not_there_is_named),
		cmocka_unit_test(standard_input_is_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
