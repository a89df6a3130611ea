/* SPDX-License-Identifier: Apache-2.0
 * A detector's options, from what a person wrote to what a plugin asks for; and the calls of a plugin with the host lent to it. */
#ifndef SCORE_OPTIONS_H
#define SCORE_OPTIONS_H

#include "base/error.h"
#include "model/reference.h"

#include "oodd/detector.h"

#include <stddef.h>

/* As it stands in a configuration or on a command line: knn = { k = 50 } is {"k", "50"}. Borrowed. */
struct option_text {
	const char *name, *text;
};

/* Every option of the detector's table, in its order, given or standard. 0, or -EINVAL with a sentence: unknown name (and the
 * nearest), not a number, out of range, not one of the choices. *ret (NULL when there are none) is freed by
 * detector_options_free. */
int detector_options(const struct oodd_detector *d, const struct option_text *given, size_t n, struct reference_option **ret,
	size_t *ret_n, struct error *e);
void detector_options_free(struct reference_option *options, size_t n);

/* Calls of a plugin's functions. `options` as made above, or as a reference kept them: an option that is not among them (a newer
 * plugin has more) has its standard value. What the plugin logs goes to our log under its name, and the last complaint becomes
 * the sentence of an error. One thread at a time for each detector. */

/* *ret_bytes: malloc'ed copy of what fit wrote, NULL with 0 bytes where the detector learns nothing. */
int detector_fit(const struct oodd_detector *d, const struct reference_option *options, size_t n_options,
	const struct oodd_batch *const *batches, size_t n_batches, void **ret_bytes, size_t *ret_n, struct error *e);
/* *ret_state: NULL where the detector keeps none. */
int detector_open(const struct oodd_detector *d, const struct reference_option *options, size_t n_options, const void *bytes,
	size_t n, void **ret_state, struct error *e);
void detector_close(const struct oodd_detector *d, void *state); /* accepts NULL */

#endif
