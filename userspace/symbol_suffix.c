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

/* One that is behind this dot; false: it is none. */
static bool is_word(const char *at, enum symbol_kind *kind)
{
	size_t length = strcspn(at, ".@");

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		*kind = words[i].kind;
		if (strlen(words[i].word) == length && !strncmp(words[i].word, at, length))
			return true;
	}
	return false;
}

static bool is_number(const char *at)
{
	size_t length = strcspn(at, ".@");

	return length && strspn(at, "0123456789") == length;
}

/* Of all that is behind the name, from this dot on; false: something there is no suffix. */
static bool read_suffixes(const char *dot, enum symbol_kind *kind)
{
	enum symbol_kind one;

	*kind = SYMBOL_PLAIN;
	for (; *dot == '.'; dot += 1 + strcspn(dot + 1, ".@")) {
		if (is_word(dot + 1, &one))
			*kind = one > *kind ? one : *kind;
		else if (*kind == SYMBOL_PLAIN || !is_number(dot + 1))
			return false;
	}
	return *kind != SYMBOL_PLAIN;
}

/* In Rust's names two dots may be a path's colons: "a..cold..B". */
enum symbol_kind symbol_kind(const char *name, size_t *stem)
{
	enum symbol_kind kind;

	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (dot == name || dot[-1] == '.' || !read_suffixes(dot, &kind))
			continue;
		if (stem)
			*stem = (size_t)(dot - name);
		return kind;
	}
	if (stem)
		*stem = strcspn(name, "@");
	return SYMBOL_PLAIN;
}
