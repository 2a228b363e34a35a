/* SPDX-License-Identifier: MIT */
/*
 * opts.h - options are data
 *
 * A verb is a table; parsing, checking and help come from it. Values are stored at `offset` in the
 * verb's settings struct, whose initial content are the defaults. "--" ends the options.
 */
#ifndef OPTS_H
#define OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,     /* bool */
	OPTION_TEXT,     /* const char * */
	OPTION_LIST,     /* struct option_list: may be given again */
	OPTION_PIDS,     /* struct option_pids: may be given again */
	OPTION_DURATION, /* uint64_t, ns */
	OPTION_CHOICE,   /* int: index into choices */
	OPTION_PERCENT,  /* double: 0.05 for "5%" */
};

struct option_list {
	const char **items; /* NULL-terminated, or NULL */
	size_t count;
};

struct option_pids {
	int *items;
	size_t count;
};

struct option {
	const char *name;  /* without the dashes */
	const char *value; /* what the help calls it, NULL for a flag */
	const char *help;
	enum option_kind kind;
	size_t offset;
	const char *const *choices; /* NULL-terminated, for OPTION_CHOICE */
	uint64_t least;             /* for OPTION_DURATION */
	char letter;                /* a short name, as in -o; 0: none */
	bool filled;                /* an empty text is a variable that was not set, and refused */
	bool hidden;
};

struct verb {
	const char *name;
	const char *summary;               /* one line */
	const char *text;                  /* a paragraph or more, with examples */
	const struct option *options;      /* ends with a NULL name */
	const struct option *operands;     /* what is no option goes here; NULL: refused */
	const struct verb *const *verbs;   /* within it, NULL-terminated; NULL: none */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns an exit status */
};

/*
 * Parses argv into `settings`. 0; 1 if --help was asked for and printed; -EINVAL with a line that says
 * what is wrong and what would help in `why`; -ENOMEM.
 */
int opts_parse(const struct verb *verb, int argc, char **argv, void *settings, char *why,
	       size_t why_size);
/* Frees lists. */
void opts_free(const struct verb *verb, void *settings);
void opts_help(const struct verb *verb, FILE *out);

/* "4711"; more than 0. -EINVAL. */
int opts_pid(const char *text, int *pid);
/* "5%", "2.5%", "400%"; more than 0. -EINVAL. */
int opts_percent(const char *text, double *share);
/* "10", "1.5s", "100ms", "5us", "2m", "1h" -> ns; bare means seconds. -EINVAL, -ERANGE. */
int opts_duration(const char *text, uint64_t *ns);

#endif /* OPTS_H */
