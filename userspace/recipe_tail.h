/* SPDX-License-Identifier: MIT */
/*
 * recipe_tail.h - functions that end by a jump to another one, which returns in their name
 *
 * Each of those jumps is probed. Where it leads is known there, so that what is entered next, from the same
 * place on the stack, is known to be it, and what that returns to be the result. To be followed, it has to be
 * probed itself: where the jump says which one it is that is looked at beforehand, where a register does
 * (a virtual call) a call that went elsewhere is lost, as return_unmatched.
 */
#ifndef RECIPE_TAIL_H
#define RECIPE_TAIL_H

#include "recipe_internal.h"

/* Adds its returns and its jumps. 0; -ENOTSUP: one of them cannot be followed; -errno as the others. */
int recipe_tail_add(struct recipe_search *s, int rule, const struct insn_code *code);

/* Once all is found: whether what they say that they jump to is there. */
int recipe_tail_check(struct recipe_search *s);

#endif /* RECIPE_TAIL_H */
