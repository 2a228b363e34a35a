/* SPDX-License-Identifier: MIT */
#include "why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int refuse(struct why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -EINVAL;
}

int refuse_memory(struct why *why)
{
	refuse(why, "out of memory");
	return -ENOMEM;
}
