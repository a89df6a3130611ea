/* SPDX-License-Identifier: Apache-2.0
 * What a new version of a model may keep of the old one's reference: what does not depend on the model. */
#ifndef MODEL_REFERENCE_INHERIT_H
#define MODEL_REFERENCE_INHERIT_H

#include "base/error.h"
#include "model/reference.h"

/* A reference of `version`, made of `from`'s: the measures of its features with all that was learned about them, and its windows
 * as far as they count those. Predicted classes, confidence and output metrics are counted in the same bins, so that the two versions can be
 * compared, but not judged. Slices are kept as far as they are told apart by features. No detectors, no vectors. Missing fields are those of features alone, and judged where that was so
 * of the old reference too, or as good as nothing was ever missing in it.
 * Its hash is that of what it holds: the same reference and version give the same. *ret is the caller's: reference_close.
 * 0; -ENOENT and a sentence when there is nothing at all to count. */
int reference_inherit(const struct reference *from, const char *version, struct reference **ret, struct error *e);

#endif
