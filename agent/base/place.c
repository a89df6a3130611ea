/* SPDX-License-Identifier: Apache-2.0
 * A build tree is known by what configure left in it: agent/source-tree, beside the program, names the source. No environment
 * variable is asked: a service must not take code from where its caller says. */
#include "base/place.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of this program, without a slash at its end; "" when the kernel does not say. */
static void program_dir(char to[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", to, PATH_MAX - 1);
	char *slash;

	to[n < 0 ? 0 : n] = '\0';
	slash = strrchr(to, '/');
	if (slash)
		*slash = '\0';
}

/* The source tree of the build tree that this program runs from; NULL when it does not. */
static char *source_tree(void)
{
	char dir[PATH_MAX], line[PATH_MAX] = "";
	char *path;
	FILE *file;

	program_dir(dir);
	path = mem_format("%s/source-tree", dir);
	file = fopen(path, "re");
	free(path);
	if (!file)
		return NULL;
	if (!fgets(line, sizeof line, file))
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line[0] ? mem_copy_text(line) : NULL;
}

char *place_script(const char *name)
{
	char *tree = source_tree();
	char *path = tree ? mem_format("%s/scripts/%s", tree, name) : mem_format("%s/%s", OODD_DATADIR, name);

	free(tree);
	return path;
}

char *place_plugins(void)
{
	char dir[PATH_MAX], *tree = source_tree();

	program_dir(dir);
	if (!tree)
		return mem_copy_text(OODD_LIBDIR "/plugins");
	free(tree);
	return mem_format("%s/../plugins", dir);
}
