/* SPDX-License-Identifier: Apache-2.0
 * Where the files that come with oodd are: in the tree it was built in when it runs from there, else where they were installed. */
#ifndef BASE_PLACE_H
#define BASE_PLACE_H

/* A script that is shipped, by its path under scripts/: "rules/default.lua". The caller frees. */
char *place_script(const char *name);
/* The folder of the shipped plugins. The caller frees. */
char *place_plugins(void);

#endif
