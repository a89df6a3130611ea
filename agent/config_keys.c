/* SPDX-License-Identifier: Apache-2.0
 * Every key that a configuration may hold. Each line is at once the parser, the default, the range, and the help. */
#include "config_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* fields = { time = "/when", tags = false } */
static void read_fields(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	char **pointers = member, hint[64];
	struct error e;

	(void)k;
	if (v && v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "fields must be a table of places, such as { time = \"/ts\" }, and is %s", value_type_words[v->type]);
		return;
	}
	for (size_t i = 0; v && i < v->n; i++) {
		const struct value *item = &v->items[i];
		size_t f = 0;

		while (item->key && f < FIELD_N && strcmp(item->key, field_words[f]) != 0)
			f++;
		if (!item->key)
			table_wrong(r, item->line, "fields: a value without a name; write name = \"/place\"");
		else if (f == FIELD_N)
			table_wrong(r, item->line, "fields: unknown field '%.60s'%s", item->key,
				table_nearest(item->key, field_words, FIELD_N, hint, sizeof hint));
		else if (item->type == VALUE_BOOL && !item->yes)
			pointers[f] = mem_copy_text("");
		else if (item->type != VALUE_TEXT)
			table_wrong(r, item->line, "fields: %s must be a JSON Pointer such as \"/a/b\", or false, and is %s", item->key,
				value_type_words[item->type]);
		else if (item->n && pointer_check(item->text, &e))
			table_wrong(r, item->line, "fields: %s: %s", item->key, e.text);
		else
			pointers[f] = mem_copy_text(item->text);
	}
}

static void done_fields(void *member)
{
	for (char **p = member; p < (char **)member + FIELD_N; p++)
		free(*p);
}

static void print_fields(const void *member, struct buf *to)
{
	char *const *pointers = member;
	const char *between = "{ ";

	for (size_t f = 0; f < FIELD_N; f++) {
		if (!pointers[f])
			continue;
		buf_format(to, "%s%s = ", between, field_words[f]);
		table_print_text(to, pointers[f]);
		between = ", ";
	}
	if (to->n)
		buf_text(to, " }");
}

static const struct key source_keys[] = {
	{"path", KEY_PATHS, KEY_LIST_AT(struct source_config, paths, n_paths), .required = true,
		.help = "the files to follow: a path or a list, * and ? allowed"},
	{"exclude", KEY_TEXTS, KEY_LIST_AT(struct source_config, exclude, n_exclude), .standard = "*.gz *.xz *.zst *.bz2",
		.help = "names left out: patterns matched against the last part of the path"},
	{"format", KEY_CHOICE, KEY_AT(struct source_config, decode.format), .standard = "jsonl", .words = "jsonl msgpack",
		.help = "how records are written"}, /* in the order of enum format */
	{"fields", KEY_OTHER, KEY_AT(struct source_config, decode.pointer), .read = read_fields, .done = done_fields,
		.print = print_fields, .help = "where each field of a record stands, as JSON Pointers; false: nowhere"},
	{"model", KEY_TEXT, KEY_AT(struct source_config, decode.model), .help = "for records that name none"},
	{"version", KEY_TEXT, KEY_AT(struct source_config, decode.version), .help = "for records that name none"},
	{"longest", KEY_SIZE, KEY_AT(struct source_config, decode.longest), .standard = "1MiB", .least = 1024, .most = 1 << 28,
		.help = "longest record; a longer one is rejected"},
	{"deepest", KEY_INTEGER, KEY_AT(struct source_config, decode.deepest), .standard = "32", .least = 1, .most = 256,
		.help = "deepest nesting of a record"},
	{"most_columns", KEY_INTEGER, KEY_AT(struct source_config, decode.most_columns), .standard = "4096", .least = 1, .most = 65536,
		.help = "most features, tags or metrics of a record"},
	{"future", KEY_DURATION, KEY_AT(struct source_config, decode.future_us), .standard = "0s", .least = 0, .most = 3.2e9,
		.help = "reject a record whose time is further ahead of its neighbours; 0: never"},
	{"read_from", KEY_SWITCH, KEY_AT(struct source_config, from_end), .standard = "start", .words = "start end",
		.help = "where to begin in files that exist at the very first start"},
	{"follow_symlinks", KEY_BOOL, KEY_AT(struct source_config, follow_symlinks), .standard = "false",
		.help = "follow files that are symbolic links"},
	{"poll", KEY_DURATION, KEY_AT(struct source_config, poll_us), .standard = "2s", .least = 0.05, .most = 3600,
		.help = "look again after so long, whatever the kernel told"},
	{"partial", KEY_DURATION, KEY_AT(struct source_config, partial_us), .standard = "1m", .least = 0, .most = 86400,
		.help = "give up an unfinished last record of a file that went away"},
};

