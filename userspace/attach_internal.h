/* SPDX-License-Identifier: MIT */
/*
 * attach_internal.h - what the parts of attach share
 *
 *	attach.c         programs, links
 *	attach_pause.c   for a while
 *	attach_recipe.c  those of recipes
 *	attach_state.c   those of a former agent, and for the next one
 */
#ifndef ATTACH_INTERNAL_H
#define ATTACH_INTERNAL_H

#include "attach.h"
#include "pinned.h"

struct bpf_link;
struct bpf_object;
struct pushback_bpf;

struct attached_recipe;

struct attached {
	struct file_id id;
	int link_fd; /* multi, or -1 */
	struct bpf_link *links[ELFNOTE_SITES_MAX];
	size_t links_count;
	size_t sites;                   /* 0: nothing is attached */
	struct attached_recipe *recipe; /* NULL: there is none for it */
	struct attached_again *again;   /* what it takes to attach it once more; NULL: it is not */
	/* Of a pinned one: what was attached, and whether the link runs another version's code. */
	uint64_t hash;
	bool outdated;
	bool unasked;       /* of the state, and nobody has asked for it yet */
	bool disowned;      /* its id is another file's by now */
	int64_t changed_ns; /* see struct pinned_file */
};

struct attach {
	struct pushback_bpf *skeleton; /* attach.c's */
	struct bpf_object *object;
	struct pinned *pinned; /* NULL: all goes with the agent */
	bool multi;
	bool pauses;
	bool tally; /* of recipes' sites */
	struct attached *files;
	size_t files_count;
	size_t sites_count;
};

/* ---- attach.c ---- */

/* The link for all sites of `note`, with this number in its cookies. */
int attach_make_link(struct attach *a, int fd, const struct elfnote *note, size_t number,
		     struct attached *file);
void attach_detach(struct attach *a, struct attached *file);
/* Only our own sites, and only the links: it may get others. */
void attach_unlink(struct attached *file);

/* What BPF is to know of it before its first hit; it is not armed yet. */
int attach_mark(const struct attach *a, size_t number, bool partly);
/* Before that sites of recipes tell nothing. */
int attach_arm(const struct attach *a, size_t number, bool armed);

/* ---- attach_pause.c ---- */

/* NULL when out of memory: it is never paused then. */
struct attached_again *attach_again_new(int fd, const struct elfnote *note);
void attach_again_free(struct attached_again *again);

/* ---- attach_recipe.c ---- */

/* Before the programs are loaded: they are there only if they are needed. */
void attach_recipe_configure(struct attach *a, bool wanted);
/* Attaches in the open file. 0 or -errno; then nothing is attached. */
int attach_recipe(struct attach *a, int fd, const struct recipe_sites *sites, size_t number,
		  struct attached_recipe **out);
void attach_recipe_free(struct attach *a, struct attached_recipe *recipe);
/* For a while; NULL is fine, as in the next. */
void attach_recipe_pause(struct attached_recipe *recipe);
int attach_recipe_resume(struct attach *a, int fd, struct attached_recipe *recipe, bool partly);

/* ---- attach_state.c ---- */

/* `code` is that of all programs. */
int attach_open_state(struct attach *a, const char *dir, const void *code, size_t size, char *why);
/* The files of the state, then the programs; these are loaded by now. */
int attach_take_over(struct attach *a, char *why);
/*
 * attach_make_link() for one that stays. In place of one of another version's code (`instead`) it is
 * there before that one goes: what both see counts once.
 */
int attach_make_pinned_link(struct attach *a, int fd, const struct elfnote *note, size_t number,
			    bool instead, struct attached *file);
/* The file of this number; NULL when out of memory. Moves the others. */
struct attached *attach_slot(struct attach *a, size_t number);
/* The first that no file has: those of a state may have gone. */
size_t attach_free_number(const struct attach *a);
/* What of a file an attach depends on. */
uint64_t attach_hash(const struct elfnote *note);
/* Whether its link is as it would be made now. */
bool attach_is_right(const struct attach *a, const struct attached *file,
		     const struct elfnote *note);
/* Whether the link of a former agent is surely to the inode that this file has now. */
bool attach_is_there(const struct attached *file, int fd, const struct elfnote *note);

#endif /* ATTACH_INTERNAL_H */
