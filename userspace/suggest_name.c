/* SPDX-License-Identifier: MIT */
#include "suggest_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "symbol_name.h"

#define ARROYO_TRAIT "ProcessingStrategy"

/* "17h" and 16 hexadecimal digits before the last E. */
static bool has_rust_hash(const char *symbol)
{
	const char *end = strrchr(symbol, 'E'), *at;

	if (!end || end - symbol < 19)
		return false;
	at = end - 19;
	if (strncmp(at, "17h", 3) != 0)
		return false;
	for (at += 3; at < end; at++)
		if (!isdigit((unsigned char)*at) && (*at < 'a' || *at > 'f'))
			return false;
	return true;
}

enum suggest_language suggest_language(const char *symbol)
{
	if (!strncmp(symbol, "_R", 2) && (isalpha((unsigned char)symbol[2])))
		return SUGGEST_RUST;
	if (!strncmp(symbol, "_Z", 2))
		return has_rust_hash(symbol) ? SUGGEST_RUST : SUGGEST_CXX;
	return SUGGEST_C;
}

enum suggest_call suggest_call(enum suggest_language language, const char *plain)
{
	const char *last = strrchr(plain, '_');
	char name[16];

	if (language != SUGGEST_C)
		symbol_method(plain, name, sizeof(name));
	else
		snprintf(name, sizeof(name), "%s", last && last > plain ? last + 1 : "");
	if (!strcmp(name, "submit"))
		return SUGGEST_SUBMIT;
	return strcmp(name, "poll") ? SUGGEST_NONE : SUGGEST_POLL;
}

void suggest_step(enum suggest_language language, const char *plain, char *out, size_t size)
{
	if (language == SUGGEST_C) {
		const char *last = strrchr(plain, '_');
		size_t length = last ? (size_t)(last - plain) : strlen(plain);

		length = length < size ? length : size - 1;
		memcpy(out, plain, length);
		out[length] = '\0';
		return;
	}
	symbol_owner(plain, out, size);
}

bool suggest_is_arroyo(const char *plain)
{
	const char *as = strstr(plain, " as ");

	return as && strstr(as, ARROYO_TRAIT "<");
}

void suggest_glob(const char *plain, char *out, size_t size)
{
	size_t length = strlen(plain), most = size - 1, head = most / 2, tail = most - head - 1;
	const char *from = plain;
	char *to = out;

	while (*from) {
		if (length > most && (size_t)(from - plain) == head) {
			*to++ = '*';
			from = plain + length - tail;
			length = most;
		}
		*to++ = strchr("[]*?\\;#", *from) ? '?' : *from;
		from++;
	}
	*to = '\0';
}