/* One option as written: knn = { k = 50 }. */
static void read_option(struct reading *r, const struct value *v, struct detector_config *d)
{
	struct detector_option *o = &d->options[d->n_options];
	struct buf text = BUF_EMPTY;

	if (!v->key) {
		table_wrong(r, v->line, "detectors: %s: a value without a key; write { key = value }", d->name);
		return;
	}
	switch (v->type) {
	case VALUE_TEXT:
		buf_put(&text, v->text, v->n);
		break;
	case VALUE_BOOL:
		buf_text(&text, v->yes ? "true" : "false");
		break;
	case VALUE_NUMBER:
		if (isfinite(v->number)) {
			buf_json_number(&text, v->number);
			break;
		}
		/* fallthrough */
	default:
		table_wrong(r, v->line, "detectors: %s: %s must be a finite number, a text, true or false, and is %s", d->name, v->key,
			value_type_words[v->type]);
		return;
	}
	o->name = mem_copy_text(v->key);
	o->text = mem_copy_text(buf_cstr(&text));
	d->n_options++;
	buf_done(&text);
}

static void read_detector(struct reading *r, const struct value *v, struct model_config *m)
{
	struct detector_config *d = &m->detectors[m->n_detectors];
	const char *name = v->key ? v->key : v->text;

	if (!v->key && (v->type != VALUE_TEXT || v->n == 0)) {
		table_wrong(r, v->line, "detectors: an item must be the name of a detector, and is %s",
			v->type == VALUE_TEXT ? "empty" : value_type_words[v->type]);
		return;
	}
	if (v->key && v->type != VALUE_TABLE && !(v->type == VALUE_BOOL && v->yes)) {
		table_wrong(r, v->line, "detectors: %s must be a table of options, such as %s = { k = 50 }, and is %s", v->key, v->key,
			value_type_words[v->type]);
		return;
	}
	for (size_t i = 0; i < m->n_detectors; i++) {
		if (strcmp(m->detectors[i].name, name) != 0)
			continue;
		table_wrong(r, v->line, "detectors: '%s' is there twice", name);
		return;
	}
	d->name = mem_copy_text(name);
	m->n_detectors++;
	if (v->type != VALUE_TABLE || v->n == 0)
		return;
	d->options = mem_zero(v->n, sizeof *d->options);
	for (size_t i = 0; i < v->n; i++)
		read_option(r, &v->items[i], d);
}

/* detectors = { "energy", "mahalanobis", knn = { k = 50 } } */
static void read_detectors(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct model_config *m = (struct model_config *)((char *)member - k->at);

	if (!v)
		return;
	if (v->type == VALUE_TEXT) {
		m->detectors = mem_zero(1, sizeof *m->detectors);
		read_detector(r, v->key ? &(struct value){.type = VALUE_TEXT, .line = v->line, .text = v->text, .n = v->n} : v, m);
		return;
	}
	if (v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "detectors must be a list such as { \"energy\", knn = { k = 50 } }, and is %s",
			value_type_words[v->type]);
		return;
	}
	m->detectors = mem_zero(v->n + 1, sizeof *m->detectors);
	for (size_t i = 0; i < v->n; i++)
		read_detector(r, &v->items[i], m);
}

static void done_detectors(void *member)
{
	struct model_config *m = (struct model_config *)((char *)member - offsetof(struct model_config, detectors));

	for (size_t i = 0; i < m->n_detectors; i++) {
		for (size_t j = 0; j < m->detectors[i].n_options; j++) {
			free(m->detectors[i].options[j].name);
			free(m->detectors[i].options[j].text);
		}
		free(m->detectors[i].options);
		free(m->detectors[i].name);
	}
	free(m->detectors);
}

