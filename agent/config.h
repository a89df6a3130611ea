/* SPDX-License-Identifier: Apache-2.0
 * The configuration: Lua evaluated once in the sandbox to plain data, checked against a schema, into plain structs.
 * Every path in it is absolute or relative to the file; here they are all resolved. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "input/decode.h"
#include "model/limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum source_kind { SOURCE_RECORDS, SOURCE_LABELS };

struct source_config {
	char *name;
	int kind;                /* enum source_kind */
	char *where;             /* "oodd.lua:3" */
	char **paths;            /* globs; absolute */
	size_t n_paths;
	char **exclude;          /* globs; default *.gz *.xz *.zst *.bz2 */
	size_t n_exclude;
	struct decode_options decode;
	bool from_end;           /* read_from = "end": files that exist at the first start are read from their end */
	bool follow_symlinks;
	int64_t poll_us;         /* polling fallback and reconcile timer */
	int64_t partial_us;      /* an unfinished last record of a file that went away is given up after this */
};

struct detector_config {
	char *name;
	struct detector_option {
		char *name;
		char *text;          /* as written; the plugin host checks it */
	} *options;
	size_t n_options;
};

/* As written: "1 per 30d". */
struct alarm_rate {
	double n;
	int64_t per_us;
};

/* How a stream without a reference gets one: from live traffic. */
struct learn_config {
	bool on;
	int64_t records, span_us; /* both must be there before a reference is made */
	int64_t spool_bytes;      /* of one stream, on disk */
	int64_t keep;             /* references that were replaced */
};

/* compare = false, or { stable = "1.0", canary = "2.0", tolerance = 0.02, alpha = 0.01 } */
struct compare_config {
	bool off;
	char *stable, *canary;   /* versions; NULL: every version with the next older one that has a reference */
	double tolerance, alpha; /* see judge/compare.h */
};

struct model_config {
	char *name;              /* of the model; may be a pattern with * */
	char *where;
	char *reference;         /* path, see reference_place.h; NULL: in the state directory */
	struct detector_config *detectors; /* none: the default set by what the log holds */
	size_t n_detectors;
	int64_t window_us, lateness_us, idle_us; /* idle: close open windows after so long without a record (wall clock) */
	struct alarm_rate false_alarms;
	double flag;             /* 0 < flag < 1 */
	double accuracy;         /* of the model, as told; 0: not told */
	bool labels;             /* some source brings labels of it (config_check) */
	int64_t label_wait_us;   /* predictions are kept for their labels so long .. */
	int64_t label_most;      /* .. and so many of them */
	bool strict;             /* .. and at most that share, for the calibration records at hand */
	char **slices;           /* tags */
	size_t n_slices;
	int64_t slice_period_us;
	struct limits limits;    /* of output metrics (model/limit.h) */
	int season;              /* enum season (model/season.h) */
	double smallest_effect;  /* PSI below which nothing pages */
	double fit_share[4];     /* fit, cal-A, cal-B, null; sum to 1 */
	struct compare_config compare;
	int64_t samples;         /* odd records kept per window */
	struct learn_config learn;
	int64_t relearn_us;      /* learn anew when the reference's last record is so old, in event time; 0: never */
	bool texts;              /* show inputs, shortened, in signals and alerts */
};

struct endpoint_config {
	char *name;
	char *where;
	char *kind;              /* alertmanager, webhook, file, stdout, or the name of a script in scripts/endpoints */
	char *script;            /* resolved path of its Lua, NULL for kinds that need none */
	char *url;               /* NULL for file and stdout */
	char *path;              /* for file */
	char *secret_file;       /* HMAC key or bearer token, by kind */
	char *ca_file;           /* extra CA; NULL: the system's */
	struct endpoint_header {
		char *name, *value;
	} *headers;
	size_t n_headers;
	int64_t timeout_us, resend_us, expire_us; /* resend: level-triggered lanes; expire: give up and dead-letter */
	int32_t at_once;         /* requests in flight on its lane */
};

struct config {
	char *file;
	char *state;             /* directory */
	struct source_config *sources;
	size_t n_sources;
	struct model_config *models;
	size_t n_models;
	struct endpoint_config *endpoints;
	size_t n_endpoints;
	char **rules;            /* files, resolved from the globs; the shipped default when no `rules` line */
	size_t n_rules;
	char **plugins;          /* directories searched for detectors, in order */
	size_t n_plugins;
	struct alarm_rate false_alarms; /* of all models together; n 0: not limited. Each model's own is already its even share at most. */
	int64_t commit_us;       /* cadence of the one transaction */
	bool log_json;
	int log_level;           /* enum log_level */
	int64_t rule_memory;     /* bytes per rule file */
	int64_t rule_cpu_us;     /* budget of one call */
	int64_t dead_letter_bytes; /* cap of each dead-letter file */
	/* Private: where each member was set. */
	struct config_origin {
		const void *member;
		int line;        /* 0: default */
	} *origins;
	size_t n_origins, origins_room;
};

/* Read `path`. On mistakes returns -EINVAL (or -ENOENT) and puts ALL of them into `errors`, one per line,
 * "oodd.lua:14: model "cats": unknown key 'windw'; did you mean 'window'?". Owned by the caller: config_close. */
int config_read(const char *path, struct config **ret, struct buf *errors);
void config_close(struct config *c);
/* The whole configuration with defaults, as Lua that can be read back; behind each value a comment where it came from. */
void config_effective(const struct config *c, struct buf *to);
/* Of a configuration without mistakes: what may not be meant so, a line each. */
void config_remarks(const struct config *c, struct buf *to);
/* One more source, of labels, read from files that a command names. Its index. */
size_t config_add_labels(struct config *c);
/* The block for a model of that name: an exact name first, then patterns in order; NULL when none. */
const struct model_config *config_model(const struct config *c, const char *model);

#endif
