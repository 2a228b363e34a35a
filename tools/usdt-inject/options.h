/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "deliver.h"
#include "spec.h"

enum action { ACTION_INJECT, ACTION_LIST, ACTION_REMOVE };

struct options {
	enum action action;
	enum delivery delivery;
	bool json;
	const char *file;
	const char *output;
	struct spec *specs;
	size_t specs_count;
};

/* 0; 1 if help or version was asked for and printed; negative with the reason in `why`. */
int options_parse(struct options *options, int argc, char **argv, struct why *why);
void options_free(struct options *options);

#endif /* OPTIONS_H */
