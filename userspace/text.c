/* SPDX-License-Identifier: MIT */
#include "text.h"

const char *text_name(const char *name)
{
	return *name ? name : "(no name)";
}

const char *text_safe(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i]; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	if (size)
		out[i] = '\0';
	return out;
}
