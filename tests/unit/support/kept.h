/* SPDX-License-Identifier: MIT */
/* kept.h - what was saved, read again whole or spoilt, for tests */
#ifndef KEPT_H
#define KEPT_H

#include <stdlib.h>
#include <string.h>

#include "keep.h"

/* The only section of what was written; in the writer's memory, which is finished by this. */
static inline struct keep_reader kept(struct keep_writer *w)
{
	struct keep_reader all, section = { .failed = true };

	if (!keep_finish(w) && !keep_open(&all, w->data, w->size))
		keep_find(&all, "test", &section);
	return section;
}

/*
 * Has `load` read it with a few bytes changed at random, and cut off, many times over: it says what is
 * wrong or takes what it finds, and no more.
 */
static inline void load_spoilt(const struct keep_reader *good,
			       void (*load)(struct keep_reader *r, void *context), void *context)
{
	unsigned int seed = 1;

	/* It was not kept. */
	if (!good->size)
		abort();
	for (int i = 0; i < 2000; i++) {
		struct keep_reader r = { .size = good->size };
		/* Of just this size, so that who reads beyond it is found out. */
		unsigned char *bytes = malloc(good->size);

		if (!bytes)
			abort();
		memcpy(bytes, good->data, good->size);
		for (int k = rand_r(&seed) % 4; k >= 0; k--)
			bytes[(size_t)rand_r(&seed) % good->size] ^= 1 << rand_r(&seed) % 8;
		if (i % 2)
			r.size = (size_t)rand_r(&seed) % good->size;
		r.data = bytes + (good->size - r.size);
		memmove(bytes + (good->size - r.size), bytes, r.size);
		load(&r, context);
		free(bytes);
	}
}

#endif /* KEPT_H */
