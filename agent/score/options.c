/* SPDX-License-Identifier: Apache-2.0
 *
 * The host that a plugin is lent: options by name, a log, memory that we own. Options are parsed here and nowhere else, so that
 * a plugin author writes a table and never a parser, and a user gets the same messages from every detector.
 */
#include "score/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"

/* ---- text to values ---- */

static size_t options_count(const struct oodd_detector *d)
{
	size_t n = 0;

	while (d->options && d->options[n].name)
		n++;
	return n;
}

static const struct oodd_option *option_find(const struct oodd_detector *d, const char *name)
{
	for (size_t i = 0; d->options && d->options[i].name; i++)
		if (strcmp(d->options[i].name, name) == 0)
			return &d->options[i];
	return NULL;
}

static int option_unknown(const struct oodd_detector *d, const char *name, struct error *e)
{
	size_t n = options_count(d);
	const char **names = mem_zero(n + 1, sizeof *names);

	for (size_t i = 0; i < n; i++)
		names[i] = d->options[i].name;
	const char *nearest = words_nearest(name, names, n);
	if (nearest)
		error_set(e, -EINVAL, "detector %s: unknown option \"%s\"; did you mean \"%s\"?", d->name, name, nearest);
	else if (n)
		error_set(e, -EINVAL, "detector %s: unknown option \"%s\"; `oodd plugin list` shows those it has", d->name, name);
	else
		error_set(e, -EINVAL, "detector %s: unknown option \"%s\"; it has none", d->name, name);
	free(names);
	return -EINVAL;
}

static int bool_parse(const char *text, double *ret)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = (double)(i % 2);
			return 0;
		}
	return -EINVAL;
}

/* Index of `text` among words separated by a blank. */
static int choice_parse(const char *choices, const char *text, double *ret)
{
	size_t n = strlen(text);

	for (int i = 0; n && choices && *choices; i++) {
		size_t span = strcspn(choices, " ");
		if (span == n && memcmp(choices, text, n) == 0) {
			*ret = i;
			return 0;
		}
		choices += span + (choices[span] == ' ');
	}
	return -EINVAL;
}

static int number_parse(const struct oodd_option *o, const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value) || (o->type == OODD_OPTION_INT && value != floor(value)))
		return -EINVAL;
	*ret = value;
	return value >= o->least && value <= o->most ? 0 : -ERANGE;
}

static int option_parse(const struct oodd_detector *d, const struct oodd_option *o, const char *text, double *ret, struct error *e)
{
	int r;

	switch (o->type) {
	case OODD_OPTION_BOOL:
		r = bool_parse(text, ret);
		return r ? error_set(e, r, "detector %s: option \"%s\" is true or false, not \"%s\"", d->name, o->name, text) : 0;
	case OODD_OPTION_CHOICE:
		r = choice_parse(o->choices, text, ret);
		return r ? error_set(e, r, "detector %s: option \"%s\" is one of: %s; not \"%s\"", d->name, o->name, o->choices, text) : 0;
	default:
		r = number_parse(o, text, ret);
		return !r ? 0 : error_set(e, -EINVAL, "detector %s: option \"%s\" is a %s from %g to %g, not \"%s\"", d->name, o->name,
			o->type == OODD_OPTION_INT ? "whole number" : "number", o->least, o->most, text);
	}
}

int detector_options(const struct oodd_detector *d, const struct option_text *given, size_t n, struct reference_option **ret,
	size_t *ret_n, struct error *e)
{
	size_t n_options = options_count(d);
	struct reference_option *options = n_options ? mem_zero(n_options, sizeof *options) : NULL;
	int r = 0;

	for (size_t i = 0; i < n_options; i++)
		options[i] = (struct reference_option){mem_copy_text(d->options[i].name), d->options[i].standard};
	for (size_t i = 0; i < n && !r; i++) {
		const struct oodd_option *o = option_find(d, given[i].name);
		r = o ? option_parse(d, o, given[i].text, &options[o - d->options].value, e) : option_unknown(d, given[i].name, e);
	}
	if (r) {
		detector_options_free(options, n_options);
		return r;
	}
	*ret = options;
	*ret_n = n_options;
	return 0;
}

