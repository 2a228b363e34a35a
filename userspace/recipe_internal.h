/* SPDX-License-Identifier: MIT */
/* recipe_internal.h - a finding of sites in progress, for recipe_sites.c and recipe_function.c */
#ifndef RECIPE_INTERNAL_H
#define RECIPE_INTERNAL_H

#include "elf_image.h"
#include "elf_symbols.h"
#include "insn.h"
#include "recipe_result.h"
#include "recipe_sites.h"

/* A finding in progress. */
struct recipe_search {
	const struct recipes *recipes;
	const char *path;
	struct elf_image image;
	bool opened;
	struct elf_ranges *ranges;
	struct recipe_debug debug;
	struct recipe_sites *out;
	/* The place that is looked for. */
	const struct recipe_target *target;
	const struct recipe_step *step;
	const struct recipe_where *where;
	uint32_t number; /* of the step, among all recipes' */
	size_t found;
	uint64_t began;     /* this thread's CPU time */
	size_t symbols;     /* that were looked at */
	uint64_t work_left; /* for the instructions of all functions, of RECIPE_WORK_MAX */
	int err;
	recipe_problem_fn *problem; /* NULL: the first is the end */
	void *context;
	bool told; /* it, something */
	char *why;
	size_t why_size;
};

/* The first reason stands. Returns `err`. */
__attribute__((format(printf, 3, 4))) int recipe_internal_fail(struct recipe_search *s, int err,
							       const char *format, ...);

/* A new rule's number, or -errno. `function` is the caller's no more. */
int recipe_internal_rule(struct recipe_search *s, char *function, const char *usdt);
/* A site of it, at an address of the file's code. */
int recipe_internal_at(struct recipe_search *s, int rule, enum recipe_hit hit,
		       const struct insn_site *at);

/* Whether there is time for more; false: it has failed. */
bool recipe_internal_has_time(struct recipe_search *s);
/* Whether as many bytes may be decoded as well, which then counts; false: it has failed. */
bool recipe_internal_work(struct recipe_search *s, uint64_t bytes);
int recipe_internal_too_much(struct recipe_search *s);

/* What jumps to it is a function that it returns for: it is a cold part, or the rest of one. */
bool recipe_internal_is_part(const char *name);
/* The function that has this address in it, without its bytes, and those; `context` is the finding. */
bool recipe_internal_find(uint64_t address, struct insn_code *out, void *context);
bool recipe_internal_load(struct insn_code *code, void *context);
/* Where it is entered and where it returns. `name` is the caller's no more. */
int recipe_internal_function(struct recipe_search *s, const struct elf_function *function,
			     char *name);

#endif /* RECIPE_INTERNAL_H */
