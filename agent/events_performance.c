/* SPDX-License-Identifier: Apache-2.0
 * How often the model is right, as lines: a member of a signal for programs, a line or two for people. */
#include "events.h"

#include "base/clock.h"
#include "base/member.h"

#include <math.h>
#include <string.h>

static void put_share(struct buf *to, const char *key, const struct performance_share *x)
{
	member_number(to, key, x->at);
	buf_format(to, ",\"%s_interval\":[", key);
	buf_json_number(to, x->low);
	buf_text(to, ",");
	buf_json_number(to, x->high);
	buf_text(to, "]");
}

static void put_checked(struct buf *to, const struct performance_checked *c)
{
	if (!c->n) {
		buf_text(to, ",\"checked\":null");
		return;
	}
	buf_format(to, ",\"checked\":{\"labels\":%lld,\"windows\":%lld", (long long)c->n, (long long)c->n_windows);
	put_share(to, "error", &(struct performance_share){c->error, c->low, c->high});
	buf_format(to, ",\"contradicted\":%s", c->contradicted ? "true" : "false");
	put_share(to, "corrected", &c->corrected);
	buf_text(to, "}");
}

void event_performance(struct buf *to, const struct performance_signal *p)
{
	if (!p->known) {
		buf_text(to, ",\"performance\":null");
		return;
	}
	buf_format(to, ",\"performance\":{\"basis\":\"%s\",\"n\":%lld", performance_basis_words[p->basis], (long long)p->n);
	member_number(to, "reference", p->reference);
	put_share(to, "atc", &p->atc);
	put_share(to, "cbpe", &p->cbpe);
	member_number(to, "gap", p->gap);
	member_number(to, "gap_z", p->gap_z);
	buf_format(to, ",\"novel\":%s", p->novel ? "true" : "false");
	member_number(to, "confidence_before", p->confidence_before);
	member_number(to, "confidence", p->confidence);
	put_share(to, "realised", &p->realised);
	buf_format(to, ",\"n_labels\":%lld,\"n_right\":%lld,\"n_mislabelled\":%lld", (long long)p->n_labels, (long long)p->n_right,
		(long long)p->n_mislabelled);
	member_time(to, "realised_start", p->realised_start_us);
	member_time(to, "realised_end", p->realised_end_us);
	put_checked(to, &p->checked);
	buf_text(to, "}");
}

static void text_share(struct buf *to, const struct performance_share *x)
{
	buf_format(to, "%.1f %% (%.1f to %.1f)", 100 * x->at, 100 * x->low, 100 * x->high);
}

/* The estimate does not speak first where labels have shown it wrong. */
static void text_contradicted(struct buf *to, const struct performance_signal *p)
{
	const struct performance_checked *c = &p->checked;

	buf_format(to, "    accuracy: %.1f %% in the reference", 100 * p->reference);
	if (!isnan(c->corrected.at)) {
		buf_text(to, ", about ");
		text_share(to, &c->corrected);
		buf_text(to, " now, by ATC less its error");
	}
	buf_format(to, "; the estimate is contradicted by labels: of the last %lld it took %.1f points too %s for right", (long long)c->n,
		100 * fabs(c->error), c->error > 0 ? "many" : "few");
	if (!isnan(p->atc.at))
		buf_format(to, " (ATC alone says %.1f %%)", 100 * p->atc.at);
	buf_text(to, "\n");
}

void text_performance(struct buf *to, const struct performance_signal *p, bool always)
{
	bool low = p->atc.high < p->reference, fell = p->confidence_before - p->confidence > .02;

	if (!p->known || !(always || low || p->novel || p->checked.contradicted || (p->basis == PERFORMANCE_NONE && fell)))
		return;
	if (p->basis == PERFORMANCE_NONE)
		buf_format(to, "    confidence: mean %.1f %% -> %.1f %%; how often the model is right is not known (oodd fit --labels, or `accuracy`)\n",
			100 * p->confidence_before, 100 * p->confidence);
	else if (p->checked.contradicted)
		text_contradicted(to, p);
	else if (!isnan(p->atc.at)) {
		buf_format(to, "    accuracy: %.1f %% in the reference, about ", 100 * p->reference);
		text_share(to, &p->atc);
		buf_format(to, " now by ATC, %.1f %% by CBPE%s\n", 100 * p->cbpe.at,
			p->novel ? "; the gap says: kinds of records that the model does not know" : "");
	}
	if (p->n_labels > 0) {
		buf_format(to, "    labels: %lld came, ", (long long)p->n_labels);
		text_share(to, &p->realised);
		buf_text(to, " of the predictions were right");
		/* Where the model itself has become worse, its confident errors are its own. */
		if (p->n_mislabelled && p->realised.high >= p->reference)
			buf_format(to, "; %lld of the labels are likelier wrong than the prediction", (long long)p->n_mislabelled);
		buf_text(to, "\n");
	}
}

static void put_text(struct buf *to, const char *key, const char *text, size_t n)
{
	buf_format(to, ",\"%s\":", key);
	if (text)
		buf_json_text(to, text, n);
	else
		buf_text(to, "null");
}

static void put_stream(struct buf *to, const char *model, const char *version)
{
	put_text(to, "model", model, strlen(model));
	put_text(to, "version", version, strlen(version));
}

void event_accuracy(struct buf *to, const char *model, const char *version, const struct truth_window *w, int64_t window_us)
{
	struct performance_share right = performance_share((double)w->n_right / (double)w->n_labels, (double)w->n_labels);

	buf_text(to, "{\"event\":\"accuracy\"");
	member_time(to, "ts", w->start_us + window_us);
	put_stream(to, model, version);
	member_time(to, "start", w->start_us);
	member_time(to, "end", w->start_us + window_us);
	buf_format(to, ",\"n\":%lld,\"labels\":%lld,\"right\":%lld", (long long)w->n, (long long)w->n_labels, (long long)w->n_right);
	put_share(to, "accuracy", &right);
	member_number(to, "atc", w->atc);
	member_number(to, "cbpe", w->cbpe);
	buf_text(to, "}\n");
}

void event_mislabelled(struct buf *to, const char *model, const char *version, const char *id, const struct truth_label *label)
{
	buf_text(to, "{\"event\":\"mislabelled\"");
	member_time(to, "ts", label->time_us);
	put_stream(to, model, version);
	put_text(to, "id", id, strlen(id));
	put_text(to, "label", label->class, label->n_class);
	put_text(to, "prediction", label->predicted, label->predicted ? strlen(label->predicted) : 0);
	member_time(to, "predicted", label->predicted_us);
	buf_text(to, "}\n");
}
