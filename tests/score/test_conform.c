/* SPDX-License-Identifier: Apache-2.0
 * The conformance kit finds what is broken, and the shipped detectors pass it whole: batch independence bit for bit included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "score/conform.h"

static int run(const char *folder, const char *name, char **ret_text)
{
	const char *plugins = getenv("OODD_BUILD_PLUGINS");
	char path[PATH_MAX];
	size_t n = 0;

	snprintf(path, sizeof path, "%s/%s/%s.so", plugins ? plugins : "plugins", folder, name);
	FILE *to = open_memstream(ret_text, &n);
	int failed = conform_run(path, to);
	fclose(to);
	return failed;
}

static void test_shipped(void **state)
{
	static const char *const shipped[] = {"null", "logit", "mahalanobis", "knn", "lastlayer", "ecod", "tabular"};
	char *text = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
		int failed = run(".", shipped[i], &text);
		if (failed)
			print_message("%s", text);
		assert_int_equal(failed, 0);
		assert_non_null(strstr(text, ": a row's bits depend on no neighbour, number or position\n"));
		free(text);
	}
}

static void test_shipped_window_detectors(void **state)
{
	static const char *const shipped[] = {"rff_mmd", "moments", "bbse", "chi_squared"};
	char *text = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
		int failed = run(".", shipped[i], &text);
		if (failed)
			print_message("%s", text);
		assert_int_equal(failed, 0);
		assert_non_null(strstr(text, ": window: merging is addition, in any split and order\n"));
		assert_null(strstr(text, ": a row's bits depend on"));
		free(text);
	}
}

static void test_window_detectors_that_misbehave(void **state)
{
	static const char *const lines[] = {
		"FAILED  place: window: merging is addition, in any split and order: rows one by one do not add up",
		"FAILED  place: window: a row adds the same at any position: ",
		"FAILED  mean: window: merging is addition, in any split and order: rows one by one do not add up",
		"FAILED  odd: window: rows that are not finite: a row of nan adds 5, 0 rows counted",
		"FAILED  beyond: an empty batch: accumulate wrote beyond its 2 numbers",
		"FAILED  lawless: window: what is expected by chance: windows of the reference's own rows are ",
		"FAILED  nan_: window: vectors that nobody could add up: compare says ",
	};
	char *text = NULL;
	int failed;

	(void)state;
	failed = run("../tests/score", "windows", &text);
	assert_null(strstr(text, "FAILED  fine"));
	assert_true(failed >= 7);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (!strstr(text, lines[i]))
			print_message("expected %s in:\n%s", lines[i], text);
		assert_non_null(strstr(text, lines[i]));
	}
	free(text);
}

/* A sanitizer ends some of them earlier, and with other words. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ANY_WORDS true
#else
#define ANY_WORDS false
#endif

static void test_misbehaved(void **state)
{
	static const struct {
		const char *name, *words;
	} cases[] = {
		{"refit", "FAILED  promise: fitted twice, the same bytes: fitting twice on the same rows gave different bytes"},
		{"neighbours", "FAILED  promise: a row's bits depend on no neighbour, number or position: row "},
		{"threads", "FAILED  promise: "},
		{"writes", "FAILED  promise: "},
		{"crash", "FAILED  promise: rows that are not finite: killed by signal 6"},
		{"exit", "FAILED  promise: a row's bits depend on no neighbour, number or position: the process ended, with exit status 3"},
		{"nan", "FAILED  promise: rows that are not finite: row "},
		{"logits", "FAILED  promise: nothing but what it needs: "},
		{"beyond", "FAILED  promise: an empty batch: score wrote beyond its 0 rows"},
		{"reasons", "FAILED  promise: reasons: a reason of kind 3 has index 24, there are 24"},
		{"alone", "FAILED  promise: a row's reasons depend on no neighbour; shares are shares: row 0 has 2 reasons, and 1 when it is alone"},
		{"names", "FAILED  promise: the rows that may be named: row 5 is named, which rows did not announce"},
		{"trust", "FAILED  promise: "},
		{"prints", ": writes nothing to standard output: that belongs to the host"},
		{"leaks", "FAILED  promise: what open and score take is given back: "},
	};
	char name[64], *text = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(name, sizeof name, "misbehaved_%s", cases[i].name);
		const char *words = ANY_WORDS ? "FAILED  " : cases[i].words;
		if (ANY_WORDS && !strcmp(cases[i].name, "leaks"))
			continue; /* a sanitizer has a malloc of its own, which the kit cannot ask */
		int failed = run("../tests/score", name, &text);
		if (failed < 1 || !strstr(text, words))
			print_message("%s:\n%s", name, text);
		assert_true(failed >= 1);
		assert_non_null(strstr(text, words));
		free(text);
	}
}

static void test_does_not_load(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(run("../tests/score", "broken_abi", &text), 1);
	assert_non_null(strstr(text, "compiled for ABI 2"));
	free(text);
	assert_int_equal(run(".", "missing", &text), 1);
	assert_non_null(strstr(text, "No such file"));
	free(text);
}

/* The detectors that README.md and plugins/README.md write: compiled as they stand there, and held to the contract. */
static void readme_try(const char *document)
{
	const char *tree = getenv("OODD_TREE");
	char command[4 * PATH_MAX], *text = NULL;

	snprintf(command, sizeof command, "mkdir -p tests/score && sed -n '/^```c$/,/^```$/{/^```/d;p}' '%s/%s' > tests/score/readme.c && "
		"${CC:-cc} -Wall -Wextra -Werror -O2 -shared -fPIC -fvisibility=hidden -I'%s/include' tests/score/readme.c -lm -o tests/score/readme.so",
		tree ? tree : ".", document, tree ? tree : ".");
	assert_int_equal(system(command), 0);
	int failed = run("../tests/score", "readme", &text);
	if (failed)
		print_message("%s: %s", document, text);
	assert_int_equal(failed, 0);
	free(text);
}

static void test_readme(void **state)
{
	(void)state;
	readme_try("README.md");
	readme_try("plugins/README.md");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_misbehaved),
		cmocka_unit_test(test_shipped_window_detectors),
		cmocka_unit_test(test_window_detectors_that_misbehave),
		cmocka_unit_test(test_does_not_load),
		cmocka_unit_test(test_readme),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
