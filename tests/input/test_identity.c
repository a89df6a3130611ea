/* SPDX-License-Identifier: Apache-2.0
 * Names of files on the filesystem at hand: the same through rename, growth and truncation, another one when the inode number
 * is used again. */
#include "input/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/oodd-identity-XXXXXX");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink("renamed");
	unlink("log");
	return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static int make(void)
{
	int fd = open("log", O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void lasts_through_rename_growth_and_truncation(void **state)
{
	struct identity before, after;
	int fd = make(), again;

	(void)state;
	assert_int_equal(identity_of(fd, &before), 0);
	assert_int_equal(write(fd, "some text", 9), 9);
	assert_int_equal(rename("log", "renamed"), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	again = open("renamed", O_RDONLY);
	assert_int_equal(identity_of(again, &after), 0);
	assert_string_equal(before.text, after.text);
	assert_int_equal(before.birth_us, after.birth_us);
	close(fd);
	close(again);
}

/* ext4 gives the number of the file just deleted to the next one: the very trap. */
static void differs_when_the_inode_is_used_again(void **state)
{
	char seen[16][IDENTITY_MAX];
	unsigned reused = 0;
	ino_t last = 0;

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct identity id;
		struct stat s;
		int fd = make();

		assert_int_equal(fstat(fd, &s), 0);
		assert_int_equal(identity_of(fd, &id), 0);
		strcpy(seen[i], id.text);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
		reused += s.st_ino == last;
		last = s.st_ino;
		close(fd);
		unlink("log");
	}
	print_message("the inode was used again %u times of 15\n", reused);
}

static void every_kind_begins_with_its_word(void **state)
{
	int fd = make();

	(void)state;
	for (int kind = 0; kind < IDENTITY_N; kind++) {
		struct identity id = {.text = ""};
		int r = identity_of_kind(fd, (enum identity_kind)kind, &id);
		size_t n = strlen(identity_words[kind]);

		if (r == -EOPNOTSUPP)
			continue;
		assert_int_equal(r, 0);
		assert_memory_equal(id.text, identity_words[kind], n);
		assert_int_equal(id.text[n], ':');
		assert_false(id.network);
	}
	close(fd);
}

static void pipes_and_bad_descriptors_are_no_crash(void **state)
{
	struct identity id;

	(void)state;
	assert_int_equal(identity_of(-1, &id), -EBADF);
}

static void fingerprints_know_their_bytes(void **state)
{
	struct fingerprint of_abc = fingerprint_of("abc", 3), none = fingerprint_of("", 0);
	int fd = make();

	(void)state;
	assert_int_equal(write(fd, "xabcx", 5), 5);
	assert_true(fingerprint_holds(&of_abc, fd, 1));
	assert_false(fingerprint_holds(&of_abc, fd, 0));
	assert_false(fingerprint_holds(&of_abc, fd, 3));
	assert_true(fingerprint_holds(&none, fd, 100));
	of_abc.n = 1 << 20; /* as an unknown version might have stored */
	assert_false(fingerprint_holds(&of_abc, fd, 0));
	close(fd);
}

static void this_boot_has_a_name(void **state)
{
	char one[37], other[37];

	(void)state;
	identity_boot(one);
	identity_boot(other);
	assert_int_equal(strlen(one), 36);
	assert_string_equal(one, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lasts_through_rename_growth_and_truncation),
		cmocka_unit_test(differs_when_the_inode_is_used_again),
		cmocka_unit_test(every_kind_begins_with_its_word),
		cmocka_unit_test(pipes_and_bad_descriptors_are_no_crash),
		cmocka_unit_test(fingerprints_know_their_bytes),
		cmocka_unit_test(this_boot_has_a_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
