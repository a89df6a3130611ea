/* SPDX-License-Identifier: Apache-2.0
 * The host of plugins: what it refuses and with which words, which name means what, and how options are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "score/options.h"
#include "score/registry.h"

static char folder[] = "/tmp/oodd-test-plugin-XXXXXX";

/* Of the build tree: make check exports where. */
static const char *built(const char *name)
{
	static char path[PATH_MAX];
	const char *build = getenv("OODD_BUILD");

	snprintf(path, sizeof path, "%s/plugins/%s", build ? build : ".", name);
	return path;
}

/* The first `most` bytes of `from`, as folder/name. */
static const char *copied(const char *from, const char *name, size_t most)
{
	static char path[PATH_MAX];
	static char bytes[4 << 20];
	FILE *in = fopen(from, "rb");

	assert_non_null(in);
	size_t n = fread(bytes, 1, sizeof bytes, in);
	fclose(in);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	unlink(path);
	FILE *out = fopen(path, "wb");
	assert_non_null(out);
	fwrite(bytes, 1, n < most ? n : most, out);
	fclose(out);
	chmod(path, 0755);
	return path;
}

static void refused(const char *path, int code, const char *words)
{
	struct plugin *p = NULL;
	struct error e = {""};
	int r = plugin_load(path, PLUGIN_STRICT, &p, &e);

	if (r != code || !strstr(e.text, words))
		print_message("%s: expected %d \"%s\", got %d \"%s\"\n", path, code, words, r, e.text);
	assert_int_equal(r, code);
	assert_non_null(strstr(e.text, words));
	assert_non_null(strstr(e.text, path));
	assert_null(p);
}

static void test_loads(void **state)
{
	(void)state;
	struct plugin *p = NULL;
	struct error e = {""};

	assert_int_equal(plugin_load(built("null.so"), PLUGIN_STRICT, &p, &e), 0);
	assert_int_equal(p->n_detectors, 1);
	assert_string_equal(p->detectors[0].name, "null");
	assert_string_equal(p->licence, "Apache-2.0");
	assert_null(p->detectors[0].fit);
	plugin_close(p);
	/* Another file must not be taken for the first because it came by the same descriptor. */
	assert_int_equal(plugin_load(built("logit.so"), PLUGIN_STRICT, &p, &e), 0);
	assert_string_equal(p->detectors[0].name, "msp");
	plugin_close(p);
	plugin_close(NULL);
}

static void test_grown_struct_is_cut(void **state)
{
	(void)state;
	struct plugin *p = NULL;
	struct error e = {""};

	assert_int_equal(plugin_load(built("../tests/score/newer.so"), PLUGIN_STRICT, &p, &e), 0);
	assert_string_equal(p->detectors[0].name, "grown");
	plugin_close(p);
}

static void test_not_plugins(void **state)
{
	(void)state;
	size_t whole = SIZE_MAX;
	char missing[PATH_MAX];

	snprintf(missing, sizeof missing, "%s/missing.so", folder);
	refused(missing, -ENOENT, "No such file");
	refused(copied("/etc/passwd", "text.so", whole), -ENOEXEC, "does not start like an ELF file");
	refused(copied(built("null.so"), "empty.so", 0), -ENOEXEC, "does not start like an ELF file");
	refused(copied(built("null.so"), "short.so", 1000), -ENOEXEC, "cut short");
	refused(copied(built("null.so"), "half.so", 9000), -ENOEXEC, "cut short");
	refused(copied("/bin/true", "folder.so", 40), -ENOEXEC, "does not start like an ELF file");
	refused(copied(built("../tests/score/broken_symbol.so"), "symbol.so", whole), -EPROTO, "exports no oodd_plugin");
	refused(copied(built("../tests/score/broken_abi.so"), "abi.so", whole), -EPROTO, "compiled for ABI 2 of oodd, this is ABI 1");
	refused(copied(built("../tests/score/broken_short.so"), "size.so", whole), -EPROTO, "take 16 bytes");
	refused(copied(built("../tests/score/broken_name.so"), "name.so", whole), -EINVAL, "\"Zero!\"");
	refused(copied(built("../tests/score/broken_score.so"), "score.so", whole), -EINVAL, "zero has no score function");
	refused(copied(built("../tests/score/broken_range.so"), "range.so", whole), -EINVAL, "option 1 (k): its default is out of its own range");
}

