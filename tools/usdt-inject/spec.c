/* SPDX-License-Identifier: MIT */
#include "spec.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"

/* An identifier of C up to `end`, which is skipped; tracers take no others. */
static bool take_name(const char **at, char end, char *out, size_t size)
{
	size_t length = strcspn(*at, ":=");

	if (length == 0 || length >= size || (*at)[length] != end || isdigit((unsigned char)**at))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)(*at)[i]) && (*at)[i] != '_')
			return false;
	memcpy(out, *at, length);
	out[length] = '\0';
	*at += length + 1;
	return true;
}

/* A number up to a blank or the end. */
static bool take_number(const char *at, uint64_t *number, const char **rest)
{
	size_t length = strcspn(at, " ");
	char digits[32];

	if (length >= sizeof(digits))
		return false;
	memcpy(digits, at, length);
	digits[length] = '\0';
	*rest = at + length;
	return functions_number(digits, number);
}

static bool take_word(const char *at, const char *word, const char **rest)
{
	size_t length = strlen(word);

	*rest = at + length;
	return strncmp(at, word, length) == 0 && (**rest == '\0' || **rest == ' ');
}

/* Whether the function's name ends at `at`, and what stands there. */
static bool is_mark(struct spec *spec, const char *at, const char **rest)
{
	if (take_word(at, "@return", rest))
		spec->place = PLACE_RETURN;
	else if (take_word(at, "@entry", rest))
		spec->place = PLACE_ENTRY;
	else if (*at == '+' && take_number(at + 1, &spec->number, rest))
		spec->place = PLACE_OFFSET;
	else
		return false;
	return true;
}

static int parse_site(struct spec *spec, const char *site, const char **rest, struct why *why)
{
	if (strncmp(site, "file:", 5) == 0 && take_number(site + 5, &spec->number, rest)) {
		spec->place = PLACE_FILE;
		return 0;
	}
	/* Names of C++ and Rust have blanks, commas and signs in them: the mark ends them. */
	for (const char *at = site + 1; *site && *at; at++) {
		if (!is_mark(spec, at, rest))
			continue;
		spec->function = strndup(site, (size_t)(at - site));
		return spec->function ? 0 : refuse_memory(why);
	}
	if (take_number(site, &spec->number, rest)) {
		spec->place = PLACE_ADDRESS;
		return 0;
	}
	return refuse(why,
		      "'%.200s' says no place: foo@return, foo@entry, foo+0x1f, 0x1139 or "
		      "file:0x1139",
		      site);
}

int spec_parse(struct spec *spec, const char *text, struct why *why)
{
	const char *at = text, *rest = "";
	int err;

	memset(spec, 0, sizeof(*spec));
	if (!take_name(&at, ':', spec->provider, sizeof(spec->provider)) ||
	    !take_name(&at, '=', spec->name, sizeof(spec->name)))
		return refuse(why,
			      "-p '%.200s' is no probe: PROVIDER:NAME=SITE, such as "
			      "app:done=work@return, both names of letters, digits and _, below 64",
			      text);
	/* Its observer takes the step from a site's arguments, and counts itself in its semaphore. */
	if (strcmp(spec->provider, "pushback") == 0)
		return refuse(why,
			      "probes of provider 'pushback' are those of pushback.h and can't "
			      "be injected: name another provider, and say in a recipe what "
			      "its probes mean");
	err = parse_site(spec, at, &rest, why);
	if (!err)
		spec->arguments = rest + strspn(rest, " ");
	return err;
}

void spec_free(struct spec *spec)
{
	free(spec->function);
	memset(spec, 0, sizeof(*spec));
}
