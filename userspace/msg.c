/* SPDX-License-Identifier: MIT */
#include "msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>

#include "text.h"

static bool be_verbose;
static void (*listener)(const char *line, void *context);
static void *listener_context;

static void say(const char *what, const char *format, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (listener) {
		listener(line, listener_context);
		return;
	}
	fprintf(stderr, "pushback: %s%s\n", what, line);
}

#define SAY(what)                        \
	do {                             \
		va_list args;            \
                                         \
		va_start(args, format);  \
		say(what, format, args); \
		va_end(args);            \
	} while (0)

void msg_error(const char *format, ...)
{
	SAY("");
}

void msg_warn(const char *format, ...)
{
	SAY("warning: ");
}

void msg_info(const char *format, ...)
{
	SAY("");
}

void msg_debug(const char *format, ...)
{
	if (be_verbose)
		SAY("");
}

__attribute__((format(printf, 2, 0))) static int say_libbpf(enum libbpf_print_level level,
							    const char *format, va_list args)
{
	if (be_verbose && !listener && level <= LIBBPF_INFO)
		return vfprintf(stderr, format, args);
	return 0;
}

void msg_listen(void (*listen)(const char *line, void *context), void *context)
{
	listener = listen;
	listener_context = context;
}

void msg_set_verbose(bool verbose)
{
	be_verbose = verbose;
	libbpf_set_print(say_libbpf);
}

const char *msg_safe(char *out, unsigned long size, const char *text)
{
	return text_safe(out, size, text);
}