static void test_truncated_anywhere(void **state)
{
	(void)state;
	struct stat s;

	assert_int_equal(stat(built("logit.so"), &s), 0);
	for (size_t n = 0; n < (size_t)s.st_size; n += 997) {
		struct plugin *p = NULL;
		struct error e = {""};
		/* Cut behind the last segment (debug information, section headers) it is whole for the loader. */
		if (plugin_load(copied(built("logit.so"), "cut.so", n), PLUGIN_STRICT, &p, &e))
			assert_true(strlen(e.text) > 20);
		plugin_close(p);
	}
}

static void test_who_could_have_written(void **state)
{
	(void)state;
	char link_path[PATH_MAX], deep[PATH_MAX];
	const char *path = copied(built("null.so"), "open.so", SIZE_MAX);
	struct plugin *p = NULL;
	struct error e = {""};

	chmod(path, 0757);
	refused(path, -EPERM, "can be written by everybody");
	assert_int_equal(plugin_load(path, PLUGIN_ANY_OWNER, &p, &e), 0);
	plugin_close(p);
	chmod(path, 0755);
	chmod(folder, 0757);
	refused(path, -EPERM, "folder");
	chmod(folder, 01777);
	refused(path, -EPERM, "can be written by everybody");
	/* Above the folder, sticky is good enough: nobody can replace what is ours. */
	snprintf(deep, sizeof deep, "%s/deep", folder);
	assert_int_equal(mkdir(deep, 0755), 0);
	path = copied(built("null.so"), "deep/fine.so", SIZE_MAX);
	assert_int_equal(plugin_load(path, PLUGIN_STRICT, &p, &e), 0);
	plugin_close(p);
	chmod(folder, 0777);
	refused(path, -EPERM, "can be written by everybody");
	chmod(folder, 0755);
	snprintf(link_path, sizeof link_path, "%s/link.so", folder);
	assert_int_equal(symlink(path, link_path), 0);
	refused(link_path, -EPERM, "symbolic link");
}

static void test_owner(void **state)
{
	(void)state;
	const char *path = copied(built("null.so"), "foreign.so", SIZE_MAX);

	if (geteuid() != 0 || chown(path, 12345, 12345))
		skip();
	refused(path, -EPERM, "belongs to another user");
}

static void test_registry(void **state)
{
	(void)state;
	char plugins[PATH_MAX];
	const struct oodd_detector *d = NULL;
	struct error e = {""};

	snprintf(plugins, sizeof plugins, "%s", built(""));
	plugins[strlen(plugins) - 1] = 0;
	copied(built("null.so"), "again.so", SIZE_MAX);
	copied("/etc/passwd", "text.so", SIZE_MAX);
	const char *dirs[] = {plugins, folder, "/nonexistent/plugins"};
	struct plugins *all = plugins_open(dirs, 3);
	assert_int_equal(plugins_find(all, "energy", &d, &e), 0);
	assert_string_equal(d->name, "energy");
	assert_int_equal(plugins_find(all, "enrgy", &d, &e), -ENOENT);
	assert_string_equal(e.text, "unknown detector \"enrgy\"; did you mean \"energy\"?");
	assert_int_equal(plugins_find(all, "xxxxxxxx", &d, &e), -ENOENT);
	assert_non_null(strstr(e.text, "there are: "));

	bool told_text = false, told_twice = false, told_missing = false;
	for (size_t i = 0; i < all->n_warnings; i++) {
		told_text |= strstr(all->warnings[i], "text.so: not a shared object") != NULL;
		told_twice |= strstr(all->warnings[i], "detector null is already there") != NULL;
		told_missing |= strstr(all->warnings[i], "/nonexistent/plugins: No such file") != NULL;
	}
	assert_true(told_text && told_twice && told_missing);

	struct buf text = BUF_EMPTY, json = BUF_EMPTY;
	plugins_list_text(all, &text);
	plugins_list_json(all, &json);
	assert_non_null(strstr(buf_cstr(&text), "energy 1.0: free energy of the logits; needs raw logits\n"));
	assert_non_null(strstr(buf_cstr(&text), "temperature = 1 (number, 0.001 to 1000): "));
	assert_non_null(strstr(buf_cstr(&json), "\"name\":\"most\",\"type\":\"integer\""));
	buf_done(&text);
	buf_done(&json);
	plugins_close(all);
	plugins_close(NULL);
}

