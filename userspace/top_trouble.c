/* SPDX-License-Identifier: MIT */
/* top_trouble.c - the order in which consumers are shown: those in most trouble first */
#include <stdlib.h>
#include <string.h>

#include "top_rows.h"

/* Order by trouble: what differs by less stays where it is, or rows would jump at each refresh. */
#define TROUBLE_STEP 0.05

unsigned int top_kind_trouble(enum verdict_kind kind)
{
	switch (kind) {
	case VERDICT_BOTTLENECK:
	case VERDICT_UNCLEAR:
	case VERDICT_BEHIND:
	case VERDICT_STOPPED:
		return 2;
	case VERDICT_BUSIEST:
		return 1;
	default:
		return 0;
	}
}

static unsigned int trouble(const struct top_consumer *c)
{
	unsigned int rank = (unsigned int)(c->some[MODEL_AVG10] / TROUBLE_STEP);

	return rank * 4 + top_kind_trouble(c->kind);
}

static int by_trouble(const void *left, const void *right)
{
	const struct top_consumer *a = left, *b = right;
	unsigned int x = trouble(a), y = trouble(b);

	if (x != y)
		return x > y ? -1 : 1;
	if (a->process.tgid != b->process.tgid)
		return a->process.tgid < b->process.tgid ? -1 : 1;
	return a->instance < b->instance ? -1 : a->instance > b->instance;
}

void top_snapshot_sort(struct top_snapshot *s, struct top_step *scratch)
{
	size_t at = 0;

	if (!s->consumer_count)
		return;
	qsort(s->consumers, s->consumer_count, sizeof(*s->consumers), by_trouble);
	memcpy(scratch, s->steps, s->step_count * sizeof(*scratch));
	for (size_t i = 0; i < s->consumer_count; i++) {
		struct top_consumer *c = &s->consumers[i];

		memcpy(s->steps + at, scratch + c->first, c->count * sizeof(*scratch));
		c->first = at;
		for (; at < c->first + c->count; at++)
			s->steps[at].consumer = i;
	}
}
