/* SPDX-License-Identifier: MIT */
#include "opts.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60ull * 1000000000 },
	{ "h", 3600ull * 1000000000 },
	{ "", 1000000000 },
};

#define DURATION_MOST (365ull * 24 * 3600 * 1000000000)

/* Digits with at most one point, in units of `unit` ns. Without strtod: no locale, no exponents. */
static int parse_decimal(const char **at, uint64_t unit, uint64_t *out)
{
	uint64_t value = 0, place = unit;
	const char *p = *at;
	bool digits = false;

	for (; *p >= '0' && *p <= '9'; p++, digits = true) {
		value = value * 10 + (uint64_t)(*p - '0') * unit;
		if (value > DURATION_MOST)
			return -ERANGE;
	}
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, digits = true) {
			place /= 10;
			value += (uint64_t)(*p - '0') * place;
		}
	}
	*at = p;
	*out = value;
	return digits ? 0 : -EINVAL;
}

int opts_percent(const char *text, double *share)
{
	char *end;
	double percent;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	percent = strtod(text, &end);
	if (errno || strcmp(end, "%") != 0 || !(percent > 0) || percent > 1e6)
		return -EINVAL;
	*share = percent / 100;
	return 0;
}

int opts_duration(const char *text, uint64_t *ns)
{
	const char *unit = text + strspn(text, "0123456789.");
	size_t i;
	int err;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name))
			continue;
		err = parse_decimal(&text, units[i].ns, ns);
		return err ? err : text == unit ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* It is one line whatever was given: behind a line's end the advice would be lost. */
__attribute__((format(printf, 3, 4))) static int wrong(char *why, size_t why_size,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	for (char *c = why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

static int add_text(struct option_list *list, const char *value)
{
	const char **items = realloc(list->items, (list->count + 2) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count++] = value;
	items[list->count] = NULL;
	return 0;
}

int opts_pid(const char *text, int *pid)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number < 1 || number > INT_MAX)
		return -EINVAL;
	*pid = (int)number;
	return 0;
}

static int add_pid(struct option_pids *list, const char *value, char *why, size_t why_size)
{
	int *items, pid;

	if (opts_pid(value, &pid))
		return wrong(why, why_size,
			     "--pid '%s' is no process id: give a number, such as 1234", value);
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count++] = pid;
	return 0;
}

static int too_short(const struct option *o, const char *value, char *why, size_t why_size)
{
	bool seconds = o->least >= 1000000000;

	return wrong(why, why_size, "--%s %s is too short: at least %g%s", o->name, value,
		     (double)o->least / (seconds ? 1e9 : 1e6), seconds ? "s" : "ms");
}

static int set_duration(const struct option *o, const char *value, uint64_t *out, char *why,
			size_t why_size)
{
	int err = opts_duration(value, out);

	if (err == -ERANGE)
		return wrong(why, why_size, "--%s %s is too long: at most a year", o->name, value);
	if (err)
		return wrong(why, why_size,
			     "--%s '%s' is no duration: give a number with us, ms, s, m or h, such "
			     "as 10s",
			     o->name, value);
	if (*out < o->least)
		return too_short(o, value, why, why_size);
	return 0;
}

static int set_choice(const struct option *o, const char *value, int *out, char *why,
		      size_t why_size)
{
	char all[128] = "";
	int i;

	for (i = 0; o->choices[i]; i++) {
		if (!strcmp(value, o->choices[i])) {
			*out = i;
			return 0;
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 o->choices[i]);
	}
	return wrong(why, why_size, "--%s '%s' is not known: one of %s", o->name, value, all);
}

static int set(const struct option *o, const char *value, void *settings, char *why,
	       size_t why_size)
{
	char *at = (char *)settings + o->offset;

	/* A flag has no value. */
	if (o->kind != OPTION_FLAG && o->filled && !*value)
		return wrong(why, why_size, "--%s is empty: give %s, or leave it out", o->name,
			     o->value);
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)at = value;
		return 0;
	case OPTION_LIST:
		return add_text((struct option_list *)at, value);
	case OPTION_PIDS:
		return add_pid((struct option_pids *)at, value, why, why_size);
	case OPTION_DURATION:
		return set_duration(o, value, (uint64_t *)at, why, why_size);
	case OPTION_CHOICE:
		return set_choice(o, value, (int *)at, why, why_size);
	case OPTION_PERCENT:
		if (!opts_percent(value, (double *)at))
			return 0;
		return wrong(why, why_size, "--%s '%s' is not a part of a core: give it as 5%%",
			     o->name, value);
	}
	return -EINVAL;
}

static const struct option *find(const struct verb *verb, const char *name, size_t length)
{
	const struct option *o;

	for (o = verb->options; o->name; o++) {
		if (strlen(o->name) == length && !strncmp(o->name, name, length))
			return o;
	}
	return NULL;
}

static int not_known(const struct verb *verb, const char *argument, char *why, size_t why_size)
{
	return wrong(why, why_size, "'%s' is not an option of '%s': see pushback %s --help",
		     argument, verb->name, verb->name);
}

