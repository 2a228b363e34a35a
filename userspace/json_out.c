/* SPDX-License-Identifier: MIT */
#include "json_out.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
/* More digits show how a decimal is not one in binary: 0.1 as 0.10000000000000001. */
#define DIGITS 15

/* jansson takes well-formed UTF-8 only, and so is the judge of what that is. */
static bool is_text(const char *bytes, size_t size)
{
	json_t *text = json_stringn(bytes, size);

	json_decref(text);
	return text != NULL;
}

/* How long the character is that the bytes begin with; 0: they begin with none. */
static size_t character_size(const char *bytes, size_t size)
{
	size_t i;

	for (i = 1; i <= 4 && i <= size; i++) {
		if (is_text(bytes, i))
			return i;
	}
	return 0;
}

json_t *json_text(const char *bytes, size_t max)
{
	size_t size = strnlen(bytes, max), used = 0, at = 0;
	char *text = malloc(size * strlen(REPLACEMENT) + 1);
	json_t *string;

	if (!text)
		return NULL;
	while (at < size) {
		size_t length = bytes[at] == '\x7f' ? 0 : character_size(bytes + at, size - at);

		memcpy(text + used, length ? bytes + at : REPLACEMENT,
		       length ? length : strlen(REPLACEMENT));
		used += length ? length : strlen(REPLACEMENT);
		at += length ? length : 1;
	}
	string = json_stringn(text, used);
	free(text);
	return string;
}

int json_line(FILE *out, json_t *object)
{
	int err = 0;

	if (!object)
		return -ENOMEM;
	errno = 0;
	if (json_dumpf(object, out,
		       JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(DIGITS)) ||
	    fputc('\n', out) == EOF || fflush(out))
		err = errno ? -errno : -EIO;
	json_decref(object);
	return err;
}
