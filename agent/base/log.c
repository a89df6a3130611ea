/* SPDX-License-Identifier: Apache-2.0
 * One line, one write: lines of several threads never mix. Where a decision is taken it is logged, once. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level least_level = LOG_INFO_;
static int as_json;
static const char *const level_words[] = {"debug", "info", "warning", "error"};

enum { LOG_VALUES = 16, LOG_VALUE_BYTES = 1024 };

void log_level_set(enum log_level least)
{
	least_level = least;
}

void log_json_set(int on)
{
	as_json = on;
}

static char *value_slot(void)
{
	static _Thread_local char ring[LOG_VALUES][LOG_VALUE_BYTES];
	static _Thread_local unsigned next;

	return ring[next++ % LOG_VALUES];
}

const char *log_s(const char *text)
{
	char *slot = value_slot();

	snprintf(slot, LOG_VALUE_BYTES, "%s", text ? text : "");
	return slot;
}

const char *log_n(long long number)
{
	char *slot = value_slot();

	snprintf(slot, LOG_VALUE_BYTES, "%lld", number);
	return slot;
}

const char *log_f(double number)
{
	char *slot = value_slot();

	snprintf(slot, LOG_VALUE_BYTES, "%.6g", number);
	return slot;
}

static bool is_plain(const char *value)
{
	return *value && !value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-._/:@%,")];
}

static void put_pair(struct buf *line, const char *key, const char *value)
{
	if (as_json) {
		buf_format(line, ",\"%s\":", key);
		buf_json_text(line, value, strlen(value));
		return;
	}
	buf_format(line, " %s=", key);
	if (is_plain(value))
		buf_text(line, value);
	else
		buf_json_text(line, value, strlen(value));
}

static void put_head(struct buf *line, enum log_level level, const char *room, const char *text)
{
	char stamp[32];

	time_format(clock_now(NULL), stamp, sizeof stamp);
	if (!as_json) {
		buf_format(line, "%s %s %s: %s", stamp, level_words[level], room, text);
		return;
	}
	buf_format(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"room\":\"%s\",\"text\":", stamp, level_words[level], room);
	buf_json_text(line, text, strlen(text));
}

void log_line(enum log_level level, const char *room, const char *text, ...)
{
	struct buf line = BUF_EMPTY;
	va_list args;

	if (level < least_level)
		return;
	put_head(&line, level, room, text);
	va_start(args, text);
	for (const char *key; (key = va_arg(args, const char *));)
		put_pair(&line, key, va_arg(args, const char *));
	va_end(args);
	buf_text(&line, as_json ? "}\n" : "\n");
	/* A log that cannot be written must not stop the agent: nothing to do about a short write. */
	if (write(STDERR_FILENO, line.at, line.n) < 0) {
	}
	buf_done(&line);
}
