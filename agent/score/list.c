/* SPDX-License-Identifier: Apache-2.0
 * What `oodd plugin list` prints: the documentation of every option comes from the plugin's own table. */
#include "score/registry.h"

#include <string.h>

static const struct {
	uint32_t bit;
	const char *word;
} needs[] = {
	{OODD_NEEDS_RAW_LOGITS, "raw logits"},
	{OODD_NEEDS_LOGITS, "logits"},
	{OODD_NEEDS_EMBEDDING, "embedding"},
	{OODD_NEEDS_PREDICTED, "predicted classes"},
	{OODD_NEEDS_FEATURES, "features"},
	{OODD_NEEDS_CONFIDENCE, "confidence"},
};

static const char *const type_words[] = {"boolean", "integer", "number", "choice"};

/* Raw logits say it all: plain ones are then not named too. */
static bool need_is_told(uint32_t all, size_t i)
{
	return (all & needs[i].bit) && !(needs[i].bit == OODD_NEEDS_LOGITS && (all & OODD_NEEDS_RAW_LOGITS));
}

static void needs_text(uint32_t all, struct buf *to)
{
	const char *between = " needs ";

	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (need_is_told(all, i)) {
			buf_format(to, "%s%s", between, needs[i].word);
			between = ", ";
		}
	if (!all)
		buf_text(to, " needs nothing");
}

static void choice_put(const struct oodd_option *o, struct buf *to)
{
	const char *word = o->choices;

	for (int i = (int)o->standard; i > 0 && strchr(word, ' '); i--)
		word = strchr(word, ' ') + 1;
	buf_put(to, word, strcspn(word, " "));
}

static void option_text_put(const struct oodd_option *o, struct buf *to)
{
	buf_format(to, "        %s = ", o->name);
	switch (o->type) {
	case OODD_OPTION_BOOL:
		buf_text(to, o->standard == 1 ? "true" : "false");
		break;
	case OODD_OPTION_CHOICE:
		choice_put(o, to);
		buf_format(to, " (%s)", o->choices);
		break;
	default:
		buf_format(to, "%.10g (%s, %.10g to %.10g)", o->standard, type_words[o->type], o->least, o->most);
	}
	buf_format(to, ": %s\n", o->help);
}

void plugins_list_text(const struct plugins *p, struct buf *to)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct plugin *plugin = p->at[i];
		buf_format(to, "%s (%s, ABI %u)\n", plugin->path, plugin->licence, OODD_ABI);
		for (size_t j = 0; j < plugin->n_detectors; j++) {
			const struct oodd_detector *d = &plugin->detectors[j];
			buf_format(to, "    %s %s: %s;", d->name, d->version, d->summary);
			needs_text(d->needs, to);
			if (d->accumulate)
				buf_text(to, d->score ? "; looks at records and at windows" : "; looks at windows");
			buf_text(to, "\n");
			for (const struct oodd_option *o = d->options; o && o->name; o++)
				option_text_put(o, to);
		}
	}
	for (size_t i = 0; i < p->n_warnings; i++)
		buf_format(to, "warning: %s\n", p->warnings[i]);
}

static void key(struct buf *to, const char *before, const char *name, const char *value)
{
	buf_format(to, "%s\"%s\":", before, name);
	buf_json_text(to, value, strlen(value));
}

static void option_json(const struct oodd_option *o, struct buf *to)
{
	key(to, "{", "name", o->name);
	key(to, ",", "type", type_words[o->type]);
	key(to, ",", "help", o->help);
	buf_text(to, ",\"default\":");
	if (o->type == OODD_OPTION_BOOL)
		buf_text(to, o->standard == 1 ? "true" : "false");
	else if (o->type == OODD_OPTION_CHOICE) {
		buf_text(to, "\"");
		choice_put(o, to);
		key(to, "\",", "choices", o->choices);
	} else {
		buf_json_number(to, o->standard);
		buf_text(to, ",\"least\":");
		buf_json_number(to, o->least);
		buf_text(to, ",\"most\":");
		buf_json_number(to, o->most);
	}
	buf_text(to, "}");
}

static void detector_json(const struct plugin *plugin, const struct oodd_detector *d, struct buf *to)
{
	const char *between = "";

	key(to, "{", "name", d->name);
	key(to, ",", "version", d->version);
	key(to, ",", "summary", d->summary);
	key(to, ",", "file", plugin->path);
	key(to, ",", "licence", plugin->licence);
	buf_text(to, ",\"needs\":[");
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (need_is_told(d->needs, i)) {
			buf_format(to, "%s\"%s\"", between, needs[i].word);
			between = ",";
		}
	buf_format(to, "],\"records\":%s,\"windows\":%s,\"options\":[", d->score ? "true" : "false", d->accumulate ? "true" : "false");
	for (const struct oodd_option *o = d->options; o && o->name; o++) {
		if (o != d->options)
			buf_text(to, ",");
		option_json(o, to);
	}
	buf_text(to, "]}");
}

void plugins_list_json(const struct plugins *p, struct buf *to)
{
	const char *between = "";

	buf_format(to, "{\"abi\":%u,\"detectors\":[", OODD_ABI);
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->at[i]->n_detectors; j++) {
			buf_text(to, between);
			detector_json(p->at[i], &p->at[i]->detectors[j], to);
			between = ",";
		}
	buf_text(to, "],\"warnings\":[");
	for (size_t i = 0; i < p->n_warnings; i++) {
		buf_text(to, i ? "," : "");
		buf_json_text(to, p->warnings[i], strlen(p->warnings[i]));
	}
	buf_text(to, "]}\n");
}
