/* SPDX-License-Identifier: Apache-2.0
 * Every key that a configuration may hold. Each line is at once the parser, the default, the range,
 * and the help. */
#include "config_parts.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct key source_keys[] = {
	{"path", KEY_PATHS, KEY_LIST_AT(struct source_config, paths, n_paths), .required = true,
		.help = "the files to follow: a path or a list, * and ? allowed"},
	{"kind", KEY_CHOICE, KEY_AT(struct source_config, kind), .standard = "records",
		.words = "records labels", /* in the order of enum source_kind */
		.help = "predictions, or what was true of them"},
	{"exclude", KEY_TEXTS, KEY_LIST_AT(struct source_config, exclude, n_exclude),
		.standard = "*.gz *.xz *.zst *.bz2",
		.help = "names left out: patterns matched against the last part of the path"},
	{"format", KEY_CHOICE, KEY_AT(struct source_config, decode.format), .standard = "jsonl",
		.words = "jsonl msgpack",
		.help = "how records are written"}, /* in the order of enum format */
	{"fields", KEY_OTHER, KEY_AT(struct source_config, decode.pointer),
		.read = value_read_fields, .done = value_done_fields, .print = value_print_fields,
		.help = "where each field of a record stands, as JSON Pointers; false: nowhere"},
	{"model", KEY_TEXT, KEY_AT(struct source_config, decode.model),
		.help = "for records that name none"},
	{"version", KEY_TEXT, KEY_AT(struct source_config, decode.version),
		.help = "for records that name none"},
	{"longest", KEY_SIZE, KEY_AT(struct source_config, decode.longest), .standard = "1MiB",
		.least = 1024, .most = 1 << 28, .help = "longest record; a longer one is rejected"},
	{"deepest", KEY_INTEGER, KEY_AT(struct source_config, decode.deepest), .standard = "32",
		.least = 1, .most = 256, .help = "deepest nesting of a record"},
	{"most_columns", KEY_INTEGER, KEY_AT(struct source_config, decode.most_columns),
		.standard = "4096", .least = 1, .most = 65536,
		.help = "most different features, or metrics, of a stream; of tags the first 256 are read"},
	{"future", KEY_DURATION, KEY_AT(struct source_config, decode.future_us), .standard = "0s",
		.least = 0, .most = 3.2e9,
		.help = "reject a record whose time is further ahead of its neighbours; 0: never"},
	{"read_from", KEY_SWITCH, KEY_AT(struct source_config, from_end), .standard = "start",
		.words = "start end",
		.help = "where to begin in files that exist at the very first start"},
	{"follow_symlinks", KEY_BOOL, KEY_AT(struct source_config, follow_symlinks),
		.standard = "false", .help = "follow files that are symbolic links"},
	{"poll", KEY_DURATION, KEY_AT(struct source_config, poll_us), .standard = "2s",
		.least = 0.05, .most = 3600,
		.help = "look again after so long, whatever the kernel told"},
	{"partial", KEY_DURATION, KEY_AT(struct source_config, partial_us), .standard = "1m",
		.least = 0, .most = 86400,
		.help = "give up an unfinished last record of a file that went away"},
};

