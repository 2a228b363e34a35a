/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "slow.h"

#define MAX_DURATION_NS (1000.0 * 3600 * 1e9)

static double unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
		{ "", 1e9 },   { "m", 60e9 }, { "h", 3600e9 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].ns;
	return 0;
}

bool duration_parse(const char *text, uint64_t *ns)
{
	double number = 0, scale = 1;
	const char *at = text;
	bool fraction = false;

	/* Not strtod: that takes nan, hexadecimal and the locale's comma. */
	for (; (*at >= '0' && *at <= '9') || (*at == '.' && !fraction); at++) {
		if (*at == '.') {
			fraction = true;
			continue;
		}
		number = number * 10 + (*at - '0');
		if (fraction)
			scale *= 10;
	}
	if (at == text || at[-1] == '.')
		return false;
	number = number / scale * unit_ns(at);
	if (!(number >= 1 && number <= MAX_DURATION_NS))
		return false;
	*ns = (uint64_t)(number + 0.5);
	return true;
}

static bool mode_parse(const char *text, size_t length, enum slow_mode *mode)
{
	if (length == strlen("refuse") && !strncmp(text, "refuse", length))
		*mode = SLOW_REFUSE;
	else if (length == strlen("block") && !strncmp(text, "block", length))
		*mode = SLOW_BLOCK;
	else
		return false;
	return true;
}

/* The step's name is all before the second colon from the end: it may hold colons itself. */
bool slow_parse(const char *text, struct slow_request *request)
{
	const char *duration = strrchr(text, ':');
	const char *mode = duration;
	size_t length;

	*request = (struct slow_request){ .mode = SLOW_NOT };
	if (!strcmp(text, "none"))
		return true;
	request->also = *text == '+';
	text += request->also;
	if (!duration)
		return false;
	do {
		if (mode-- == text)
			return false;
	} while (*mode != ':');
	length = (size_t)(mode - text);
	if (!length || length >= sizeof(request->step))
		return false;
	memcpy(request->step, text, length);
	return mode_parse(mode + 1, (size_t)(duration - mode - 1), &request->mode) &&
	       duration_parse(duration + 1, &request->duration);
}

bool slow_take(struct slow_list *list, const struct slow_request *request)
{
	if (!request->also)
		list->count = 0;
	if (request->mode == SLOW_NOT)
		return true;
	if (list->count == SLOW_MAX)
		return false;
	list->of[list->count++] = *request;
	return true;
}

const struct slow_request *slow_find(const struct slow_list *list, const char *step)
{
	for (size_t i = list->count; i-- > 0;)
		if (!strcmp(list->of[i].step, step))
			return &list->of[i];
	return NULL;
}
