/* SPDX-License-Identifier: MIT */
#include "doctor_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const lockdowns[] = {
	[LOCKDOWN_NONE] = "none",
	[LOCKDOWN_INTEGRITY] = "integrity",
	[LOCKDOWN_CONFIDENTIALITY] = "confidentiality",
};

int doctor_parse_lockdown(const char *text, enum lockdown *out)
{
	const char *begin = strchr(text, '['), *end = begin ? strchr(begin, ']') : NULL;
	size_t i, length;

	if (!end)
		return -EINVAL;
	length = (size_t)(end - begin) - 1;
	for (i = 0; i < sizeof(lockdowns) / sizeof(lockdowns[0]); i++) {
		if (strlen(lockdowns[i]) == length && !memcmp(lockdowns[i], begin + 1, length)) {
			*out = (enum lockdown)i;
			return 0;
		}
	}
	return -EINVAL;
}

int doctor_parse_number(const char *text, long *out)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || errno || (*end && strcmp(end, "\n")))
		return -EINVAL;
	*out = value;
	return 0;
}

int doctor_parse_capabilities(const char *status, uint64_t *out)
{
	static const char name[] = "\nCapEff:\t";
	const char *at = strstr(status, name);
	uint64_t value;
	char *end;

	if (!at)
		return -EINVAL;
	at += sizeof(name) - 1;
	if (!*at || !strchr("0123456789abcdefABCDEF", *at))
		return -EINVAL;
	errno = 0;
	value = strtoull(at, &end, 16);
	if (errno || *end != '\n')
		return -EINVAL;
	*out = value;
	return 0;
}

char doctor_parse_config(const char *line, const char *name)
{
	size_t length = strlen(name);

	if (!strncmp(line, "# ", 2) && !strncmp(line + 2, name, length) &&
	    !strncmp(line + 2 + length, " is not set", 11))
		return 'n';
	if (strncmp(line, name, length) || line[length] != '=')
		return 0;
	return line[length + 1] == 'y' || line[length + 1] == 'm' ? line[length + 1] : 0;
}
