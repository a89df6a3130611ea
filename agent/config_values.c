/* SPDX-License-Identifier: Apache-2.0
 * The values of a configuration that are more than one text or number: read, freed, and printed so
 * that they read back. */
#include "config_parts.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* fields = { time = "/when", tags = false } */
void value_read_fields(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	char **pointers = member, hint[64];
	struct error e;

	(void)k;
	if (v && v->type != VALUE_TABLE) {
		table_wrong(r, v->line,
			"fields must be a table of places, such as { time = \"/ts\" }, and is %s",
			value_type_words[v->type]);
		return;
	}
	for (size_t i = 0; v && i < v->n; i++) {
		const struct value *item = &v->items[i];
		size_t f = 0;

		while (item->key && f < FIELD_N && strcmp(item->key, field_words[f]) != 0)
			f++;
		if (item->key && strcmp(item->key, "label") == 0)
			f = FIELD_PREDICTION; /* what is true stands where others say what they predict */
		if (!item->key)
			table_wrong(r, item->line,
				"fields: a value without a name; write name = \"/place\"");
		else if (f == FIELD_N)
			table_wrong(r, item->line, "fields: unknown field '%.60s'%s", item->key,
				table_nearest(item->key, field_words, FIELD_N, hint, sizeof hint));
		else if (item->type == VALUE_BOOL && !item->yes)
			pointers[f] = mem_copy_text("");
		else if (item->type != VALUE_TEXT)
			table_wrong(r, item->line,
				"fields: %s must be a JSON Pointer such as \"/a/b\", or false, and "
				"is %s",
				item->key, value_type_words[item->type]);
		else if (item->n && pointer_check(item->text, &e))
			table_wrong(r, item->line, "fields: %s: %s", item->key, e.text);
		else
			pointers[f] = mem_copy_text(item->text);
	}
}

void value_done_fields(void *member)
{
	for (char **p = member; p < (char **)member + FIELD_N; p++)
		free(*p);
}

void value_print_fields(const void *member, struct buf *to)
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

