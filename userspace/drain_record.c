/* SPDX-License-Identifier: MIT */
#include "drain_record.h"

#include <string.h>

/* Clocks are read here and there, and a drain takes its time. */
#define BLUR_NS 10000000000ull

static uint64_t since_base(uint64_t now, uint64_t base)
{
	return (int64_t)(now - base) > 0 ? now - base : 0;
}

/*
 * Up to when what is open is known to be. An event may show a direction open whose end it does not
 * promise to tell (PUSHBACK_SHOWN): that is known up to the event only.
 */
static bool is_sure(const struct pb_step *e, int direction, bool fresh)
{
	return fresh || e->now.state & PUSHBACK_SHOWN << direction;
}

static uint64_t known_until(const struct pb_step *e, int direction, uint64_t now, bool fresh)
{
	return is_sure(e, direction, fresh) ? now : e->event_ns;
}

static void count_direction(struct record *r, const struct pb_step *e, int direction, uint64_t now,
			    bool fresh)
{
	const struct pushback_direction *d = &e->now.direction[direction];
	bool receive = direction == PUSHBACK_RECEIVE;
	uint64_t closed = since_base(d->closed, e->base.direction[direction].closed);
	uint64_t *counter = r->counter;
	uint64_t rest = d->closed - e->sampled[direction];

	now = known_until(e, direction, now, fresh);
	counter[receive ? COUNTER_RECEIVE_TIME : COUNTER_SEND_TIME] =
		since_base(pushback_time(&e->now, (unsigned int)direction, now),
			   e->base.direction[direction].time_ns);
	counter[receive ? COUNTER_RECEIVE_EPISODES : COUNTER_SEND_EPISODES] = closed;
	counter[receive ? COUNTER_RECEIVE_ABANDONED : COUNTER_SEND_ABANDONED] =
		since_base(d->abandoned, e->base.direction[direction].abandoned);
	counter[receive ? COUNTER_RECEIVE_PARTIAL : COUNTER_SEND_PARTIAL] =
		since_base(d->partial, e->base.direction[direction].partial);
	counter[receive ? COUNTER_RECEIVE_FOLDED : COUNTER_SEND_FOLDED] =
		since_base(d->folded, e->base.direction[direction].folded);
	r->since[direction] = d->since;
	r->open_sure[direction] = is_sure(e, direction, fresh);
	r->open_partial[direction] = e->now.state & PUSHBACK_PARTIAL << direction;
	r->rest_ns[direction] = 0;
	if ((int64_t)rest > 0)
		r->rest_ns[direction] = since_base(d->closed_ns, e->sampled_ns[direction]) / rest;
}

/*
 * No step is in backpressure for longer than it was watched, nor does it count more than once a ns.
 * What it says beyond would stay in the sums that it shares with others of its name.
 */
static bool cut(struct record *r, uint64_t watched_ns)
{
	bool good = true;
	int i;

	for (i = 0; i < COUNTERS; i++) {
		if (r->counter[i] <= watched_ns + BLUR_NS)
			continue;
		r->counter[i] = watched_ns + BLUR_NS;
		good = false;
	}
	return good;
}

static void fill_next(struct record *r, const struct pb_step *e)
{
	for (int i = 0; i < PB_MAX_NEXT; i++) {
		r->next[i].place = e->next[i].place;
		r->next[i].refusals = e->next[i].refusals;
	}
}

bool drain_record(struct record *r, const struct pb_step *e, uint64_t now, bool fresh)
{
	r->place = e->place;
	fill_next(r, e);
	r->partly = e->flags & PB_STEP_PARTLY;
	r->marks = e->now.state & PUSHBACK_MARKS;
	r->depth = (uint32_t)e->now.depth;
	r->capacity = (uint32_t)(e->now.depth >> 32);
	r->cgroup_id = e->cgroup_id;
	r->events = e->events;
	r->begun = e->seen_ns;
	r->ended = e->dead_ns;
	r->watched = e->now.watch_since;
	r->self_since = e->now.self_since;
	r->counter[COUNTER_SEND] = since_base(e->now.rejected, e->base.rejected);
	r->counter[COUNTER_RECEIVE] = since_base(e->now.refused, e->base.refused);
	r->counter[COUNTER_ACCEPTED] = since_base(e->now.accepted, e->base.accepted);
	r->counter[COUNTER_FORWARDED] = since_base(e->now.forwarded, e->base.forwarded);
	r->counter[COUNTER_SEND_SELF_TIME] =
		since_base(pushback_self_time(&e->now, known_until(e, PUSHBACK_SEND, now, fresh)),
			   e->base.self_ns);
	count_direction(r, e, PUSHBACK_SEND, now, fresh);
	count_direction(r, e, PUSHBACK_RECEIVE, now, fresh);
	memcpy(r->name, e->now.name, sizeof(r->name));
	r->name[sizeof(r->name) - 1] = '\0';
	memcpy(r->process, e->comm, sizeof(r->process));
	r->process[sizeof(r->process) - 1] = '\0';
	return cut(r, since_base(now, e->seen_ns));
}
