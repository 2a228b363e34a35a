/* SPDX-License-Identifier: MIT */
/*
 * recipe_check.h - what a recipe comes to here: the files that it is for, their sites, and what hits them
 *
 * Nothing is judged by a guess: sites are those that run would probe, and what hits them is counted by the
 * programs that run has. Library code: does not print.
 */
#ifndef RECIPE_CHECK_H
#define RECIPE_CHECK_H

#include "discover.h"
#include "hit_cost.h"
#include "recipe_sites.h"

/* A file that is a target of the recipe. */
struct checked_file {
	struct file_id id;
	char *path;
	int fd;
	struct elfnote note;
	pid_t *pids; /* that map it */
	size_t pids_count;
	struct recipe_sites *sites; /* those that are right; NULL: none */
	struct pb_tally *tallies;   /* one for each; NULL: nobody ran it, or it was not attached */
};

/* One line for each thing that is wrong: then nothing of the file is attached. */
struct checked_lines {
	char **items;
	size_t count;
};

struct recipe_check {
	struct checked_file *files;
	size_t count;
	struct checked_lines problems; /* exit status 1 */
	bool no_memory;
};

/*
 * Which files there are: these processes', these, or with neither those that any process maps, and those
 * that are where the recipe says. 0; -ENOMEM.
 */
int recipe_check_gather(struct recipe_check *check, const struct recipes *recipes, const int *pids,
			size_t pids_count, const char *const *paths);

/* Attaches where there is something to be hit, for so long. 0; -errno with one line in `why`. */
int recipe_check_watch(struct recipe_check *check, const int *pids, size_t pids_count, uint64_t ns,
		       char *why);
void recipe_check_free(struct recipe_check *check);

/* All of a step in one file. */
struct checked_step {
	const char *name;
	uint32_t number;
	uint64_t hits;        /* of any of its sites */
	uint64_t calls[3];    /* by enum pb_rule_kind: entries, and hits of sites that tell all */
	uint64_t returns;     /* hits where functions that are submits return */
	uint64_t unread;      /* hits whose values could not be read */
	uint64_t unknown;     /* ... or were none that the function can return */
	uint64_t outcomes[4]; /* of submits */
	uint64_t ready;       /* of polls */
	uint64_t cost_ns[3];  /* of one call, the dearest way through it; 0: it has none */
};

/* Fills in `out`, of PB_MAX_KINDS; how many. `cost` may be NULL. */
size_t recipe_check_steps(const struct checked_file *file, const struct hit_cost *cost,
			  struct checked_step *out);

/* What of this step's hits shows that the recipe is wrong; NULL: nothing. */
const char *recipe_check_doubt(const struct checked_step *step);

#endif /* RECIPE_CHECK_H */
