/* SPDX-License-Identifier: MIT */
#include "term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * Of plain lines: less than the 80 that everything has, since some terminals wrap a full line; and
 * what the narrowest table needs.
 */
#define WIDTH_USUAL 79
#define WIDTH_LEAST 24
#define WIDTH_MOST  512

/* What a locale that is not installed says of the terminal is still true. */
static bool says_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static bool take_locale(void)
{
	if (!setlocale(LC_CTYPE, "") && says_utf8())
		setlocale(LC_CTYPE, "C.UTF-8");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

bool term_utf8(void)
{
	static enum { UNKNOWN, NO, YES } answer;

	if (answer == UNKNOWN)
		answer = take_locale() ? YES : NO;
	return answer == YES;
}

void term_write_utf8(void)
{
	if (!term_utf8())
		setlocale(LC_CTYPE, "C.UTF-8");
}

size_t term_width(void)
{
	const char *columns = getenv("COLUMNS");
	unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize window;

	if (!width && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &window))
		width = window.ws_col;
	if (!width)
		width = WIDTH_USUAL;
	return width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : width;
}
