/* SPDX-License-Identifier: MIT */
#include "symbol_name.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol_demangle.h"

char *symbol_plain(const char *name)
{
	char *plain = symbol_demangle(name);

	return plain ? plain : strdup(name);
}

/* A part of a name; angle brackets in it are balanced, or it is all. */
struct part {
	const char *at;
	size_t size;
};

static bool is_separator(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == ':' && at[1] == ':';
}

/* What is behind "operator", with brackets that follow it. */
#define SIGNS_MAX 8

/* operator<, operator->, ... */
static bool is_operator(const char *at, const char *begin)
{
	static const char word[] = "operator";

	for (int i = 0; i < SIGNS_MAX && at > begin && strchr("<>-=", at[-1]); i++)
		at--;
	return (size_t)(at - begin) >= strlen(word) &&
	       !strncmp(at - strlen(word), word, strlen(word));
}

/* An arrow is no bracket. */
static int depth_after(const char *at, const char *begin, int depth)
{
	if (strchr("({[", *at))
		return depth + 1;
	if (strchr(")}]", *at))
		return depth - 1;
	if ((*at != '<' && *at != '>') || is_operator(at, begin))
		return depth;
	if (*at == '<')
		return depth + 1;
	return at == begin || at[-1] != '-' ? depth - 1 : depth;
}

/*
 * Without arguments and what is behind them: the last parentheses that no :: follows, as it does
 * "(anonymous namespace)" and a function that a lambda is in.
 */
static struct part without_arguments(struct part name)
{
	const char *end = name.at + name.size, *found = NULL, *open = NULL;
	int depth = 0;

	for (const char *at = name.at; at < end; at++) {
		if (*at == '(' && depth == 0)
			open = at;
		depth = depth_after(at, name.at, depth);
		if (*at == ')' && depth == 0 && open && open > name.at &&
		    !is_separator(at + 1, end))
			found = open;
	}
	return (struct part){ name.at, found ? (size_t)(found - name.at) : name.size };
}

/* What is in front of the last :: that is in no brackets; false: there is none. */
static bool owner_of(struct part name, struct part *out)
{
	const char *end = name.at + name.size, *found = NULL;
	int depth = 0;

	for (const char *at = name.at; at < end; at++) {
		if (depth == 0 && is_separator(at, end))
			found = at;
		depth = depth_after(at, name.at, depth);
	}
	*out = (struct part){ name.at, found ? (size_t)(found - name.at) : 0 };
	return found && found > name.at;
}

/* "T" of "<T as Trait>" and of "<T>". */
static struct part without_trait(struct part name)
{
	static const char as[] = " as ";
	int depth = 0;

	if (name.size < 2 || name.at[0] != '<' || name.at[name.size - 1] != '>')
		return name;
	name.at++;
	name.size -= 2;
	for (size_t i = 0; i < name.size; i++) {
		if (depth == 0 && name.size - i > strlen(as) &&
		    !strncmp(name.at + i, as, strlen(as)))
			return (struct part){ name.at, i };
		depth = depth_after(name.at + i, name.at, depth);
	}
	return name;
}

/* The last of a path, without what is in brackets behind it, nor the type that a template returns. */
static struct part last_of(struct part name)
{
	const char *end = name.at + name.size, *bracket = NULL;
	struct part last = name;
	int depth = 0;

	for (const char *at = name.at; at < end; at++) {
		if (depth == 0 && is_separator(at, end)) {
			last = (struct part){ at + 2, (size_t)(end - at - 2) };
			bracket = NULL;
		}
		if (depth == 0 && *at == ' ' && at + 1 < end) {
			last = (struct part){ at + 1, (size_t)(end - at - 1) };
			bracket = NULL;
		}
		if (depth == 0 && *at == '<' && !bracket && at > last.at &&
		    !is_operator(at, name.at))
			bracket = at;
		depth = depth_after(at, name.at, depth);
	}
	if (bracket)
		last.size = (size_t)(bracket - last.at);
	while (last.size && last.at[last.size - 1] == ':')
		last.size--;
	return last;
}

static void copy_part(struct part name, char *out, size_t size)
{
	if (name.size >= size)
		name.size = size - 1;
	memcpy(out, name.at, name.size);
	out[name.size] = '\0';
}

void symbol_owner(const char *demangled, char *out, size_t size)
{
	struct part name = without_arguments((struct part){ demangled, strlen(demangled) });
	struct part owner;

	name = owner_of(name, &owner) ? last_of(without_trait(owner)) : last_of(name);
	copy_part(name, out, size);
}

void symbol_method(const char *demangled, char *out, size_t size)
{
	struct part name = without_arguments((struct part){ demangled, strlen(demangled) });
	struct part owner, method = { demangled, 0 };

	if (owner_of(name, &owner))
		method = last_of(name);
	copy_part(method, out, size);
}

const char *symbol_clone(const char *name)
{
	static const char *const suffixes[] = { ".isra.", ".constprop.", ".part." };
	const char *first = NULL;

	for (size_t i = 0; i < 3; i++) {
		const char *suffix = strstr(name, suffixes[i]);

		if (suffix && (!first || suffix < first))
			first = suffix;
	}
	return first;
}

char *symbol_of_offset(uint64_t offset)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)offset);
	return strdup(text);
}
