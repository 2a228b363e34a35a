/* SPDX-License-Identifier: MIT */
#include "symbol_suffix.h"

#include <stdbool.h>
#include <string.h>

static const struct {
	const char *word;
	enum symbol_kind kind;
} words[] = {
	{ "localalias", SYMBOL_RENAMED }, { "lto_priv", SYMBOL_RENAMED },
	{ "llvm", SYMBOL_RENAMED },       { "isra", SYMBOL_COPY },
	{ "constprop", SYMBOL_COPY },     { "part", SYMBOL_PART },
	{ "cold", SYMBOL_COLD },
};

/* The kind of a word of this length; SYMBOL_PLAIN: it is none of these. */
static enum symbol_kind kind_of(const char *at, size_t length)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i].word) == length && !strncmp(words[i].word, at, length))
			return words[i].kind;
	return SYMBOL_PLAIN;
}

static bool is_number(const char *at, size_t length)
{
	return length && strspn(at, "0123456789") == length;
}

/*
 * Words and numbers up to the end, or a version's @, of which the first is a word; *dot is the one before it.
 * In Rust's names two dots may be a path's colons: "a..cold..B". One pass, as names are hostile: what is no
 * suffix ends those before it, and others may begin behind it.
 */
static enum symbol_kind find_suffixes(const char *name, const char **dot)
{
	enum symbol_kind kind = SYMBOL_PLAIN, one;
	size_t length;

	for (const char *at = strchr(name, '.'); at; at = strchr(at + 1 + length, '.')) {
		length = strcspn(at + 1, ".@");
		one = kind_of(at + 1, length);
		if (kind == SYMBOL_PLAIN && at != name && at[-1] != '.') {
			kind = one;
			*dot = at;
		} else if (kind != SYMBOL_PLAIN && one != SYMBOL_PLAIN) {
			kind = one > kind ? one : kind;
		} else if (kind != SYMBOL_PLAIN && !is_number(at + 1, length)) {
			kind = SYMBOL_PLAIN;
		}
		if (kind != SYMBOL_PLAIN && at[1 + length] != '.')
			break;
	}
	return kind;
}

enum symbol_kind symbol_kind(const char *name, size_t *stem)
{
	const char *dot = name;
	enum symbol_kind kind = find_suffixes(name, &dot);

	if (stem)
		*stem = kind == SYMBOL_PLAIN ? strcspn(name, "@") : (size_t)(dot - name);
	return kind;
}
