/* SPDX-License-Identifier: MIT */
/* closes.h - episodes that have ended, one by one, as the kernel tells */
#ifndef CLOSES_H
#define CLOSES_H

#include "attach.h"
#include "pushback_abi.h"

struct closes;

/* `maps` are the attach's, with closes. NULL when out of memory. */
struct closes *closes_new(const struct attach_maps *maps);
/* NULL is fine, as in all that follow: then there are none. */
void closes_free(struct closes *c);

/* Readable where there are many; there may be some in any case. -1 of NULL. */
int closes_fd(const struct closes *c);
/*
 * Calls `fn` for each until it returns non-zero, which takes that one and leaves the rest. After many the rest
 * is left, too: closes_fd() stays readable.
 */
void closes_take(struct closes *c, int (*fn)(const struct pb_close *close, void *context),
		 void *context);
/* How many were left out so far because nobody took those before. */
uint64_t closes_untold(const struct closes *c);
/* The step is no more, and may have said nothing at its end. */
void closes_forget(struct closes *c, const struct pb_step_key *key);

#endif /* CLOSES_H */
