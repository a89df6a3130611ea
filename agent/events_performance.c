/* SPDX-License-Identifier: Apache-2.0
 * How often the model is right, as lines: a member of a signal for programs, a line or two for people. */
#include "events.h"

#include "base/clock.h"

#include <math.h>

static void put_number(struct buf *to, const char *key, double x)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_number(to, x);
}

static void put_share(struct buf *to, const char *key, const struct performance_share *x)
{
	put_number(to, key, x->at);
	buf_format(to, ",\"%s_interval\":[", key);
	buf_json_number(to, x->low);
	buf_text(to, ",");
	buf_json_number(to, x->high);
	buf_text(to, "]");
}

static void put_time(struct buf *to, const char *key, int64_t us)
{
	char text[32];

	if (us == TIME_NONE)
		buf_format(to, ",\"%s\":null", key);
	else
		buf_format(to, ",\"%s\":\"%s\"", key, time_format(us, text, sizeof text));
}

void event_performance(struct buf *to, const struct performance_signal *p)
{
	if (!p->known) {
		buf_text(to, ",\"performance\":null");
		return;
	}
	buf_format(to, ",\"performance\":{\"basis\":\"%s\",\"n\":%lld", performance_basis_words[p->basis], (long long)p->n);
	put_number(to, "reference", p->reference);
	put_share(to, "atc", &p->atc);
	put_share(to, "cbpe", &p->cbpe);
	put_number(to, "gap", p->gap);
	put_number(to, "gap_z", p->gap_z);
	buf_format(to, ",\"novel\":%s", p->novel ? "true" : "false");
	put_number(to, "confidence_before", p->confidence_before);
	put_number(to, "confidence", p->confidence);
	put_share(to, "realised", &p->realised);
	buf_format(to, ",\"n_labels\":%lld,\"n_right\":%lld,\"n_mislabelled\":%lld", (long long)p->n_labels, (long long)p->n_right,
		(long long)p->n_mislabelled);
	put_time(to, "realised_start", p->realised_start_us);
	put_time(to, "realised_end", p->realised_end_us);
	buf_text(to, "}");
}

static void text_share(struct buf *to, const struct performance_share *x)
{
	buf_format(to, "%.1f %% (%.1f to %.1f)", 100 * x->at, 100 * x->low, 100 * x->high);
}

void text_performance(struct buf *to, const struct performance_signal *p, bool always)
{
	bool low = p->atc.high < p->reference, fell = p->confidence_before - p->confidence > .02;

	if (!p->known || !(always || low || p->novel || (p->basis == PERFORMANCE_NONE && fell)))
		return;
	if (p->basis == PERFORMANCE_NONE)
		buf_format(to, "    confidence: mean %.1f %% -> %.1f %%; how often the model is right is not known (oodd fit --labels, or `accuracy`)\n",
			100 * p->confidence_before, 100 * p->confidence);
	else if (!isnan(p->atc.at)) {
		buf_format(to, "    accuracy: %.1f %% in the reference, about ", 100 * p->reference);
		text_share(to, &p->atc);
		buf_format(to, " now by ATC, %.1f %% by CBPE%s\n", 100 * p->cbpe.at,
			p->novel ? "; the gap says: kinds of records that the model does not know" : "");
	}
	if (p->n_labels > 0) {
		buf_format(to, "    labels: %lld came, ", (long long)p->n_labels);
		text_share(to, &p->realised);
		buf_format(to, " of the predictions were right%s", p->n_mislabelled ? "" : "\n");
		if (p->n_mislabelled)
			buf_format(to, "; %lld labels are likelier wrong than the prediction\n", (long long)p->n_mislabelled);
	}
}
