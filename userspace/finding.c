/* SPDX-License-Identifier: MIT */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAY(text)                                                \
	do {                                                     \
		va_list args;                                    \
                                                                 \
		va_start(args, text);                            \
		vsnprintf(f->text, sizeof(f->text), text, args); \
		va_end(args);                                    \
	} while (0)

void finding_ok(struct finding *f, const char *fact, ...)
{
	f->level = FINDING_OK;
	SAY(fact);
}

void finding_warn(struct finding *f, const char *fact, ...)
{
	f->level = FINDING_WARNING;
	SAY(fact);
}

void finding_fail(struct finding *f, const char *fact, ...)
{
	f->level = FINDING_FAILURE;
	SAY(fact);
}

void finding_advise(struct finding *f, const char *advice, ...)
{
	SAY(advice);
}

void finding_add(struct finding *f, const char *fact, ...)
{
	size_t used = strlen(f->fact);
	va_list args;

	va_start(args, fact);
	vsnprintf(f->fact + used, sizeof(f->fact) - used, fact, args);
	va_end(args);
}

void finding_fail_why(struct finding *f, const char *why)
{
	const char *colon = strstr(why, ": ");

	/* What the system says stands behind "cannot ...:". */
	if (!colon || !strncmp(why, "cannot ", 7)) {
		finding_fail(f, "%s", why);
		finding_advise(f, "--verbose shows what the kernel says");
		return;
	}
	finding_fail(f, "%.*s", (int)(colon - why), why);
	finding_advise(f, "%s", colon + 2);
}