void detector_options_free(struct reference_option *options, size_t n)
{
	for (size_t i = 0; options && i < n; i++)
		free(options[i].name);
	free(options);
}

/* ---- the host, lent for one call ---- */

struct lent {
	const struct oodd_detector *detector;
	const struct reference_option *options;
	size_t n_options;
	void **blocks;
	size_t n_blocks;
	char complaint[256]; /* the last warning or error, for the sentence of a failure */
};

static void lent_log(void *context, enum oodd_log_level level, const char *text)
{
	static const enum log_level levels[] = {LOG_DEBUG_, LOG_INFO_, LOG_WARNING_, LOG_ERROR_};
	struct lent *l = context;

	if ((unsigned)level > OODD_LOG_ERROR)
		level = OODD_LOG_ERROR;
	if (level >= OODD_LOG_WARNING)
		snprintf(l->complaint, sizeof l->complaint, "%s", text);
	/* An error comes back as the result of the call, and is logged where it is decided what to do. */
	if (level != OODD_LOG_ERROR)
		log_line(levels[level], "plugin", text, "detector", log_s(l->detector->name), NULL);
}

static double lent_option(void *context, const char *name)
{
	struct lent *l = context;
	const struct oodd_option *o = option_find(l->detector, name);

	for (size_t i = 0; o && i < l->n_options; i++)
		if (strcmp(l->options[i].name, name) == 0)
			return l->options[i].value;
	if (o)
		return o->standard;
	log_error("plugin", "asks for an option that is not in its table", "detector", log_s(l->detector->name), "option", log_s(name));
	return (double)NAN;
}

static void *lent_alloc(void *context, size_t n)
{
	struct lent *l = context;

	l->blocks = mem_grow(l->blocks, l->n_blocks + 1, sizeof *l->blocks);
	return l->blocks[l->n_blocks++] = mem_alloc(n ? n : 1);
}

static struct oodd_host lent_host(struct lent *l)
{
	return (struct oodd_host){sizeof(struct oodd_host), l, lent_log, lent_option, lent_alloc};
}

static void lent_done(struct lent *l)
{
	for (size_t i = 0; i < l->n_blocks; i++)
		free(l->blocks[i]);
	free(l->blocks);
}

/* What fit returned becomes ours: the block itself where it is one of those lent, so that a large bank is not held twice. */
static void *lent_keep(struct lent *l, const void *bytes, size_t n)
{
	for (size_t i = 0; i < l->n_blocks; i++)
		if (l->blocks[i] == bytes) {
			void *kept = l->blocks[i];
			l->blocks[i] = NULL;
			return kept;
		}
	return mem_copy(bytes, n);
}

static int lent_error(const struct lent *l, int r, const char *verb, struct error *e)
{
	if (r > 0)
		r = -EPROTO;
	return error_set(e, r, "detector %s: %s: %s", l->detector->name, verb, l->complaint[0] ? l->complaint : strerror(-r));
}

int detector_fit(const struct oodd_detector *d, const struct reference_option *options, size_t n_options,
	const struct oodd_batch *const *batches, size_t n_batches, void **ret_bytes, size_t *ret_n, struct error *e)
{
	struct lent l = {.detector = d, .options = options, .n_options = n_options};
	struct oodd_host host = lent_host(&l);
	const void *bytes = NULL;
	size_t n = 0;
	int r = d->fit ? d->fit(&host, batches, n_batches, &bytes, &n) : 0;

	if (r)
		r = lent_error(&l, r, "cannot learn from this reference", e);
	else {
		*ret_bytes = n ? lent_keep(&l, bytes, n) : NULL;
		*ret_n = n;
	}
	lent_done(&l);
	return r;
}

int detector_open(const struct oodd_detector *d, const struct reference_option *options, size_t n_options, const void *bytes,
	size_t n, void **ret_state, struct error *e)
{
	struct lent l = {.detector = d, .options = options, .n_options = n_options};
	struct oodd_host host = lent_host(&l);
	void *state = NULL;
	int r = d->open ? d->open(&host, bytes, n, &state) : 0;

	if (r)
		r = lent_error(&l, r, "cannot use what was learned", e);
	else
		*ret_state = state;
	lent_done(&l);
	return r;
}

void detector_close(const struct oodd_detector *d, void *state)
{
	if (state && d->close)
		d->close(state);
}