/* Each as ["name"] = { ["option"] = "text" }; those without options first in the list keep their order. */
static void print_detectors(const void *member, struct buf *to)
{
	const struct model_config *m =
		(const struct model_config *)((const char *)member - offsetof(struct model_config, detectors));

	for (size_t i = 0; i < m->n_detectors; i++) {
		const struct detector_config *d = &m->detectors[i];

		buf_text(to, i ? ", " : "{ ");
		if (d->n_options == 0) {
			table_print_text(to, d->name);
			continue;
		}
		buf_text(to, "[");
		table_print_text(to, d->name);
		buf_text(to, "] = { ");
		for (size_t j = 0; j < d->n_options; j++) {
			buf_text(to, j ? ", [" : "[");
			table_print_text(to, d->options[j].name);
			buf_text(to, "] = ");
			table_print_text(to, d->options[j].text);
		}
		buf_text(to, " }");
	}
	if (to->n)
		buf_text(to, " }");
}

static int rate_parse(const char *text, double *ret_n, int64_t *ret_us)
{
	char *end;
	double n = strtod(text, &end);
	int64_t us;

	if (end == text || !isfinite(n) || n <= 0 || strncmp(end + strspn(end, " "), "per ", 4) != 0)
		return -EINVAL;
	end += strspn(end, " ") + 4;
	end += strspn(end, " ");
	if (duration_parse(end, strlen(end), &us) || us <= 0)
		return -EINVAL;
	*ret_n = n;
	*ret_us = us;
	return 0;
}

/* false_alarms = "1 per 30d" */
static void read_rate(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct model_config *m = (struct model_config *)((char *)member - k->at);

	m->false_alarms = 1;
	m->per_us = 30 * 86400 * SECOND_US;
	if (v && (v->type != VALUE_TEXT || rate_parse(v->text, &m->false_alarms, &m->per_us)))
		table_wrong(r, v->line, "false_alarms must be a rate such as \"1 per 30d\", and is %s%.40s%s",
			v->type == VALUE_TEXT ? "\"" : "", v->type == VALUE_TEXT ? v->text : value_type_words[v->type],
			v->type == VALUE_TEXT ? "\"" : "");
}

static void print_rate(const void *member, struct buf *to)
{
	const struct model_config *m =
		(const struct model_config *)((const char *)member - offsetof(struct model_config, false_alarms));
	char text[64];

	buf_text(to, "\"");
	buf_json_number(to, m->false_alarms);
	buf_format(to, " per %s\"", duration_format(m->per_us, text, sizeof text));
}

/* fit_share = { 0.4, 0.2, 0.1, 0.3 } */
static void read_shares(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	static const double standard[4] = {0.4, 0.15, 0.15, 0.3};
	double *share = member, sum = 0;
	bool fine = !v || (v->type == VALUE_TABLE && v->n == 4);

	(void)k;
	memcpy(share, standard, sizeof standard);
	for (size_t i = 0; v && fine && i < 4; i++) {
		fine = !v->items[i].key && v->items[i].type == VALUE_NUMBER && v->items[i].number > 0;
		share[i] = fine ? v->items[i].number : 0;
		sum += share[i];
	}
	if (!fine)
		table_wrong(r, v->line, "fit_share must be four numbers above 0: shares of the reference log for fit, cal-A, cal-B and null");
	else if (v && fabs(sum - 1) > 1e-9)
		table_wrong(r, v->line, "fit_share must sum to 1, and sums to %.10g", sum);
}

static void print_shares(const void *member, struct buf *to)
{
	const double *share = member;

	for (size_t i = 0; i < 4; i++) {
		buf_text(to, i ? ", " : "{ ");
		buf_json_number(to, share[i]);
	}
	buf_text(to, " }");
}

