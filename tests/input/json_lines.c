/* SPDX-License-Identifier: Apache-2.0
 * Standard input line by line through json_walk, for test_json_python.py: "fine ...", "syntax", "utf8" or "deep" for each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/input/json_walk.h"

int main(int argc, char **argv)
{
	static const char *const words[] = {"fine ", "syntax", "utf8", "deep"};
	struct buf out = BUF_EMPTY;
	size_t room = 0;
	char *line = NULL;
	ssize_t n;

	json_begin();
	for (enum json_path path = 0; argc > 1 && path < JSON_PATH_N; path++)
		if (!strcmp(argv[1], json_path_words[path]) && !json_path_set(path))
			return 77;
	while ((n = getline(&line, &room, stdin)) > 0) {
		enum json_wrong wrong;

		buf_clear(&out);
		wrong = json_walk(line, (size_t)n - (line[n - 1] == '\n'), &out);
		fputs(words[wrong], stdout);
		if (!wrong)
			fwrite(out.at, 1, out.n, stdout);
		putchar('\n');
	}
	buf_done(&out);
	free(line);
	return 0;
}
