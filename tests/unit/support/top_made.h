/* SPDX-License-Identifier: MIT */
/* top_made.h - snapshots as the model would give them, for tests */
#ifndef TOP_MADE_H
#define TOP_MADE_H

#include <stdio.h>
#include <string.h>

#include "top_rows.h"

#define MADE_STEPS_MAX 2048

struct made {
	struct top_snapshot s;
	struct top_consumer consumers[256];
	struct top_step steps[MADE_STEPS_MAX];
};

static inline void made_begin(struct made *m)
{
	memset(m, 0, sizeof(*m));
	m->s = (struct top_snapshot){
		.now = 1000000000000, .any_ever = true, .consumers = m->consumers, .steps = m->steps
	};
}

static inline struct top_consumer *made_consumer(struct made *m, uint32_t pid, const char *name)
{
	struct top_consumer *c = &m->consumers[m->s.consumer_count++];

	c->kind = VERDICT_FLOWING;
	c->pressed = true;
	c->process = (struct pb_process_key){ .tgid = pid, .start_time = 7 };
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->verdict, sizeof(c->verdict), "sink is the bottleneck");
	c->first = m->s.step_count;
	c->merged = 1;
	return c;
}

/* The next step of the consumer that was made last. */
static inline struct top_step *made_step(struct made *m, const char *name)
{
	struct top_step *step = &m->steps[m->s.step_count];
	struct top_consumer *c = &m->consumers[m->s.consumer_count - 1];

	step->key = (struct pb_step_key){ .process = c->process, .instance = c->count + 1 };
	step->series = ++m->s.step_count;
	snprintf(step->name, sizeof(step->name), "%s", name);
	memcpy(step->process, c->name, sizeof(step->process));
	step->state = TOP_FLOWING;
	step->judged = true;
	step->level = c->count++;
	step->consumer = m->s.consumer_count - 1;
	step->merged = step->sharing = 1;
	return step;
}

#endif /* TOP_MADE_H */
