/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 12 /* of a probe, for every tracer */

/* What moves along the text. */
struct cursor {
	const char *at;
	unsigned bytes; /* of the present argument */
};

static bool take(struct cursor *cursor, char c)
{
	if (*cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool take_number(struct cursor *cursor)
{
	const char *digits = cursor->at + (*cursor->at == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return false;
	strtoll(cursor->at, &end, 0);
	cursor->at = end;
	return true;
}

/* ---- x86-64 ---- */

/* Bytes in a register; 0: there is none of that name. */
static unsigned x86_register(const char *name, size_t length)
{
	static const char *const old[][4] = {
		{ "rax", "eax", "ax", "al" },  { "rbx", "ebx", "bx", "bl" },
		{ "rcx", "ecx", "cx", "cl" },  { "rdx", "edx", "dx", "dl" },
		{ "rsi", "esi", "si", "sil" }, { "rdi", "edi", "di", "dil" },
		{ "rbp", "ebp", "bp", "bpl" }, { "rsp", "esp", "sp", "spl" },
	};
	static const char *const suffixes[] = { "", "d", "w", "b" };
	char text[8];

	for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++)
		for (unsigned size = 0; size < 4; size++)
			if (strlen(old[i][size]) == length && !strncmp(old[i][size], name, length))
				return 8u >> size;
	for (int i = 8; i < 16; i++)
		for (unsigned size = 0; size < 4; size++)
			if ((size_t)snprintf(text, sizeof(text), "r%d%s", i, suffixes[size]) ==
				    length &&
			    !strncmp(text, name, length))
				return 8u >> size;
	return 0;
}

static unsigned x86_take_register(struct cursor *cursor)
{
	size_t length;
	unsigned bytes;

	if (!take(cursor, '%'))
		return 0;
	length = strcspn(cursor->at, " ,)");
	bytes = x86_register(cursor->at, length);
	cursor->at += length;
	return bytes;
}

/* (BASE), (BASE,INDEX) or (BASE,INDEX,SCALE), behind the displacement. */
static bool x86_take_memory(struct cursor *cursor)
{
	if (!take(cursor, '(') || x86_take_register(cursor) != 8)
		return false;
	if (take(cursor, ',')) {
		if (x86_take_register(cursor) != 8)
			return false;
		if (take(cursor, ',') && !(take(cursor, '1') || take(cursor, '2') ||
					   take(cursor, '4') || take(cursor, '8')))
			return false;
	}
	return take(cursor, ')');
}

static bool x86_take_operand(struct cursor *cursor)
{
	if (take(cursor, '$'))
		return take_number(cursor);
	/* No register has fewer bytes than are read of it. */
	if (*cursor->at == '%')
		return x86_take_register(cursor) >= cursor->bytes;
	if (*cursor->at != '(' && !take_number(cursor))
		return false;
	return x86_take_memory(cursor);
}

/* ---- aarch64 ---- */

static bool aarch64_take_register(struct cursor *cursor)
{
	char *end;
	long number;

	if (strncmp(cursor->at, "sp", 2) == 0) {
		cursor->at += 2;
		return true;
	}
	if (cursor->at[0] != 'x' || cursor->at[1] < '0' || cursor->at[1] > '9')
		return false;
	number = strtol(cursor->at + 1, &end, 10);
	cursor->at = end;
	return number <= 30;
}

static bool aarch64_take_operand(struct cursor *cursor)
{
	if (!take(cursor, '['))
		return take_number(cursor) || aarch64_take_register(cursor);
	if (!aarch64_take_register(cursor))
		return false;
	if (take(cursor, ',')) {
		take(cursor, ' ');
		if (!take_number(cursor) && !aarch64_take_register(cursor))
			return false;
	}
	return take(cursor, ']');
}

static bool take_argument(struct cursor *cursor, unsigned machine)
{
	take(cursor, '-');
	if (!*cursor->at || !strchr("1248", *cursor->at))
		return false;
	cursor->bytes = (unsigned)(*cursor->at++ - '0');
	if (!take(cursor, '@'))
		return false;
	return machine == EM_AARCH64 ? aarch64_take_operand(cursor) : x86_take_operand(cursor);
}

int arguments_check(const char *text, unsigned machine, struct why *why)
{
	struct cursor cursor = { .at = text };
	int count = 0;

	while (*cursor.at) {
		const char *begin = cursor.at;

		if (!take_argument(&cursor, machine) || (*cursor.at && !take(&cursor, ' ')))
			return refuse(why, "'%.100s' is no argument: %s", begin,
				      machine == EM_AARCH64
					      ? "such as -4@x0, 8@[sp, 16] or 8@7"
					      : "such as -4@%eax, 8@16(%rsp) or 8@$7, and no "
						"register smaller than its bytes");
		cursor.at += strspn(cursor.at, " ");
		if (++count > ARGUMENTS_MAX)
			return refuse(why, "'%.100s' are too many arguments: at most %d", text,
				      ARGUMENTS_MAX);
	}
	return 0;
}
