/* SPDX-License-Identifier: Apache-2.0
 * Every script in hostile/ is run in a small sandbox, and must end the way its first line says, "--
 * expect: fine|time|memory|error TEXT", in less than twice its CPU time, with the memory of the
 * process bounded. Afterwards the same process still runs an honest script. */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lua/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

static const struct sandbox_limits limits = {.memory = 8 << 20, .cpu_us = 100 * 1000};
static int64_t dearest_us;

static const char *outcome(int rc)
{
	switch (rc) {
	case 0:
		return "fine";
	case -ETIME:
		return "time";
	case -ENOMEM:
		return "memory";
	default:
		return "error";
	}
}

/* Does "time|memory|error" name the outcome? */
static bool is_expected(const char *expect, const char *word)
{
	size_t n = strcspn(expect, " \n");

	for (const char *p = expect; p < expect + n; p += strcspn(p, "|\n ") + 1)
		if (strncmp(p, word, strlen(word)) == 0)
			return true;
	return false;
}

static bool says(const char *expect, const char *text)
{
	const char *wanted = expect + strcspn(expect, " \n");
	char copy[128];

	if (*wanted != ' ')
		return true;
	snprintf(copy, sizeof copy, "%.*s", (int)strcspn(wanted + 1, "\n"), wanted + 1);
	return strstr(text, copy) != NULL;
}

/* Not fail_msg: all of them are wanted. */
static int failed(const char *name, const char *what, const char *text)
{
	print_error("%s: %s: %s\n", name, what, text);
	return 1;
}

static int run_script(const char *path, const char *name)
{
	struct sandbox *s = NULL;
	struct error e = {""};
	const char *expect;
	char *text;
	size_t n;
	char took[32];
	int64_t cpu_us;
	int rc, faults = 0;

	assert_int_equal(sandbox_read_file(path, &text, &n, &e), 0);
	expect = text + strlen("-- expect: ");
	assert_int_equal(sandbox_open(name, &limits, &s, &e), 0);
	rc = sandbox_load(s, text, n, &e);
	cpu_us = sandbox_cpu_us(s);
	if (!is_expected(expect, outcome(rc)) || (rc == -EINVAL && !says(expect, e.text)))
		faults += failed(name, outcome(rc), e.text);
	if (rc && (strncmp(e.text, name, strlen(name)) != 0 || strpbrk(e.text, "\n\x1b\x01")))
		faults += failed(name, "a message that is not one line with its place", e.text);
	snprintf(took, sizeof took, "%lld us", (long long)cpu_us);
	if (cpu_us > (SLOW ? 20 : 2) * limits.cpu_us)
		faults += failed(name, "took too much CPU", took);
	if (cpu_us > dearest_us)
		dearest_us = cpu_us;
	assert_true(sandbox_bytes(s) <= limits.memory);
	/* The same state still serves: nothing is left switched on. */
	assert_int_equal(sandbox_load(s, "assert(1 + 1 == 2)", 18, &e), 0);
	sandbox_close(s);
	free(text);
	return faults;
}

static void test_hostile(void **state)
{
	const char *folder = HOSTILE;
	DIR *d = opendir(folder);
	struct dirent *entry;
	int n = 0, faults = 0;

	(void)state;
	assert_non_null(d);
	while ((entry = readdir(d))) {
		char path[512];

		if (!strstr(entry->d_name, ".lua"))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		faults += run_script(path, entry->d_name);
		n++;
	}
	closedir(d);
	assert_true(n >= 30);
	assert_int_equal(faults, 0);
	print_message("%d scripts, the dearest %lld us of CPU for a budget of %lld\n", n,
		(long long)dearest_us, (long long)limits.cpu_us);
}

/* Peak memory of the process, from the kernel. */
static long peak_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void test_memory_bounded(void **state)
{
	(void)state;
	if (!SLOW)
		assert_true(peak_kib() < 64 * 1024);
}

static void test_not_even_open(void **state)
{
	struct sandbox_limits tiny = {.memory = 4096, .cpu_us = 1000};
	struct sandbox *s = NULL;
	struct error e;

	(void)state;
	assert_int_equal(sandbox_open("x", &tiny, &s, &e), -ENOMEM);
	assert_null(s);
	tiny.memory = 8000;
	assert_int_equal(sandbox_open("x", &tiny, &s, &e), -ENOMEM);
	assert_null(s);
}

static void test_not_text(void **state)
{
	struct sandbox *s;
	struct error e;

	(void)state;
	assert_int_equal(sandbox_open("x", &limits, &s, &e), 0);
	assert_int_equal(sandbox_load(s, "\033Lua", 4, &e), -EINVAL);
	assert_int_equal(sandbox_load(s, "a\0b", 3, &e), -EINVAL);
	sandbox_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_memory_bounded), cmocka_unit_test(test_not_even_open),
		cmocka_unit_test(test_not_text)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