static const struct key model_keys[] = {
	{"reference", KEY_PATH, KEY_AT(struct model_config, reference),
		.help = "what normal was: written by oodd fit, or learned"},
	{"detectors", KEY_OTHER, KEY_AT(struct model_config, detectors),
		.read = value_read_detectors, .done = value_done_detectors,
		.print = value_print_detectors,
		.help = "which detectors score the records; left out: what the log allows"},
	{"window", KEY_DURATION, KEY_AT(struct model_config, window_us), .standard = "5m",
		.least = 1, .most = 31 * 86400, .help = "length of a window, in event time"},
	{"lateness", KEY_DURATION, KEY_AT(struct model_config, lateness_us), .standard = "30s",
		.least = 0, .most = 7 * 86400,
		.help = "how long after its end a window waits for late records"},
	{"idle", KEY_DURATION, KEY_AT(struct model_config, idle_us), .standard = "2m", .least = 1,
		.most = 7 * 86400,
		.help = "close open windows after so long without a record (wall clock)"},
	{"false_alarms", KEY_OTHER, KEY_AT(struct model_config, false_alarms),
		.read = value_read_model_rate, .print = value_print_rate,
		.help = "the budget: how many alarms there may be although nothing changed"},
	{"flag", KEY_NUMBER, KEY_AT(struct model_config, flag), .standard = "0.01", .least = 1e-6,
		.most = 0.5, .help = "flag this share of normal records, the oddest"},
	{"strict", KEY_BOOL, KEY_AT(struct model_config, strict), .standard = "false",
		.help = "flag at most that share, nine times in ten, whichever records "
			"happened to calibrate: fewer flags"},
	{"accuracy", KEY_NUMBER, KEY_AT(struct model_config, accuracy), .standard = "0",
		.least = 0, .most = 1,
		.help = "how often the model is right on reference data, where oodd fit is given no labels; 0: not known"},
	{"label_wait", KEY_DURATION, KEY_AT(struct model_config, label_wait_us), .standard = "30d",
		.least = 1, .most = 366 * 86400, .help = "where there is a source of labels: a prediction is kept for its label so long"},
	{"label_most", KEY_INTEGER, KEY_AT(struct model_config, label_most), .standard = "200000",
		.least = 1000, .most = 1 << 26, .help = "and so many predictions of each stream, about 50 bytes each"},
	{"smallest_effect", KEY_NUMBER, KEY_AT(struct model_config, smallest_effect),
		.standard = "0.01", .least = 0, .most = 10,
		.help = "a shift of a smaller size (PSI) is not worth an alarm"},
	{"fit_share", KEY_OTHER, KEY_AT(struct model_config, fit_share), .read = value_read_shares,
		.print = value_print_shares,
		.help = "how a reference log is split: fit, cal-A, cal-B, null"},
	{"samples", KEY_INTEGER, KEY_AT(struct model_config, samples), .standard = "20", .least = 0,
		.most = 10000, .help = "odd records kept for review, per window"},
	{"texts", KEY_BOOL, KEY_AT(struct model_config, texts), .standard = "false",
		.help = "show the input text, shortened, of what is typical of new groups in signals and alerts; false: ids only"},
	{"season", KEY_CHOICE, KEY_AT(struct model_config, season), .standard = "auto",
		.words = "none hour-of-day day-of-week hour-of-week auto", /* in the order of enum season */
		.help = "oodd fit learns what is normal at each time (UTC), from two periods at least; auto: what foretells best, if any"},
	{"learn", KEY_OTHER, KEY_AT(struct model_config, learn), .read = value_read_learn, .print = value_print_learn,
		.help = "how a stream that has no reference gets one from its traffic; false: not at all"},
	{"relearn", KEY_DURATION, KEY_AT(struct model_config, relearn_us), .standard = "0s", .least = 0, .most = 3650 * 86400.,
		.help = "make the next reference when the last record of this one is so old, in event time; 0: never"},
	{"metrics", KEY_OTHER, KEY_AT(struct model_config, limits), .read = value_read_metrics,
		.done = value_done_metrics, .print = value_print_metrics,
		.help = "limits of output metrics, whatever the reference held; thresholds are fitted: "
			"above, below with at_most, at_least (shares of records); mean_at_most, mean_at_least"},
	{"compare", KEY_OTHER, KEY_AT(struct model_config, compare), .read = value_read_compare, .done = value_done_compare,
		.print = value_print_compare,
		.help = "canary against stable: the versions, and what is tolerated; left out: each version with the one before it; false: none"},
	{"slices", KEY_TEXTS, KEY_LIST_AT(struct model_config, slices, n_slices),
		.help = "tags by whose values records are told apart, eight at most: where a shift sits, which slices differ; fitted"},
	{"slice_period", KEY_DURATION, KEY_AT(struct model_config, slice_period_us), .standard = "1d", .least = 60, .most = 366 * 86400.,
		.help = "slices are compared over so long, by event time (UTC)"},
};

static const struct key endpoint_keys[] = {
	{"kind", KEY_TEXT, KEY_AT(struct endpoint_config, kind), .required = true,
		.help = "one of alertmanager, webhook, file, stdout, a script of "
			"scripts/endpoints, or a path to one of yours"},
	{"url", KEY_TEXT, KEY_AT(struct endpoint_config, url),
		.help = "where requests go: http:// or https://"},
	{"path", KEY_PATH, KEY_AT(struct endpoint_config, path),
		.help = "the file that alerts are appended to"},
	{"secret_file", KEY_PATH, KEY_AT(struct endpoint_config, secret_file),
		.help = "holds the key or token; nobody but its owner and group may read it"},
	{"ca_file", KEY_PATH, KEY_AT(struct endpoint_config, ca_file),
		.help = "certificates to trust, instead of the system's"},
	{"headers", KEY_OTHER, KEY_AT(struct endpoint_config, headers), .read = value_read_headers,
		.done = value_done_headers, .print = value_print_headers,
		.help = "further headers of each request"},
	{"timeout", KEY_DURATION, KEY_AT(struct endpoint_config, timeout_us), .standard = "10s",
		.least = 0.1, .most = 300, .help = "for one request"},
	{"resend", KEY_DURATION, KEY_AT(struct endpoint_config, resend_us), .standard = "1m",
		.least = 1, .most = 86400, .help = "say again what is firing (alertmanager)"},
	{"expire", KEY_DURATION, KEY_AT(struct endpoint_config, expire_us), .standard = "1d",
		.least = 1, .most = 31 * 86400,
		.help = "give up an alert that could not be delivered for so long, into the "
			"dead-letter file"},
	{"at_once", KEY_INTEGER, KEY_AT(struct endpoint_config, at_once), .standard = "1",
		.least = 1, .most = 64, .help = "requests under way at the same time"},
};

