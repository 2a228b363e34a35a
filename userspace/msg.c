/* SPDX-License-Identifier: MIT */
#include "msg.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "term.h"
#include "top_text.h"
#include "write_soon.h"

#define LINE_SIZE  1024
#define STUCK_MS   100
#define STUCK_MOST 10

static bool be_verbose;
static void (*listener)(const char *line, void *context);
static void *listener_context;

/* Signals wait for the agent to look at them: it must not be held up by one who does not read. */
static bool must_not_wait(void)
{
	sigset_t blocked;

	return !sigprocmask(SIG_BLOCK, NULL, &blocked) && sigismember(&blocked, SIGTERM);
}

static void put(const char *text)
{
	struct pollfd there = { .fd = STDERR_FILENO, .events = POLLOUT };
	size_t size = strlen(text), done = 0;

	if (!must_not_wait()) {
		fputs(text, stderr);
		return;
	}
	for (int i = 0; done < size && i < STUCK_MOST; i++) {
		ssize_t n = write_soon(STDERR_FILENO, text + done, size - done);

		if (n > 0)
			done += (size_t)n;
		else if (n != -EAGAIN)
			return;
		else
			poll(&there, 1, STUCK_MS);
	}
}

static void say(const char *what, const char *format, va_list args)
{
	char line[LINE_SIZE], whole[LINE_SIZE + 32];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (listener) {
		listener(line, listener_context);
		return;
	}
	snprintf(whole, sizeof(whole), "pushback: %s%s\n", what, line);
	put(whole);
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
	char text[4 * LINE_SIZE];
	int size;

	if (!be_verbose || listener || level > LIBBPF_INFO)
		return 0;
	size = vsnprintf(text, sizeof(text), format, args);
	put(text);
	return size;
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
	top_text_safe(out, size, text, term_utf8());
	return out;
}
