/* SPDX-License-Identifier: MIT */
#include "suggest_name.h"

#include <ctype.h>
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

/* Where the name of the method begins, and how long it is: neither its arguments nor what is in <>. */
static const char *method_of(const char *plain, size_t *size)
{
	const char *method = plain, *end = NULL;
	int depth = 0;

	for (const char *at = plain; *at; at++) {
		if (depth == 0 && (*at == '(' || *at == '<') && at > method && !end)
			end = at;
		if (depth == 0 && *at == '(' && at > plain)
			break;
		if (depth == 0 && at[0] == ':' && at[1] == ':') {
			method = at + 2;
			end = NULL;
		}
		if (*at == '<')
			depth++;
		if (*at == '>' && at > plain && at[-1] != '-')
			depth--;
	}
	*size = end ? (size_t)(end - method) : strlen(method);
	return method;
}

static enum suggest_call call_of(const char *name, size_t size)
{
	if (size == 6 && !strncmp(name, "submit", size))
		return SUGGEST_SUBMIT;
	if (size == 4 && !strncmp(name, "poll", size))
		return SUGGEST_POLL;
	return SUGGEST_NONE;
}

enum suggest_call suggest_call(enum suggest_language language, const char *plain)
{
	const char *name = plain;
	size_t size = strlen(plain);

	if (language == SUGGEST_C) {
		const char *last = strrchr(plain, '_');

		if (!last || last == plain)
			return SUGGEST_NONE;
		return call_of(last + 1, (size_t)(plain + size - last - 1));
	}
	name = method_of(plain, &size);
	/* Rust's have a hash behind them where it is not known for one. */
	return name == plain ? SUGGEST_NONE : call_of(name, size);
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