static const struct key model_keys[] = {
	{"reference", KEY_PATH, KEY_AT(struct model_config, reference), .help = "what normal was: written by oodd fit"},
	{"detectors", KEY_OTHER, KEY_AT(struct model_config, detectors), .read = read_detectors, .done = done_detectors,
		.print = print_detectors, .help = "which detectors score the records; left out: what the log allows"},
	{"window", KEY_DURATION, KEY_AT(struct model_config, window_us), .standard = "5m", .least = 1, .most = 31 * 86400,
		.help = "length of a window, in event time"},
	{"lateness", KEY_DURATION, KEY_AT(struct model_config, lateness_us), .standard = "30s", .least = 0, .most = 7 * 86400,
		.help = "how long after its end a window waits for late records"},
	{"idle", KEY_DURATION, KEY_AT(struct model_config, idle_us), .standard = "2m", .least = 1, .most = 7 * 86400,
		.help = "close open windows after so long without a record (wall clock)"},
	{"false_alarms", KEY_OTHER, KEY_AT(struct model_config, false_alarms), .read = read_rate, .print = print_rate,
		.help = "the budget: how many alarms there may be although nothing changed"},
	{"flag", KEY_NUMBER, KEY_AT(struct model_config, flag), .standard = "0.01", .least = 1e-6, .most = 0.5,
		.help = "flag this share of normal records, the oddest"},
	{"smallest_effect", KEY_NUMBER, KEY_AT(struct model_config, smallest_effect), .standard = "0.01", .least = 0, .most = 10,
		.help = "a shift of a smaller size (PSI) is not worth an alarm"},
	{"fit_share", KEY_OTHER, KEY_AT(struct model_config, fit_share), .read = read_shares, .print = print_shares,
		.help = "how a reference log is split: fit, cal-A, cal-B, null"},
	{"samples", KEY_INTEGER, KEY_AT(struct model_config, samples), .standard = "20", .least = 0, .most = 10000,
		.help = "odd records kept for review, per window"},
	{"season", KEY_LATER, .help = "windows are compared with all of the reference"},
	{"slices", KEY_LATER, .help = "a stream is watched as a whole"},
};

static void read_headers(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct endpoint_config *c = (struct endpoint_config *)((char *)member - k->at);

	if (!v)
		return;
	if (v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "headers must be a table of texts, and is %s", value_type_words[v->type]);
		return;
	}
	c->headers = mem_zero(v->n + 1, sizeof *c->headers);
	for (size_t i = 0; i < v->n; i++) {
		const struct value *item = &v->items[i];
		const char *token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

		if (!item->key || item->type != VALUE_TEXT)
			table_wrong(r, item->line, "headers: write [\"Name\"] = \"value\"");
		else if (!*item->key || item->key[strspn(item->key, token)])
			table_wrong(r, item->line, "headers: '%.60s' is not a name that HTTP allows", item->key);
		else if (strlen(item->text) != item->n || strpbrk(item->text, "\r\n"))
			table_wrong(r, item->line, "headers: the value of %s holds a line break or NUL", item->key);
		else
			c->headers[c->n_headers++] =
				(struct endpoint_header){mem_copy_text(item->key), mem_copy_text(item->text)};
	}
}

static void done_headers(void *member)
{
	struct endpoint_config *c = (struct endpoint_config *)((char *)member - offsetof(struct endpoint_config, headers));

	for (size_t i = 0; i < c->n_headers; i++) {
		free(c->headers[i].name);
		free(c->headers[i].value);
	}
	free(c->headers);
}

static void print_headers(const void *member, struct buf *to)
{
	const struct endpoint_config *c =
		(const struct endpoint_config *)((const char *)member - offsetof(struct endpoint_config, headers));

	for (size_t i = 0; i < c->n_headers; i++) {
		buf_text(to, i ? ", [" : "{ [");
		table_print_text(to, c->headers[i].name);
		buf_text(to, "] = ");
		table_print_text(to, c->headers[i].value);
	}
	if (to->n)
		buf_text(to, " }");
}

static const struct key endpoint_keys[] = {
	{"kind", KEY_TEXT, KEY_AT(struct endpoint_config, kind), .required = true,
		.help = "one of alertmanager, webhook, file, stdout, a script of scripts/endpoints, or a path to one of yours"},
	{"url", KEY_TEXT, KEY_AT(struct endpoint_config, url), .help = "where requests go: http:// or https://"},
	{"path", KEY_PATH, KEY_AT(struct endpoint_config, path), .help = "the file that alerts are appended to"},
	{"secret_file", KEY_PATH, KEY_AT(struct endpoint_config, secret_file),
		.help = "holds the key or token; nobody but its owner and group may read it"},
	{"ca_file", KEY_PATH, KEY_AT(struct endpoint_config, ca_file), .help = "certificates to trust, instead of the system's"},
	{"headers", KEY_OTHER, KEY_AT(struct endpoint_config, headers), .read = read_headers, .done = done_headers,
		.print = print_headers, .help = "further headers of each request"},
	{"timeout", KEY_DURATION, KEY_AT(struct endpoint_config, timeout_us), .standard = "10s", .least = 0.1, .most = 300,
		.help = "for one request"},
	{"resend", KEY_DURATION, KEY_AT(struct endpoint_config, resend_us), .standard = "1m", .least = 1, .most = 86400,
		.help = "say again what is firing (alertmanager)"},
	{"expire", KEY_DURATION, KEY_AT(struct endpoint_config, expire_us), .standard = "1d", .least = 1, .most = 31 * 86400,
		.help = "give up an alert that could not be delivered for so long, into the dead-letter file"},
	{"at_once", KEY_INTEGER, KEY_AT(struct endpoint_config, at_once), .standard = "1", .least = 1, .most = 64,
		.help = "requests under way at the same time"},
};

