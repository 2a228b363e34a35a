/* SPDX-License-Identifier: MIT */
/*
 * recipe_sites.h - what a recipe means in a file: which instructions, and what a hit of each tells
 *
 * Nothing is guessed: a function that is not there, whose end cannot be probed, or an instruction where
 * there must be no probe is refused, and so is all of that file. The file may be hostile, as for
 * elf_image.h. Library code: does not print.
 */
#ifndef RECIPE_SITES_H
#define RECIPE_SITES_H

#include "elfnote.h"
#include "insn.h"
#include "recipe_target.h"

#define RECIPE_SITES_MAX 1024 /* of one file */
#define RECIPE_RULES_MAX 256
/* Bytes of code that are decoded for one file, as insn_walk.h counts: some seconds at most. */
#define RECIPE_WORK_MAX (16u << 20)

/* What runs when it is hit. */
enum recipe_hit {
	RECIPE_ENTER,
	RECIPE_LEAVE,        /* at a `ret` */
	RECIPE_JUMP,         /* where it ends by a jump to another function */
	RECIPE_LEAVE_RETURN, /* by a uretprobe at the entry */
	RECIPE_ALL,          /* all is there at once */
	RECIPE_HITS,
};

struct recipe_site {
	enum recipe_hit hit;
	uint32_t rule;       /* of `rules` */
	uint64_t offset;     /* in the file */
	uint64_t semaphore;  /* likewise; 0: none */
	int32_t below;       /* of the cookie */
	struct pb_source to; /* where a jump leads; a constant counts from the jump */
	enum insn_cost cost;
};

/* What a hit of it costs depends on that. */
static inline enum pb_hit recipe_site_costs(const struct recipe_site *site)
{
	if (site->hit == RECIPE_LEAVE_RETURN)
		return PB_HIT_RETURN;
	return site->cost == INSN_EMULATED ? PB_HIT_EMULATED : PB_HIT_STEPPED;
}

struct recipe_rule {
	struct pb_rule rule;
	char *function;   /* as people know it, or the probe or offset that it is of */
	uint64_t address; /* of the function, 0: it is none */
	bool by_dwarf;    /* its result is told by debug information */
	const struct recipe_where *where;
};

struct recipe_sites {
	struct recipe_site sites[RECIPE_SITES_MAX];
	size_t sites_count;
	struct recipe_rule rules[RECIPE_RULES_MAX];
	size_t rules_count;
};

/*
 * Of all targets that are this file: `note` is what elfnote_read() says of it.
 * 0, with NULL in *out where no target is; to be freed with recipe_sites_free(). -errno with one line in
 * `why`; -EKEYREJECTED: a target is this file, of another build; -ETIME: it has too many symbols, or names;
 * -E2BIG: too much of it would have to be decoded, or there are too many functions.
 */
int recipe_sites_find(const struct recipes *recipes, const struct recipe_file *file,
		      const struct elfnote *note, struct recipe_sites **out, char *why,
		      size_t why_size);
/*
 * The same, but what is wrong with one place is told, a line of `why`, and the others are looked for all the
 * same: for a check. What is found is to be probed only where nothing was told.
 */
typedef void recipe_problem_fn(const char *why, void *context);
int recipe_sites_check(const struct recipes *recipes, const struct recipe_file *file,
		       const struct elfnote *note, struct recipe_sites **out, char *why,
		       size_t why_size, recipe_problem_fn *problem, void *context);
/*
 * One line that names what returns by a uretprobe, as an exception or a panic that passes through it ends
 * the process; false: nothing does.
 */
bool recipe_sites_warn(const struct recipe_sites *sites, const char *path, char *line,
		       size_t line_size);
void recipe_sites_free(struct recipe_sites *sites);

#endif /* RECIPE_SITES_H */
