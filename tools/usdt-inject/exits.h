/* SPDX-License-Identifier: MIT */
/*
 * exits.h - how a function is left: what its return instructions do not see, and must be said
 */
#ifndef EXITS_H
#define EXITS_H

#include "functions.h"
#include "insn_walk.h"

struct exits {
	size_t returns;
	size_t tail_calls; /* jumps to other code */
	size_t unclear;    /* jumps through a register or memory: a table or a tail call */
	char first[128];   /* where the first tail call goes */
	bool is_nameless;  /* that has no name: it may as well be a part of this function */
};

void exits_find(struct exits *exits, const struct insn_parts *parts,
		const struct functions *functions);

/* "2 returns; not covered: 1 tail call (to flush)"; false: everything is covered. */
bool exits_text(const struct exits *exits, char *out, size_t size);

#endif /* EXITS_H */
