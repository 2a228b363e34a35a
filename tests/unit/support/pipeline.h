/* SPDX-License-Identifier: MIT */
/* pipeline.h - records with places and edges, and their drains, for tests */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdio.h>

#include "begun.h"

/* Steps have places of their own; 0 is none. */
#define PLACE(instance) (0x1000 * (uint64_t)(instance))

/* Step `instance` of process `tgid`, at its place; its name is "s" and the instance. */
static inline struct record placed(uint32_t tgid, uint64_t instance)
{
	char name[24];
	struct record r;

	snprintf(name, sizeof(name), "s%llu", (unsigned long long)instance);
	r = record_of(tgid, instance, name);
	r.place = PLACE(instance);
	return r;
}

/* `from` hands on to the step at `place`. */
static inline void hands_on(struct record *from, uint64_t place, uint64_t refusals)
{
	int i = 0;

	while (i < PB_MAX_NEXT && from->next[i].place)
		i++;
	assert_true(i < PB_MAX_NEXT);
	from->next[i].place = place;
	from->next[i].refusals = refusals;
}

static inline const struct consumer_view *consumer_at(const struct model *m, size_t i)
{
	size_t count;
	const struct consumer_view *consumers = model_consumers(m, &count);

	assert_true(i < count);
	return &consumers[i];
}

static inline size_t consumer_count(const struct model *m)
{
	size_t count;

	model_consumers(m, &count);
	return count;
}

/* The living step with this instance number, of whatever process; fails if there is none. */
static inline const struct step_view *step_numbered(const struct model *m, uint64_t instance)
{
	size_t count;
	const struct step_view *views = model_steps(m, &count);

	for (size_t i = 0; i < count; i++)
		if (views[i].record->key.instance == instance)
			return &views[i];
	fail_msg("no step %llu", (unsigned long long)instance);
	return NULL;
}

/* One sample of `count` steps. */
struct sampled {
	const struct record *record;
	struct model_mark mark;
};
static inline void sample(struct model *m, uint64_t now, const struct sampled *steps, size_t count)
{
	model_sample_begin(m, now);
	for (size_t i = 0; i < count; i++)
		model_sample(m, &steps[i].record->key, &steps[i].mark);
	model_sample_end(m);
}

#endif /* PIPELINE_H */
