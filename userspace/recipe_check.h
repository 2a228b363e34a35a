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
	pid_t pid; /* whose `path` it is; 0: it was given */
	struct elfnote note;
	pid_t *pids; /* that map it */
	size_t pids_count;
	struct recipe_sites *sites;      /* those that are right; NULL: none */
	size_t problems, problems_count; /* its own, from the first of these on */
	struct pb_tally *tallies; /* one for each; NULL: nobody ran it, or it was not attached */
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
	struct checked_lines absent;   /* targets that no process maps, and that are not there */
	bool no_memory;
	bool no_multi; /* the caller's: attach one perf uprobe per site */
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

#endif /* RECIPE_CHECK_H */
