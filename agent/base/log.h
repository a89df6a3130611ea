/* SPDX-License-Identifier: Apache-2.0
 * One levelled, structured line for each thing that matters, on standard error. The only file that prints log lines.
 *
 *     2026-11-21T17:32:01.123Z warning tail: file went away with unread bytes path="/var/log/a.jsonl" lost=4096
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARNING_, LOG_ERROR_ };

/* Lines below this level are dropped. Default LOG_INFO_. Call before threads start. */
void log_level_set(enum log_level least);
/* One JSON object per line instead of text: {"ts","level","room","text",...}. Call before threads start. */
void log_json_set(int on);

/* room: the folder that speaks ("tail", "courier"). text: what happened, in words. Then pairs: each is a key (const char *)
 * and a printf-made value, written as `log_line(level, room, text, "path", log_s(path), "lost", log_n(n), NULL)`.
 * Values are quoted as needed. Any thread. */
void log_line(enum log_level level, const char *room, const char *text, ...) __attribute__((sentinel));

/* Values for log_line: text in a small ring per thread, valid until 16 more values were made on this thread. */
const char *log_s(const char *text);
const char *log_n(long long number);
const char *log_f(double number);

#define log_info(room, text, ...) log_line(LOG_INFO_, room, text, ##__VA_ARGS__, NULL)
#define log_warning(room, text, ...) log_line(LOG_WARNING_, room, text, ##__VA_ARGS__, NULL)
#define log_error(room, text, ...) log_line(LOG_ERROR_, room, text, ##__VA_ARGS__, NULL)
#define log_debug(room, text, ...) log_line(LOG_DEBUG_, room, text, ##__VA_ARGS__, NULL)

#endif
