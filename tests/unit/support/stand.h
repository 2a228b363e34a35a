/* SPDX-License-Identifier: MIT */
/* stand.h - a model of one process whose steps are drained and sampled as a test sets them */
#ifndef STAND_H
#define STAND_H

#include "pipeline.h"

#define TICK        (50 * MS) /* between two samples */
#define STAND_STEPS 8

struct stand {
	struct model *m;
	uint64_t now;
	struct record r[STAND_STEPS + 1]; /* by instance, from 1 on, at their places */
	struct model_mark mark[STAND_STEPS + 1];
	int count; /* of them are there */
};

static inline int stand_setup(void **state, int count)
{
	static struct stand stand;

	stand = (struct stand){ .now = START, .count = count };
	for (uint64_t i = 1; i <= STAND_STEPS; i++)
		stand.r[i] = placed(1, i);
	*state = &stand;
	return begun_setup((void **)&stand.m);
}

static inline int stand_teardown(void **state)
{
	model_free(((struct stand *)*state)->m);
	return 0;
}

static inline void stand_drain(struct stand *s)
{
	drain_all(s->m, s->now, &s->r[1], (size_t)s->count);
}

/* `ticks` samples of the marks as they are. */
static inline void stand_samples(struct stand *s, int ticks)
{
	for (int i = 0; i < ticks; i++) {
		s->now += TICK;
		model_sample_begin(s->m, s->now);
		for (int k = 1; k <= s->count; k++)
			model_sample(s->m, &s->r[k].key, &s->mark[k]);
		model_sample_end(s->m);
	}
}

#endif /* STAND_H */
