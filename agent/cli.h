/* SPDX-License-Identifier: Apache-2.0
 * The command line: a command is a row of a table, its options are another. --help is printed from them. */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>

struct command {
	const char *name;      /* "fit" */
	const char *synopsis;  /* "-c CONFIG --model M --output FILE LOG..." */
	const char *summary;   /* one line */
	const char *help;      /* paragraphs, may be NULL */
	/* argv[0] is the command's name. Returns a sysexits code. */
	int (*run)(const struct command *self, int argc, char **argv);
};

enum cli_kind {
	CLI_FLAG,   /* *(bool *)to = true */
	CLI_TEXT,   /* *(const char **)to = argument */
	CLI_NUMBER, /* *(long *)to = argument, least..most */
	CLI_LIST,   /* appended to *(struct cli_list *)to; further arguments up to the next option belong to it */
};

struct cli_list {
	const char **at;
	size_t n;
};

struct cli_option {
	const char *name;      /* long name; NULL ends the table */
	char letter;           /* 0: none */
	enum cli_kind kind;
	void *to;
	const char *argument;  /* "FILE", NULL for flags */
	const char *help;
	long least, most;      /* CLI_NUMBER */
};

enum { CLI_GO_ON = -1 };

/* Fills what the options point to; *ret_rest gets what is not an option (memory is the caller's to free: ret_rest->at).
 * CLI_GO_ON, or the exit code: 0 after --help, EX_USAGE after one clear line on stderr. */
int cli_parse(const struct command *command, const struct cli_option *options, int argc, char **argv,
	struct cli_list *ret_rest);
void cli_help(const struct command *command, const struct cli_option *options);
/* One line on stderr that begins with "oodd NAME: "; returns `code`. */
int cli_fail(const struct command *command, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