static const struct key log_keys[] = {
	{"level", KEY_CHOICE, KEY_AT(struct config, log_level), .standard = "info",
		.words = "debug info warning error", .help = "lines below this level are dropped"},
	{"format", KEY_SWITCH, KEY_AT(struct config, log_json), .standard = "text",
		.words = "text json", .help = "how a line is written"},
};

static const struct key limits_keys[] = {
	{"rule_memory", KEY_SIZE, KEY_AT(struct config, rule_memory), .standard = "8MiB",
		.least = 1 << 18, .most = 1 << 30, .help = "memory of one rule file"},
	{"rule_cpu", KEY_DURATION, KEY_AT(struct config, rule_cpu_us), .standard = "100ms",
		.least = 0.001, .most = 60, .help = "CPU time of one call of a rule"},
	{"dead_letter", KEY_SIZE, KEY_AT(struct config, dead_letter_bytes), .standard = "64MiB",
		.least = 4096, .most = 1e12, .help = "size of a dead-letter file"},
};

/* A table within the settings: its keys fill struct config as well. */
static void read_within(struct reading *r, const struct value *v, const char *name,
	const struct key *keys, size_t n, void *config)
{
	static const struct value nothing = {.type = VALUE_TABLE};
	char was[sizeof r->what];

	if (v && v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "%s must be a table, and is %s", name,
			value_type_words[v->type]);
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
	{"state", KEY_PATH, KEY_AT(struct config, state), .standard = OODD_STATEDIR,
		.help = "the directory of the database"},
	{"rules", KEY_PATHS, KEY_LIST_AT(struct config, rules, n_rules),
		.help = "rule files; left out: an alarm becomes an alert"},
	{"plugins", KEY_PATHS, KEY_LIST_AT(struct config, plugins, n_plugins),
		.help = "directories of detectors"},
	{"false_alarms", KEY_OTHER, KEY_AT(struct config, false_alarms), .read = value_read_rate,
		.print = value_print_rate,
		.help = "the budget of all models of this host together, shared evenly"},
	{"commit", KEY_DURATION, KEY_AT(struct config, commit_us), .standard = "1s", .least = 0.01,
		.most = 60, .help = "how often progress is committed"},
	{"log", KEY_OTHER, KEY_AT(struct config, log_level), .read = read_log,
		.help = "what is logged, and how"},
	{"limits", KEY_OTHER, KEY_AT(struct config, rule_memory), .read = read_limits,
		.help = "caps"},
};

const struct config_table config_tables[] = {
	{"log", log_keys, COUNT(log_keys)}, {"limits", limits_keys, COUNT(limits_keys)}};
const size_t config_n_tables = COUNT(config_tables);

#define BLOCK(word_, keys_, struct_, list_, n_, example_)                                          \
	{                                                                                          \
		.word = word_, .keys = keys_, .n_keys = COUNT(keys_),                              \
		.size = sizeof(struct struct_), .list = offsetof(struct config, list_),            \
		.n_list = offsetof(struct config, n_), .name = offsetof(struct struct_, name),     \
		.where = offsetof(struct struct_, where), .example = example_                      \
	}

const struct config_word config_blocks[] = {
	BLOCK("source", source_keys, source_config, sources, n_sources,
		"source \"name\" { path = \"/var/log/x.jsonl\" }"),
	BLOCK("model", model_keys, model_config, models, n_models,
		"model \"name\" { reference = \"x.ref\" }"),
	BLOCK("endpoint", endpoint_keys, endpoint_config, endpoints, n_endpoints,
		"endpoint \"name\" { kind = \"stdout\" }"),
};
const size_t config_n_blocks = COUNT(config_blocks);
const struct config_word config_settings = {.keys = settings_keys, .n_keys = COUNT(settings_keys)};
