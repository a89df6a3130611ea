/* SPDX-License-Identifier: Apache-2.0
 * The conformance kit behind `oodd plugin test FILE.so`: holds a plugin to every promise of include/oodd/detector.h that can be tried,
 * on synthetic data, in a child process, so that a plugin that crashes or hangs is a line in the report. */
#ifndef SCORE_CONFORM_H
#define SCORE_CONFORM_H

#include <stdio.h>

/* One line for each check and detector, "ok      knn: one row" or "FAILED  knn: one row: why", then a summary. Returns how many
 * failed (a file that does not load counts as one), or negative errno when the child could not be started. The caller should
 * have no other threads. */
int conform_run(const char *path, FILE *to);

#endif
