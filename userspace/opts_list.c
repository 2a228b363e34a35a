/* SPDX-License-Identifier: MIT */
#include "opts_list.h"

#include <string.h>

/* Whether a value is called so, as "FILE..." is called FILE. */
static bool is_called(const struct option *o, const char *name)
{
	size_t length = strlen(name);

	return o->value && !strncmp(o->value, name, length) &&
	       strspn(o->value + length, ".") == strlen(o->value + length);
}

static void list_completes(const struct option *o, FILE *out)
{
	const char *what = "text";
	int i;

	if (o->kind == OPTION_CHOICE) {
		for (i = 0; o->choices[i]; i++)
			fprintf(out, "%s%s", i ? "," : "one:", o->choices[i]);
		return;
	}
	if (o->kind == OPTION_FLAG)
		what = "flag";
	else if (o->kind == OPTION_PIDS)
		what = "pid";
	else if (o->kind == OPTION_DURATION)
		what = "duration";
	else if (o->kind == OPTION_PERCENT)
		what = "percent";
	else if (is_called(o, "FILE") || is_called(o, "BINARY") || is_called(o, "PATH") ||
		 is_called(o, "SIDE"))
		what = "file";
	else if (is_called(o, "DIR"))
		what = "directory";
	fputs(what, out);
}

/* In one line. */
static void list_help(const char *help, FILE *out)
{
	for (; *help; help++)
		fputc(*help == '\n' || *help == '\t' ? ' ' : *help, out);
	fputc('\n', out);
}

static void list_option(const struct verb *verb, const struct option *o, FILE *out)
{
	bool again = o->kind == OPTION_LIST || o->kind == OPTION_PIDS;

	fprintf(out, "%s\t%s%s\t%s\t", verb->name, o->name ? "--" : "-", o->name ? o->name : "",
		o->value ? o->value : "-");
	list_completes(o, out);
	fprintf(out, "\t%s\t", again ? "again" : "-");
	list_help(o->help, out);
}

void opts_list(const struct verb *verb, FILE *out)
{
	const struct verb *const *within;
	const struct option *o;

	fprintf(out, "%s\t-\t-\tverb\t-\t", verb->name);
	list_help(verb->summary, out);
	if (verb->operands)
		list_option(verb, verb->operands, out);
	for (o = verb->options; o->name; o++) {
		if (!o->hidden)
			list_option(verb, o, out);
	}
	for (within = verb->verbs; within && *within; within++)
		opts_list(*within, out);
}
