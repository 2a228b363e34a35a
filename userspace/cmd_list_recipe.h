/* SPDX-License-Identifier: MIT */
/*
 * cmd_list_recipe.h - what recipes are for, as `pushback list` shows it: who maps it, its steps and their sites
 *
 * Attaches nothing. Speaks for the verb: what is wrong goes to stderr.
 */
#ifndef CMD_LIST_RECIPE_H
#define CMD_LIST_RECIPE_H

#include <jansson.h>

#include "matcher.h"
#include "opts.h"
#include "recipe_check.h"
#include "table.h"

struct list_recipe {
	struct recipes *recipes;
	struct recipe_check check;
	/* Who is listed; the caller's. */
	const struct option_pids *pids;
	struct matcher *matcher;
	bool given; /* files were, and not processes */
};

/* What a process is listed with; the caller adds what it knows of any process. */
struct list_recipe_row {
	pid_t pid;
	const struct checked_file *file;
	int watched; /* 1, 0, or -errno */
};

/* Reads them, and looks for what they are for: `paths`, or processes with NULL. As cmd_body. */
int list_recipe_start(struct list_recipe *l, const char *const *recipes, const char *const *paths);
void list_recipe_end(struct list_recipe *l);

/* Calls `fn` for each row until it returns non-zero; that is handed on. */
typedef int list_recipe_fn(const struct list_recipe_row *row, void *context);
int list_recipe_each(struct list_recipe *l, list_recipe_fn *fn, void *context);
/* Whether it, 0: anybody, has a row. */
bool list_recipe_has(struct list_recipe *l, pid_t pid);

/* The names of its steps and of its recipes: "parse,batch" in `out`, or as an array. */
void list_recipe_steps(const struct checked_file *file, char *out, size_t size);
void list_recipe_files(const struct list_recipe *l, const struct checked_file *file, char *out,
		       size_t size);
json_t *list_recipe_json_steps(const struct checked_file *file);
json_t *list_recipe_json_files(const struct list_recipe *l, const struct checked_file *file);

/* Of each file its steps and sites, then what is wrong. As cmd_body. */
int list_recipe_write(struct list_recipe *l, bool json);

#endif /* CMD_LIST_RECIPE_H */