static void test_no_plugins(void **state)
{
	(void)state;
	const struct oodd_detector *d = NULL;
	struct error e = {""};
	struct plugins *none = plugins_open(NULL, 0);

	assert_int_equal(plugins_find(none, "energy", &d, &e), -ENOENT);
	assert_string_equal(e.text, "unknown detector \"energy\": no plugin was found");
	plugins_close(none);
}

static void test_dirs(void **state)
{
	(void)state;
	const char *configured[] = {"/a", "/b"};

	setenv("OODD_PLUGIN_PATH", "/c::/d", 1);
	char **dirs = plugin_default_dirs(configured, 2);
	unsetenv("OODD_PLUGIN_PATH");
	assert_string_equal(dirs[0], "/a");
	assert_string_equal(dirs[1], "/b");
	assert_string_equal(dirs[2], "/c");
	assert_string_equal(dirs[3], "/d");
	assert_non_null(strstr(dirs[4], "/plugins"));
	assert_null(dirs[5]);
	plugin_dirs_free(dirs);
}

static int option_get(const struct oodd_detector *d, const char *name, const char *text, double *ret, struct error *e)
{
	struct option_text given = {name, text};
	struct reference_option *options = NULL;
	size_t n = 0;
	int r = detector_options(d, &given, 1, &options, &n, e);

	for (size_t i = 0; !r && i < n; i++)
		if (strcmp(options[i].name, name) == 0)
			*ret = options[i].value;
	detector_options_free(options, n);
	return r;
}

static void test_options(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int code;
		double value;
		const char *words;
	} cases[] = {
		{"k", "7", 0, 7, NULL},
		{"k", "11", -EINVAL, 0, "option \"k\" is a whole number from 1 to 10, not \"11\""},
		{"k", "2.5", -EINVAL, 0, "whole number"},
		{"k", "two", -EINVAL, 0, "whole number"},
		{"k", "", -EINVAL, 0, "whole number"},
		{"k", "7 ", -EINVAL, 0, "whole number"},
		{"k", "nan", -EINVAL, 0, "whole number"},
		{"half", "0.25", 0, 0.25, NULL},
		{"half", "-1", -EINVAL, 0, "is a number from 0 to 1"},
		{"loud", "true", 0, 1, NULL},
		{"loud", "off", 0, 0, NULL},
		{"loud", "maybe", -EINVAL, 0, "is true or false, not \"maybe\""},
		{"metric", "cosine", 0, 0, NULL},
		{"metric", "euclidean", 0, 1, NULL},
		{"metric", "cos", -EINVAL, 0, "is one of: cosine euclidean; not \"cos\""},
		{"metric", "", -EINVAL, 0, "is one of"},
		{"metrik", "cosine", -EINVAL, 0, "unknown option \"metrik\"; did you mean \"metric\"?"},
		{"zzzzzz", "1", -EINVAL, 0, "unknown option \"zzzzzz\"; `oodd plugin list` shows"},
	};
	struct plugin *p = NULL;
	struct error e = {""};

	assert_int_equal(plugin_load(built("../tests/score/fine.so"), PLUGIN_STRICT, &p, &e), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		double value = -1;
		int r = option_get(&p->detectors[0], cases[i].name, cases[i].text, &value, &e);
		assert_int_equal(r, cases[i].code);
		if (r)
			assert_non_null(strstr(e.text, cases[i].words));
		else
			assert_true(value == cases[i].value);
	}
	plugin_close(p);
}

