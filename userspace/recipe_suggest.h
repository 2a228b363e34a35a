/* SPDX-License-Identifier: MIT */
/*
 * recipe_suggest.h - a draft of a recipe for a file, from the names that are in it
 *
 * What is known by the names, or by the calling convention of the language, is written down; where it is a
 * matter of what the program does it says RECIPE_TODO, and does not parse until that is filled in. The
 * file may be hostile, as for elf_image.h. Library code: writes to the stream that it is given only.
 */
#ifndef RECIPE_SUGGEST_H
#define RECIPE_SUGGEST_H

#include <stdbool.h>
#include <stdio.h>

#include "elfnote.h"

/* What was found. */
struct recipe_draft {
	size_t steps;
	bool ours;        /* it has our own probes: it needs none */
	size_t functions; /* that have names, steps or not */
	size_t copies;    /* made of a submit by the compiler: .isra, .constprop, .part */
	size_t probes;    /* of others' providers */
};

/* 0, also where nothing was found; -errno, with elf_image_open()'s. */
int recipe_suggest(int fd, const char *path, const struct elfnote *note, FILE *out,
		   struct recipe_draft *found);

#endif /* RECIPE_SUGGEST_H */
