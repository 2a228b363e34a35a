/* SPDX-License-Identifier: MIT */
/*
 * msg.h - what the program says on stderr
 *
 * One line each, "pushback: " in front. Only main and cmd_* speak; all else returns. libbpf's chatter
 * comes through here one level down, so that it is seen with --verbose only.
 */
#ifndef MSG_H
#define MSG_H

#include <stdbool.h>

void msg_set_verbose(bool verbose);
/*
 * From now on each line goes to `listen`, without "pushback: ", and none to stderr: for who has the
 * terminal to itself. NULL: as before.
 */
void msg_listen(void (*listen)(const char *line, void *context), void *context);

#define MSG_FORMAT __attribute__((format(printf, 1, 2)))
void msg_error(const char *format, ...) MSG_FORMAT;
void msg_warn(const char *format, ...) MSG_FORMAT;
void msg_info(const char *format, ...) MSG_FORMAT;
/* With --verbose only. */
void msg_debug(const char *format, ...) MSG_FORMAT;

/* For what a consumer named: as top_text.h says, cut to fit. Returns `out`. */
const char *msg_safe(char *out, unsigned long size, const char *text);

#endif /* MSG_H */
