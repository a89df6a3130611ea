/* SPDX-License-Identifier: Apache-2.0
 * oodd COMMAND ...: finds the row of the table. */
#include "commands.h"

#include "base/words.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct command commands[] = {
	{"run", "-c CONFIG", "The agent: follow the logs, score, judge, alert.",
		"Logs one structured line on standard error for each thing that matters. SIGHUP reloads the configuration (the new one\n"
		"is built before the old one is stopped; on any error the old one stays). SIGTERM and SIGINT drain and end.",
		command_run},
	{"fit", "-c CONFIG --model M --output FILE LOG...", "Reference logs in, a reference out, with a summary.",
		"LOG... is split by blocks of time into the detectors' share, two calibration shares and the null share. With\n"
		"--fit A... --calibrate B... detectors learn from A, and all calibration is done on B: records that the classifier was\n"
		"trained on may fit a detector, never calibrate it. Logs may be compressed (gzip, zstd); '-' is standard input.",
		command_fit},
	{"relearn", "-c CONFIG [--version V] MODEL [LOG...]", "The next reference of a model: from what comes now, or from logs.",
		"The agent is asked to collect it; without a running one the next begins with it. The old reference watches on until the\n"
		"new one is made and found sound, and is kept. While an alarm is on nothing is learned. With LOG... it is made from these,\n"
		"now, under the same conditions; a running agent takes it over on SIGHUP.",
		command_relearn},
	{"replay", "-c CONFIG [--json] LOG...", "History through the very same pipeline, on event time, as fast as it goes.",
		"Prints windows, signals and alerts, and a summary with the balance of records and bytes. Stores and sends nothing.",
		command_replay},
	{"score", "-c CONFIG [--json] [--explain] LOG...", "Per-record scores, p-values and flags, one line a record.",
		"Rejected records and those of streams without a reference are counted on standard error.", command_score},
	{"eval", "-c CONFIG --labels FILE [--phases FILE | --change TIME..] [--json] LOG...",
		"Scores against labels; alarms against what is known to have moved.",
		"Records: AUROC, AUPR, FPR at 95 % TPR, and the rates achieved at the flag rate, for every detector and fused, for every\n"
		"kind, with 95 % intervals. Windows: for every phase with a shift whether it was found, when and by what, beside the\n"
		"least delay that the fused p-values allow; and the false alarms. Labels and phases may be compressed.",
		command_eval},
	{"selftest", "-c CONFIG [--model M] [--windows N] [--replays R] [--json] [LOG...]",
		"False alarms and flags where nothing has moved, with intervals.",
		"Relearns on a part of each reference and judges the rest: windows drawn over and over, records drawn without time, stretches in the\n"
		"order of time, each also with every record repeated. With LOG... those logs are replayed as ones without drift.",
		command_selftest},
	{"outbox", "-c CONFIG [--json] [--resend] [ENDPOINT...]", "Alerts that wait for their endpoint, and those given up; or these once more.",
		"Dead letters are alerts that an endpoint refused, or did not accept in time. --resend asks the agent to send them again (of these\n"
		"endpoints, or of all), under the same key; without a running agent the next one begins with it.",
		command_outbox},
	{"check", "-c CONFIG [--effective]", "Configuration, references, plugins, rules and endpoints checked without starting.",
		"All mistakes at once, one a line, with file and line. --effective prints the whole configuration with defaults, and\n"
		"where each value came from.",
		command_check},
	{"plugin", "list|test [-c CONFIG] [FILE.so]", "List the detectors present, or put a plugin through the conformance kit.",
		NULL, command_plugin},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: oodd COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\noodd COMMAND --help says more of each; oodd --version names this one.\n");
	return code;
}

static int unknown(const char *word)
{
	const char *names[N_COMMANDS];
	const char *nearest;

	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i].name;
	nearest = words_nearest(word, names, N_COMMANDS);
	fprintf(stderr, "oodd: unknown command '%s'%s%s%s; see oodd --help\n", word, nearest ? "; did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?" : "");
	return EX_USAGE;
}

static int oodd(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, EX_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout, 0);
	if (!strcmp(argv[1], "--version")) {
		printf("oodd %s\n", PACKAGE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(&commands[i], argc - 1, argv + 1);
	return unknown(argv[1]);
}

/* Where the caller closed one, the next file opened (the database, say) would get its number, and be printed into. */
static void standard_streams_fill(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What was printed has to be on its way: a result that a full disk has cut short is no success. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "oodd: standard output cannot be written: what was printed is cut short\n");
	return status ? status : EX_IOERR;
}

int main(int argc, char **argv)
{
	/* A numeric library that starts threads of its own takes the cores of the model we serve. */
	setenv("OPENBLAS_NUM_THREADS", "1", 0);
	setenv("OMP_NUM_THREADS", "1", 0);
	/* A file that may not grow further is an error to be told, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	standard_streams_fill();
	return finish(oodd(argc, argv));
}