static const struct key log_keys[] = {
	{"level", KEY_CHOICE, KEY_AT(struct config, log_level), .standard = "info", .words = "debug info warning error",
		.help = "lines below this level are dropped"},
	{"format", KEY_SWITCH, KEY_AT(struct config, log_json), .standard = "text", .words = "text json",
		.help = "how a line is written"},
};

static const struct key limits_keys[] = {
	{"rule_memory", KEY_SIZE, KEY_AT(struct config, rule_memory), .standard = "8MiB", .least = 1 << 18, .most = 1 << 30,
		.help = "memory of one rule file"},
	{"rule_cpu", KEY_DURATION, KEY_AT(struct config, rule_cpu_us), .standard = "100ms", .least = 0.001, .most = 60,
		.help = "CPU time of one call of a rule"},
	{"dead_letter", KEY_SIZE, KEY_AT(struct config, dead_letter_bytes), .standard = "64MiB", .least = 4096, .most = 1e12,
		.help = "size of a dead-letter file"},
};

/* A table within the settings: its keys fill struct config as well. */
static void read_within(struct reading *r, const struct value *v, const char *name, const struct key *keys, size_t n, void *config)
{
	static const struct value nothing = {.type = VALUE_TABLE};
	char was[sizeof r->what];

	if (v && v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "%s must be a table, and is %s", name, value_type_words[v->type]);
		v = NULL;
	}
	memcpy(was, r->what, sizeof was);
	snprintf(r->what, sizeof r->what, "%.120s%s: ", was, name);
	table_read(r, v ? v : &nothing, keys, n, config);
	memcpy(r->what, was, sizeof was);
}

static void read_log(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	read_within(r, v, k->name, log_keys, COUNT(log_keys), (char *)member - k->at);
}

static void read_limits(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	read_within(r, v, k->name, limits_keys, COUNT(limits_keys), (char *)member - k->at);
}

static const struct key settings_keys[] = {
	{"state", KEY_PATH, KEY_AT(struct config, state), .standard = OODD_STATEDIR, .help = "the directory of the database"},
	{"rules", KEY_PATHS, KEY_LIST_AT(struct config, rules, n_rules), .help = "rule files; left out: an alarm becomes an alert"},
	{"plugins", KEY_PATHS, KEY_LIST_AT(struct config, plugins, n_plugins), .help = "directories of detectors"},
	{"commit", KEY_DURATION, KEY_AT(struct config, commit_us), .standard = "1s", .least = 0.01, .most = 60,
		.help = "how often progress is committed"},
	{"log", KEY_OTHER, KEY_AT(struct config, log_level), .read = read_log, .help = "what is logged, and how"},
	{"limits", KEY_OTHER, KEY_AT(struct config, rule_memory), .read = read_limits, .help = "caps"},
};

const struct config_table config_tables[] = {
	{"log", log_keys, COUNT(log_keys)}, {"limits", limits_keys, COUNT(limits_keys)}};
const size_t config_n_tables = COUNT(config_tables);

#define BLOCK(word_, keys_, struct_, list_, n_, example_)                                                              \
	{.word = word_, .keys = keys_, .n_keys = COUNT(keys_), .size = sizeof(struct struct_), .list = offsetof(struct config, list_), \
		.n_list = offsetof(struct config, n_), .name = offsetof(struct struct_, name),                         \
		.where = offsetof(struct struct_, where), .example = example_}

const struct config_word config_blocks[] = {
	BLOCK("source", source_keys, source_config, sources, n_sources, "source \"name\" { path = \"/var/log/x.jsonl\" }"),
	BLOCK("model", model_keys, model_config, models, n_models, "model \"name\" { reference = \"x.ref\" }"),
	BLOCK("endpoint", endpoint_keys, endpoint_config, endpoints, n_endpoints, "endpoint \"name\" { kind = \"stdout\" }"),
};
const size_t config_n_blocks = COUNT(config_blocks);
const struct config_word config_settings = {.keys = settings_keys, .n_keys = COUNT(settings_keys)};
