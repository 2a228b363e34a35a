/* SPDX-License-Identifier: MIT */
#include "recipe_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHER "other"

/* By outcome. */
static const char *const usual[RECIPE_OUTCOMES] = { "Ok,", "MessageRejected,", "",
						    "InvalidMessage,", "" };

void recipe_names_init(struct recipe_names *n)
{
	memset(n, 0, sizeof(*n));
	n->unnamed = -1;
}

void recipe_names_free(struct recipe_names *n)
{
	for (int i = 0; i < RECIPE_OUTCOMES; i++)
		free(n->lists[i]);
}

static const char *list_of(const struct recipe_names *n, uint32_t outcome)
{
	return n->lists[outcome] ? n->lists[outcome] : usual[outcome];
}

static bool has(const char *list, const char *name, size_t size)
{
	while (*list) {
		size_t of = strcspn(list, ",");

		if (of == size && !memcmp(list, name, size))
			return true;
		list += of + 1;
	}
	return false;
}

static size_t word_at(const char *text)
{
	size_t size = 0;

	if (!isalpha((unsigned char)*text) && *text != '_')
		return 0;
	while (isalnum((unsigned char)text[size]) || text[size] == '_')
		size++;
	return size;
}

static const char *const meant[RECIPE_OUTCOMES] = {
	"has a name that is accepted already: each has one meaning",
	"has a name that is rejected already: each has one meaning",
	"has a name that is propagated already: each has one meaning",
	"has a name that is invalid already: each has one meaning",
	"has a name that is unknown already: each has one meaning",
};

static const char *add(struct recipe_names *n, uint32_t outcome, const char *name, size_t size)
{
	const char *old = n->lists[outcome];
	size_t used = old ? strlen(old) : 0;
	char *list;

	for (uint32_t i = 0; i < RECIPE_OUTCOMES; i++)
		if (n->lists[i] && has(n->lists[i], name, size))
			return meant[i];
	list = realloc(n->lists[outcome], used + size + 2);
	if (!list)
		return "does not fit into memory";
	memcpy(list + used, name, size);
	memcpy(list + used + size, ",", 2);
	n->lists[outcome] = list;
	return NULL;
}

const char *recipe_names_take(struct recipe_names *n, const char *text, uint32_t outcome,
			      char *rest)
{
	char *end = rest;

	*rest = '\0';
	while (*text) {
		size_t blank = strspn(text, " \t"), size = strcspn(text, ",");
		size_t word = word_at(text + blank);
		bool other = word == strlen(OTHER) && !strncmp(text + blank, OTHER, word);
		bool whole = word && blank + word + strspn(text + blank + word, " \t") == size;
		bool last = text[size] == ',' && !text[size + 1];
		const char *wrong = blank >= size || last ? "has a comma too many"
				    : whole && !other     ? add(n, outcome, text + blank, word)
							  : NULL;

		if (wrong)
			return wrong;
		if (other)
			n->unnamed = (int)outcome;
		if (!whole || other) {
			/* Behind what is there already, with its comma. */
			if (end > rest)
				*end++ = ',';
			memcpy(end, text, size);
			end += size;
			*end = '\0';
		}
		text += size + (text[size] == ',');
	}
	return NULL;
}

int recipe_names_mean(const char *variant, void *context)
{
	const struct recipe_names *n = context;

	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < RECIPE_OUTCOMES; i++)
			/* What is said goes before what is usual. */
			if ((pass || n->lists[i]) && has(list_of(n, i), variant, strlen(variant)))
				return (int)i;
	return -1;
}

const char *recipe_names_first(const struct recipe_names *n, uint32_t outcome, char *out,
			       size_t size)
{
	const char *list = list_of(n, outcome);

	snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
	return out;
}