/* What it would take instead: its first options with a value, two at most. */
static int not_understood(const struct verb *verb, const char *argument, char *why, size_t why_size)
{
	char such[128] = "";
	const struct option *o;
	int count = 0;

	for (o = verb->options; o->name && count < 2; o++) {
		if (o->hidden || !o->value)
			continue;
		snprintf(such + strlen(such), sizeof(such) - strlen(such), "%s--%s %s",
			 count++ ? " or " : ", such as ", o->name, o->value);
	}
	return wrong(why, why_size,
		     "'%s' is not understood: '%s' takes options only%s; see pushback %s --help",
		     argument, verb->name, such, verb->name);
}

static const struct option *find_letter(const struct verb *verb, char letter)
{
	const struct option *o = verb->options;

	while (o->name && (!o->letter || o->letter != letter))
		o++;
	return o->name ? o : NULL;
}

static bool is_letter(const struct verb *verb, const char *argument)
{
	return *argument == '-' && find_letter(verb, argument[1]);
}

/* The option at *at, which moves behind its value; "-o FILE" or "-oFILE". */
static int parse_letter(const struct verb *verb, char ***at, void *settings, char *why,
			size_t why_size)
{
	const char *argument = *(*at)++;
	const struct option *o = find_letter(verb, argument[1]);
	const char *value = argument[2] ? argument + 2 : **at;

	if (!value)
		return wrong(why, why_size, "-%c needs a value: -%c %s", o->letter, o->letter,
			     o->value);
	*at += !argument[2];
	return set(o, value, settings, why, why_size);
}

/* The option at *at, which moves behind its value. */
static int parse_option(const struct verb *verb, char ***at, void *settings, char *why,
			size_t why_size)
{
	const char *argument = *(*at)++, *name = argument + 2, *value;
	size_t length = strcspn(name, "=");
	const struct option *o = find(verb, name, length);

	if (!o)
		return not_known(verb, argument, why, why_size);
	value = name[length] ? name + length + 1 : NULL;
	if (o->kind == OPTION_FLAG && value)
		return wrong(why, why_size, "--%s takes no value", o->name);
	if (o->kind != OPTION_FLAG && !value) {
		value = **at;
		if (!value)
			return wrong(why, why_size, "--%s needs a value: --%s %s", o->name, o->name,
				     o->value);
		(*at)++;
	}
	return set(o, value, settings, why, why_size);
}

int opts_parse(const struct verb *verb, int argc, char **argv, void *settings, char *why,
	       size_t why_size)
{
	char **at = argv + 1, **end = argv + argc;
	bool only_operands = false;
	int err = 0;

	while (!err && at < end) {
		if (!only_operands && (!strcmp(*at, "--help") || !strcmp(*at, "-h"))) {
			opts_help(verb, stdout);
			return 1;
		}
		if (!only_operands && !strcmp(*at, "--")) {
			only_operands = true;
			at++;
		} else if (!only_operands && !strncmp(*at, "--", 2)) {
			err = parse_option(verb, &at, settings, why, why_size);
		} else if (!only_operands && is_letter(verb, *at)) {
			err = parse_letter(verb, &at, settings, why, why_size);
		} else if (verb->operands && (only_operands || **at != '-')) {
			err = set(verb->operands, *at++, settings, why, why_size);
		} else if (only_operands || **at != '-') {
			err = not_understood(verb, *at, why, why_size);
		} else {
			err = not_known(verb, *at, why, why_size);
		}
	}
	return err;
}

static void free_value(const struct option *o, void *settings)
{
	char *at = (char *)settings + o->offset;

	if (o->kind == OPTION_LIST)
		free(((struct option_list *)at)->items);
	else if (o->kind == OPTION_PIDS)
		free(((struct option_pids *)at)->items);
}

void opts_free(const struct verb *verb, void *settings)
{
	const struct option *o;

	for (o = verb->options; o->name; o++)
		free_value(o, settings);
	if (verb->operands)
		free_value(verb->operands, settings);
}

/* The text of an option, in a column of its own, broken at its newlines. */
static void help_option(const struct option *o, FILE *out)
{
	const char *text = o->help, *end;
	char left[64], letter[8] = "";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "%s%s%s%s%s", letter, o->name ? "--" : "",
		 o->name ? o->name : "", o->name && o->value ? " " : "", o->value ? o->value : "");
	for (;;) {
		end = text + strcspn(text, "\n");
		fprintf(out, "  %-24s %.*s\n", left, (int)(end - text), text);
		if (!*end)
			return;
		text = end + 1;
		left[0] = '\0';
	}
}

void opts_help(const struct verb *verb, FILE *out)
{
	const struct option *o;

	fprintf(out, "pushback %s - %s\n\n%s\nOptions\n", verb->name, verb->summary, verb->text);
	if (verb->operands)
		help_option(verb->operands, out);
	for (o = verb->options; o->name; o++) {
		if (!o->hidden)
			help_option(o, out);
	}
}
