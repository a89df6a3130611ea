/* SPDX-License-Identifier: Apache-2.0
 * oodd eval, classes: how often the prediction was what the label says, and labels that are likelier wrong than the prediction
 * (confident learning: agent/judge/README.md). */
#include "command_eval.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { IDS_MOST = 1000 };
#define MISLABELLED_LEAST_P .2 /* as truth.c */

static size_t class_of(const struct reference *r, struct text t)
{
	for (size_t i = 0; i < r->n_classes; i++)
		if (t.n > 0 && !strncmp(r->classes[i], t.at, t.n) && !r->classes[i][t.n])
			return i;
	return SIZE_MAX;
}

static bool mislabelled(const struct reference *r, const struct batch *b, const struct scored *s, size_t row)
{
	size_t class = class_of(r, b->prediction[row]);

	return class < r->performance.n_sure && b->confidence[row] >= r->performance.sure[class] && !(s->fused[row] <= MISLABELLED_LEAST_P);
}

void eval_classes_add(struct eval_classes *c, const struct reference *reference, const struct labels *labels, const struct batch *b,
	const struct scored *s, size_t row)
{
	const struct label *label = b->id[row].at ? labels_find(labels, b->id[row].at, b->id[row].n) : NULL;
	const char *truth = label && label->word != LABELS_NO_WORD ? labels_word(labels, label->word) : NULL;
	struct text said = b->prediction[row];

	if (!truth || !said.at)
		return;
	c->n++;
	if (strlen(truth) == said.n && !memcmp(truth, said.at, said.n)) {
		c->n_right++;
		return;
	}
	if (!mislabelled(reference, b, s, row))
		return;
	c->n_mislabelled++;
	if (c->n_ids == IDS_MOST)
		return;
	c->ids = mem_grow(c->ids, c->n_ids + 1, sizeof *c->ids);
	c->ids[c->n_ids++] = mem_copy_span(b->id[row].at, b->id[row].n);
}

static struct performance_share accuracy(const struct eval_classes *c)
{
	return performance_share((double)c->n_right / (double)c->n, (double)c->n);
}

void eval_classes_json(const struct eval_classes *c, struct buf *to)
{
	struct performance_share x;

	if (!c->n)
		return;
	x = accuracy(c);
	buf_format(to, ",\"classes\":{\"n\":%lld,\"right\":%lld,\"accuracy\":", (long long)c->n, (long long)c->n_right);
	buf_json_number(to, x.at);
	buf_text(to, ",\"interval\":[");
	buf_json_number(to, x.low);
	buf_text(to, ",");
	buf_json_number(to, x.high);
	buf_format(to, "],\"mislabelled\":%lld,\"mislabelled_ids\":[", (long long)c->n_mislabelled);
	for (size_t i = 0; i < c->n_ids; i++) {
		buf_text(to, i ? "," : "");
		buf_json_text(to, c->ids[i], strlen(c->ids[i]));
	}
	buf_text(to, "]}");
}

void eval_classes_text(const struct eval_classes *c, const struct reference *reference, struct buf *to)
{
	struct performance_share x;

	if (!c->n)
		return;
	x = accuracy(c);
	buf_format(to, "%.2f %% (%.2f to %.2f) of %lld predictions with a labelled class were right", 100 * x.at, 100 * x.low, 100 * x.high, (long long)c->n);
	if (reference->performance.n_sure)
		buf_format(to, "; %lld labels are likelier wrong than the prediction (--json names them)", (long long)c->n_mislabelled);
	buf_text(to, "\n");
}

void eval_classes_done(struct eval_classes *c)
{
	for (size_t i = 0; i < c->n_ids; i++)
		free(c->ids[i]);
	free(c->ids);
}
