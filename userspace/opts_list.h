/* SPDX-License-Identifier: MIT */
/*
 * opts_list.h - the tables of a verb for a machine: man pages and completion are made from them
 *
 * A line each for the verb, its operands and its options, and then the same for the verbs within it.
 * Six columns, separated by tabs; "-" is for nothing:
 *
 *	verb		"run", "recipe check"
 *	word		"--pid"; "-" for the verb itself and for operands
 *	value		what the help calls it: "PID"
 *	completes	what can be said there: verb, flag, pid, file, directory, duration, percent,
 *			one:A,B,C, or text, of which nothing is known
 *	again		"again" where it may be given again
 *	help		one line
 *
 * What is called FILE, BINARY, PATH or SIDE is a file, and what is called DIR a directory. To add a verb: name
 * it in main.c, write tools/man/pushback-VERB.1 after the others, and name that in pushback.1; a test
 * says which of them is missing. Its options need nothing. Hidden ones are left out.
 */
#ifndef OPTS_LIST_H
#define OPTS_LIST_H

#include "opts.h"

void opts_list(const struct verb *verb, FILE *out);

#endif /* OPTS_LIST_H */