static void test_options_standard(void **state)
{
	(void)state;
	struct plugin *p = NULL;
	struct reference_option *options = NULL;
	size_t n = 0;
	struct error e = {""};

	assert_int_equal(plugin_load(built("../tests/score/fine.so"), PLUGIN_STRICT, &p, &e), 0);
	assert_int_equal(detector_options(&p->detectors[0], NULL, 0, &options, &n, &e), 0);
	assert_int_equal(n, 4);
	assert_string_equal(options[0].name, "k");
	assert_true(options[0].value == 5 && options[3].value == 1);
	detector_options_free(options, n);
	plugin_close(p);
}

/* A detector of our own, to see what the host hands over. */
static int echo_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	double *bytes = host->alloc(host->context, 2 * sizeof *bytes);

	(void)batches;
	if (n_batches == 0) {
		host->log(host->context, OODD_LOG_ERROR, "no batches at all");
		return -ENODATA;
	}
	bytes[0] = host->option(host->context, "given");
	bytes[1] = host->option(host->context, "younger");
	*ret_bytes = bytes;
	*ret_n = 2 * sizeof *bytes;
	return 0;
}

static int echo_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	if (n != 2 * sizeof(double))
		return -EINVAL;
	assert_true(host->size == sizeof *host);
	*ret_state = mem_copy(bytes, n);
	return 0;
}

static void test_calls(void **state)
{
	(void)state;
	static const struct oodd_option table[] = {
		{"given", OODD_OPTION_REAL, 1, 0, 9, NULL, "in the reference"},
		{"younger", OODD_OPTION_REAL, 2, 0, 9, NULL, "not in the reference"},
		{0},
	};
	static const struct oodd_detector echo = {.name = "echo", .options = table, .fit = echo_fit, .open = echo_open, .close = free};
	char name[] = "given";
	struct reference_option kept = {name, 5};
	struct oodd_batch batch = {.size = sizeof batch};
	const struct oodd_batch *batches = &batch;
	void *bytes = NULL, *opened = NULL;
	size_t n = 0;
	struct error e = {""};

	assert_int_equal(detector_fit(&echo, &kept, 1, NULL, 0, &bytes, &n, &e), -ENODATA);
	assert_string_equal(e.text, "detector echo: cannot learn from this reference: no batches at all");
	assert_int_equal(detector_fit(&echo, &kept, 1, &batches, 1, &bytes, &n, &e), 0);
	assert_int_equal(n, 2 * sizeof(double));
	assert_int_equal(detector_open(&echo, &kept, 1, bytes, n - 1, &opened, &e), -EINVAL);
	assert_non_null(strstr(e.text, "detector echo: cannot use what was learned: "));
	assert_int_equal(detector_open(&echo, &kept, 1, bytes, n, &opened, &e), 0);
	assert_true(((double *)opened)[0] == 5 && ((double *)opened)[1] == 2);
	detector_close(&echo, opened);
	detector_close(&echo, NULL);
	free(bytes);
}

static int folder_make(void **state)
{
	(void)state;
	umask(022);
	return mkdtemp(folder) ? chmod(folder, 0755) : -1;
}

static int folder_drop(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loads),
		cmocka_unit_test(test_grown_struct_is_cut),
		cmocka_unit_test(test_not_plugins),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_who_could_have_written),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_no_plugins),
		cmocka_unit_test(test_dirs),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_options_standard),
		cmocka_unit_test(test_calls),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
