/* SPDX-License-Identifier: Apache-2.0
 * What is put aside stands there once: what was written behind the commit is cut, and another file is not taken for ours. */
#include "input/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/oodd-spool-XXXXXX";
static char path[64];

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/s.jsonl", folder);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void content_is(const char *want)
{
	char text[1 << 16] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);

	close(fd);
	assert_int_equal(n, strlen(want));
	assert_string_equal(text, want);
}

static struct spool *opened(const struct spool_mark *known)
{
	struct spool *s;
	struct error e;

	assert_int_equal(spool_open(path, known, &s, &e), 0);
	return s;
}

static void put(struct spool *s, const char *text)
{
	struct error e;

	assert_int_equal(spool_put(s, text, strlen(text), &e), 0);
}

static struct spool_mark marked(const struct spool *s)
{
	struct spool_mark mark;
	struct error e;

	assert_int_equal(spool_mark(s, &mark, &e), 0);
	return mark;
}

static void test_what_was_not_committed_is_cut(void **state)
{
	struct spool *s = opened(NULL);
	struct spool_mark mark;
	struct stat st;

	(void)state;
	put(s, "one\n");
	put(s, "two\n");
	mark = marked(s);
	put(s, "three\n");
	spool_close(s); /* as a kill would: the file is longer than was committed */
	s = opened(&mark);
	assert_int_equal(spool_length(s), 8);
	put(s, "three again\n");
	content_is("one\ntwo\nthree again\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	spool_remove(s);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_another_file_is_not_ours(void **state)
{
	struct spool *s = opened(NULL);
	struct spool_mark mark;
	struct error e;

	(void)state;
	put(s, "one\ntwo\n");
	mark = marked(s);
	spool_close(s);
	assert_int_equal(truncate(path, 4), 0);
	assert_int_equal(spool_open(path, &mark, &s, &e), -ESTALE);
	content_is("one\n");
	s = opened(NULL); /* begun anew: whatever is there goes */
	assert_int_equal(spool_length(s), 0);
	put(s, "one\ntwx\n and more");
	spool_close(s);
	assert_int_equal(spool_open(path, &mark, &s, &e), -ESTALE);
	assert_non_null(strstr(e.text, "not the one that was committed"));
	s = opened(NULL);
	content_is("");
	spool_remove(s);
}

static void test_many_bytes_are_told_by_their_last(void **state)
{
	char big[10000];
	struct spool *s = opened(NULL);
	struct spool_mark mark;
	struct error e;

	(void)state;
	memset(big, 'x', sizeof big);
	assert_int_equal(spool_put(s, big, sizeof big, &e), 0);
	mark = marked(s);
	assert_int_equal(mark.length, sizeof big);
	spool_close(s);
	s = opened(&mark);
	assert_int_equal(spool_clear(s, &e), 0);
	put(s, "new\n");
	content_is("new\n");
	spool_remove(s);
}

static void test_a_link_is_not_followed(void **state)
{
	struct spool *s;
	struct error e;
	char target[80];

	(void)state;
	snprintf(target, sizeof target, "%s/precious", folder);
	close(open(target, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(spool_open(path, NULL, &s, &e), -ELOOP);
	unlink(target);
}

/* A write that stops half way, as on a full disk, leaves nothing of itself. */
static void test_all_or_nothing(void **state)
{
	struct rlimit was, small = {.rlim_cur = 10};
	struct spool *s = opened(NULL);
	struct error e;

	(void)state;
	put(s, "1234567\n");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(spool_put(s, "abcdefgh\n", 9, &e), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	content_is("1234567\n");
	put(s, "89\n");
	content_is("1234567\n89\n");
	spool_remove(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_not_committed_is_cut), cmocka_unit_test(test_another_file_is_not_ours),
		cmocka_unit_test(test_many_bytes_are_told_by_their_last), cmocka_unit_test(test_all_or_nothing),
		cmocka_unit_test(test_a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
