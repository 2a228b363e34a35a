/* SPDX-License-Identifier: MIT */
/*
 * recipe_result.h - by what a function's result is told: debug information first, if the recipe says so
 *
 * Where there is none, by the recipe's values or by the message that is handed back, and only then: debug
 * information that does not decide, or has no such variants, is not overruled. Does not print.
 */
#ifndef RECIPE_RESULT_H
#define RECIPE_RESULT_H

#include "elf_image.h"
#include "recipe.h"

struct dwarf_enums;

/*
 * Of one file; all zeros but the note at first. Opened where it is first needed: in the file itself, or
 * in one of its own that the host has for this build.
 */
struct recipe_debug {
	const struct elfnote *note;
	int fd; /* of that, with its image */
	struct elf_image image;
	bool separate;
	struct dwarf_enums *enums;
	bool opened;
	int err;
	const char *wrong;
};

void recipe_debug_close(struct recipe_debug *d);

/*
 * 0, with `rule` as debug information has it; 1: there is none, `rule` is as it was. -errno, with the
 * reason in `why`: it can be told by nothing.
 */
int recipe_result_find(struct recipe_debug *d, struct elf_image *image, uint64_t function,
		       const struct recipe_step *step, struct pb_rule *rule, char *why,
		       size_t why_size);

#endif /* RECIPE_RESULT_H */
