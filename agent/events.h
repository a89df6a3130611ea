/* SPDX-License-Identifier: Apache-2.0
 * What the pipeline says, as lines: JSON Lines for programs, text for a terminal. */
#ifndef EVENTS_H
#define EVENTS_H

#include "learning.h"
#include "base/buf.h"
#include "model/alert.h"
#include "model/comparison.h"
#include "model/counts.h"
#include "model/signal.h"
#include "model/window.h"
#include "truth.h"

/* Sixteen hex digits: equal digests, equal vectors. */
struct digest {
	char text[17];
};
struct digest window_digest(const struct window *w);

/* Each appends one whole line. ts is the end of the window in event time.
 * {"event":"window","ts","model","version","start","end","n","flagged","cut","digest"} */
void event_window(struct buf *to, const char *model, const char *version, const struct window *w);
/* {"event":"signal","ts","model","version","start","end","n","flagged","flag_rate","state","alarm","fresh","severity",
 *  "log_m","log_budget","since","why","findings":[{"name","kind","judged","moved","latched","log_e","log_m","psi","ks","w1","js",
 *  "before","after","severity","change"}],"schema":[...],"odd","kinds","groups","examples"}: see events_schema.h, events_samples.h. */
void event_signal(struct buf *to, const struct signal *s);
/* {"event":"learning","ts","model","version","state":"begun"|"collecting"|"fitting"|"failed"|"active"|"postponed"|"resumed","relearn",
 *  "records","kept","bytes","first","newest","wanted_records","wanted_span_s","eta_s","classes","fields","logits","embedding","why"} */
void event_learning(struct buf *to, const struct learning_note *n);
/* {"event":"compare","ts","model","stable","canary","start","end","windows","n_stable","n_canary","verdict":"hold"|"promote"|
 *  "roll back","fresh","reason","alpha","log_needed","rows":[{"name","side","what","stable","canary","difference","low","high",
 *  "tolerance","log_worse","log_differs","log_not_worse","worse","differs","not_worse"}]} */
void event_compare(struct buf *to, const struct comparison *c);
void text_compare(struct buf *to, const struct comparison *c);
/* The same with what is compared, a line each. */
void text_comparison(struct buf *to, const struct comparison *c);
/* {"event":"alert","ts","state":"firing"|"resolved","name","model","version","summary",...}: see alert_json. */
/* Of a signal, events_performance.c: ",\"performance\":{..}" or null; and in words, nothing when there is nothing to say and not
 * `always`. */
void event_performance(struct buf *to, const struct performance_signal *p);
void text_performance(struct buf *to, const struct performance_signal *p, bool always);
/* {"event":"accuracy","ts","model","version","start","end","n","labels","right","accuracy","interval","atc","cbpe"}: of a window of
 * predictions, whenever labels of it came; {"event":"mislabelled","ts","model","version","id","label","prediction","predicted"}. */
void event_accuracy(struct buf *to, const char *model, const char *version, const struct truth_window *w, int64_t window_us);
void event_mislabelled(struct buf *to, const char *model, const char *version, const char *id, const struct truth_label *label);
void event_alert(struct buf *to, const struct alert *a);
/* {"event":"summary","ts","read":{"records","bytes"},"scored","learning","late","in_flight","rejected":{reason:{}},"flagged",
 *  "truncated_bytes_unread","truncations","balanced":true} and the same in words. */
void event_summary(struct buf *to, const struct counts *c, int64_t ts_us);
void text_summary(struct buf *to, const struct counts *c);
/* For people: what a signal or an alert says, in one to a few lines. */
void text_signal(struct buf *to, const struct signal *s);
void text_learning(struct buf *to, const struct learning_note *n);
void text_alert(struct buf *to, const struct alert *a);

#endif
