/* SPDX-License-Identifier: Apache-2.0
 * The commands of oodd, each in a file of its own; main walks this table. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli.h"

int command_run(const struct command *self, int argc, char **argv);
int command_fit(const struct command *self, int argc, char **argv);
int command_replay(const struct command *self, int argc, char **argv);
int command_eval(const struct command *self, int argc, char **argv);
int command_score(const struct command *self, int argc, char **argv);
int command_selftest(const struct command *self, int argc, char **argv);
int command_relearn(const struct command *self, int argc, char **argv);
int command_outbox(const struct command *self, int argc, char **argv);
int command_check(const struct command *self, int argc, char **argv);
int command_plugin(const struct command *self, int argc, char **argv);

#endif