/* One option as written: knn = { k = 50 }. */
static void read_option(struct reading *r, const struct value *v, struct detector_config *d)
{
	struct detector_option *o = &d->options[d->n_options];
	struct buf text = BUF_EMPTY;

	if (!v->key) {
		table_wrong(r, v->line,
			"detectors: %s: a value without a key; write { key = value }", d->name);
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
		table_wrong(r, v->line,
			"detectors: %s: %s must be a finite number, a text, true or false, and is "
			"%s",
			d->name, v->key, value_type_words[v->type]);
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
		table_wrong(r, v->line,
			"detectors: an item must be the name of a detector, and is %s",
			v->type == VALUE_TEXT ? "empty" : value_type_words[v->type]);
		return;
	}
	if (v->key && v->type != VALUE_TABLE && !(v->type == VALUE_BOOL && v->yes)) {
		table_wrong(r, v->line,
			"detectors: %s must be a table of options, such as %s = { k = 50 }, and is "
			"%s",
			v->key, v->key, value_type_words[v->type]);
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
void value_read_detectors(
	struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct model_config *m = (struct model_config *)((char *)member - k->at);

	if (!v)
		return;
	if (v->type == VALUE_TEXT) {
		m->detectors = mem_zero(1, sizeof *m->detectors);
		read_detector(r,
			v->key ? &(struct value){.type = VALUE_TEXT,
					 .line = v->line,
					 .text = v->text,
					 .n = v->n}
			       : v,
			m);
		return;
	}
	if (v->type != VALUE_TABLE) {
		table_wrong(r, v->line,
			"detectors must be a list such as { \"energy\", knn = { k = 50 } }, and is "
			"%s",
			value_type_words[v->type]);
		return;
	}
	m->detectors = mem_zero(v->n + 1, sizeof *m->detectors);
	for (size_t i = 0; i < v->n; i++)
		read_detector(r, &v->items[i], m);
}

void value_done_detectors(void *member)
{
	struct model_config *m =
		(struct model_config *)((char *)member - offsetof(struct model_config, detectors));

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

/* Each as ["name"] = { ["option"] = "text" }; those without options first in the list keep their
 * order. */
void value_print_detectors(const void *member, struct buf *to)
{
	const struct model_config *m =
		(const struct model_config *)((const char *)member -
					      offsetof(struct model_config, detectors));

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

	if (end == text || !isfinite(n) || n <= 0 ||
		strncmp(end + strspn(end, " "), "per ", 4) != 0)
		return -EINVAL;
	end += strspn(end, " ") + 4;
	end += strspn(end, " ");
	if (duration_parse(end, strlen(end), &us) || us <= 0)
		return -EINVAL;
	*ret_n = n;
	*ret_us = us;
	return 0;
}

/* false_alarms = "1 per 30d"; absent: as it was */
void value_read_rate(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct alarm_rate *rate = member;

	(void)k;
	if (v && (v->type != VALUE_TEXT || rate_parse(v->text, &rate->n, &rate->per_us)))
		table_wrong(r, v->line,
			"false_alarms must be a rate such as \"1 per 30d\", and is %s%.40s%s",
			v->type == VALUE_TEXT ? "\"" : "",
			v->type == VALUE_TEXT ? v->text : value_type_words[v->type],
			v->type == VALUE_TEXT ? "\"" : "");
}

void value_read_model_rate(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	*(struct alarm_rate *)member = (struct alarm_rate){1, 30 * 86400 * SECOND_US};
	value_read_rate(r, k, v, member);
}

void value_print_rate(const void *member, struct buf *to)
{
	const struct alarm_rate *rate = member;
	char text[64];

	if (rate->n <= 0)
		return;
	buf_text(to, "\"");
	buf_json_number(to, rate->n);
	buf_format(to, " per %s\"", duration_format(rate->per_us, text, sizeof text));
}

/* fit_share = { 0.4, 0.2, 0.1, 0.3 } */
void value_read_shares(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	static const double standard[4] = {0.4, 0.15, 0.15, 0.3};
	double *share = member, sum = 0;
	bool fine = !v || (v->type == VALUE_TABLE && v->n == 4);

	(void)k;
	memcpy(share, standard, sizeof standard);
	for (size_t i = 0; v && fine && i < 4; i++) {
		fine = !v->items[i].key && v->items[i].type == VALUE_NUMBER &&
		       v->items[i].number > 0;
		share[i] = fine ? v->items[i].number : 0;
		sum += share[i];
	}
	if (!fine)
		table_wrong(r, v->line,
			"fit_share must be four numbers above 0: shares of the reference log for "
			"fit, cal-A, cal-B and null");
	else if (v && fabs(sum - 1) > 1e-9)
		table_wrong(r, v->line, "fit_share must sum to 1, and sums to %.10g", sum);
}

void value_print_shares(const void *member, struct buf *to)
{
	const double *share = member;

	for (size_t i = 0; i < 4; i++) {
		buf_text(to, i ? ", " : "{ ");
		buf_json_number(to, share[i]);
	}
	buf_text(to, " }");
}

void value_read_headers(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct endpoint_config *c = (struct endpoint_config *)((char *)member - k->at);

	if (!v)
		return;
	if (v->type != VALUE_TABLE) {
		table_wrong(r, v->line, "headers must be a table of texts, and is %s",
			value_type_words[v->type]);
		return;
	}
	c->headers = mem_zero(v->n + 1, sizeof *c->headers);
	for (size_t i = 0; i < v->n; i++) {
		const struct value *item = &v->items[i];
		const char *token =
			"!#$%&'*+-.^_`|~"
			"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

		if (!item->key || item->type != VALUE_TEXT)
			table_wrong(r, item->line, "headers: write [\"Name\"] = \"value\"");
		else if (!*item->key || item->key[strspn(item->key, token)])
			table_wrong(r, item->line,
				"headers: '%.60s' is not a name that HTTP allows", item->key);
		else if (strlen(item->text) != item->n || strpbrk(item->text, "\r\n"))
			table_wrong(r, item->line,
				"headers: the value of %s holds a line break or NUL", item->key);
		else
			c->headers[c->n_headers++] = (struct endpoint_header){
				mem_copy_text(item->key), mem_copy_text(item->text)};
	}
}

void value_done_headers(void *member)
{
	struct endpoint_config *c =
		(struct endpoint_config *)((char *)member -
					   offsetof(struct endpoint_config, headers));

	for (size_t i = 0; i < c->n_headers; i++) {
		free(c->headers[i].name);
		free(c->headers[i].value);
	}
	free(c->headers);
}

void value_print_headers(const void *member, struct buf *to)
{
	const struct endpoint_config *c =
		(const struct endpoint_config *)((const char *)member -
						 offsetof(struct endpoint_config, headers));

	for (size_t i = 0; i < c->n_headers; i++) {
		buf_text(to, i ? ", [" : "{ [");
		table_print_text(to, c->headers[i].name);
		buf_text(to, "] = ");
		table_print_text(to, c->headers[i].value);
	}
	if (to->n)
		buf_text(to, " }");
}
