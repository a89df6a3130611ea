/* SPDX-License-Identifier: Apache-2.0
 * Rejected records are kept up to a cap, the newest always. */
#include "input/dead_letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/oodd-dead-XXXXXX";
static char path[64], older[64];

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/dead.jsonl", folder);
	snprintf(older, sizeof older, "%s/dead.jsonl.1", folder);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	unlink(older);
	return rmdir(folder);
}

static struct reject rejected(const char *at, size_t n, enum reject_reason reason, uint64_t offset)
{
	return (struct reject){.offset = offset, .length = n, .at = at, .kept = (uint32_t)n, .reason = reason, .why = "byte 3: said so"};
}

static const char *last_line(const char *file)
{
	static char text[1 << 16];
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	while (fgets(text, sizeof text, f))
		;
	fclose(f);
	return text;
}

static void a_record_is_kept_with_place_and_reason(void **state)
{
	struct dead_letter *d;
	struct error e;
	struct reject text = rejected("{\"a\": \"\n", 8, REJECT_SYNTAX, 77);
	struct reject bytes = rejected("\xff\x00\x10", 3, REJECT_UTF8, 90);
	struct stat st;

	(void)state;
	assert_int_equal(dead_letter_open(path, "src", 1 << 20, &d, &e), 0);
	dead_letter_put(d, "/var/log/a \"b\".jsonl", &text);
	assert_non_null(strstr(last_line(path), "\"source\":\"src\",\"file\":\"/var/log/a \\\"b\\\".jsonl\",\"offset\":77,\"length\":8,"
						"\"reason\":\"syntax\",\"why\":\"byte 3: said so\",\"bytes\":\"{\\\"a\\\": \\\"\\n\"}"));
	dead_letter_put(d, "f", &bytes);
	assert_non_null(strstr(last_line(path), "\"base64\":\"/wAQ\"}"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(dead_letter_lost(d), 0);
	dead_letter_close(d);
}

static void the_cap_holds_and_the_newest_stay(void **state)
{
	static char big[3000];
	struct dead_letter *d;
	struct error e;
	struct stat now, before;

	(void)state;
	memset(big, 'x', sizeof big);
	assert_int_equal(dead_letter_open(path, "src", 20000, &d, &e), 0);
	for (uint64_t i = 0; i < 50; i++) {
		struct reject r = rejected(big, sizeof big, REJECT_SYNTAX, i);

		dead_letter_put(d, "f", &r);
	}
	dead_letter_close(d);
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(stat(older, &before), 0);
	assert_true(now.st_size + before.st_size <= 20000);
	assert_non_null(strstr(last_line(path), "\"offset\":49,"));
}

static void a_full_disk_is_counted(void **state)
{
	struct dead_letter *d;
	struct error e;
	struct reject r = rejected("x", 1, REJECT_SYNTAX, 1);

	(void)state;
	assert_int_equal(dead_letter_open("/dev/full", "src", 1 << 20, &d, &e), 0);
	dead_letter_put(d, "f", &r);
	assert_int_equal(dead_letter_lost(d), 1);
	dead_letter_close(d);
	assert_true(dead_letter_open("/no/such/folder/x", "src", 1, &d, &e) < 0);
	assert_non_null(strstr(e.text, "/no/such/folder/x"));
}

static void half_a_line_is_completed(void **state)
{
	FILE *f = fopen(path, "w");
	struct dead_letter *d;
	struct error e;
	struct reject r = rejected("\x92\xa1\xff", 3, REJECT_SYNTAX, 5);

	(void)state;
	fputs("{\"time\":", f);
	fclose(f);
	assert_int_equal(dead_letter_open(path, "src", 1 << 20, &d, &e), 0);
	dead_letter_put(d, "f", &r);
	assert_true(!strncmp(last_line(path), "{\"time\":\"", 9));
	assert_non_null(strstr(last_line(path), "\"base64\":\"kqH/\"}"));
	dead_letter_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_kept_with_place_and_reason),
		cmocka_unit_test(the_cap_holds_and_the_newest_stay),
		cmocka_unit_test(a_full_disk_is_counted),
		cmocka_unit_test(half_a_line_is_completed),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
