/* SPDX-License-Identifier: MIT */
/*
 * Several words of a step belong together, and it may be driven while it is read. They do where it is
 * read twice, one after the other, and is alike in both: it has not changed in between. The first of
 * the two may be the kernel's copy of its last event, since all that changes in an episode only grows;
 * so of a step without news one look is enough.
 */
#include "peek.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS      8
#define STATE_SIZE offsetof(struct pushback_step, name)
#define BATCH      256       /* steps that are looked at together */
#define ROOM       (1 << 16) /* for them and what lies between */
#define PAGE       4096      /* or more; of 4096 bytes it is sure that they are there together */

struct peeker {
	struct iovec runs[BATCH];
	const char *found[BATCH]; /* in `room`, of each step that is looked at */
	struct peek_step *asked[BATCH];
	struct pushback_step before[BATCH];
	char room[ROOM];
};

struct peeker *peeker_new(void)
{
	return malloc(sizeof(struct peeker));
}

void peeker_free(struct peeker *p)
{
	free(p);
}

/* A thread is between two of an edge's stores: the bit and the time do not agree. */
static bool in_mid_edge(const struct pushback_step *s)
{
	return !(s->state & PUSHBACK_OPEN) != !s->direction[PUSHBACK_SEND].since ||
	       !(s->state & PUSHBACK_OPEN << 1) != !s->direction[PUSHBACK_RECEIVE].since;
}

/* Counts may move on between two looks, episodes may not. */
static bool same_episodes(const struct pushback_step *a, const struct pushback_step *b)
{
	return a->state == b->state && a->self_ns == b->self_ns && a->self_since == b->self_since &&
	       a->epoch == b->epoch && a->watch_since == b->watch_since &&
	       !memcmp(a->direction, b->direction, sizeof(a->direction));
}

static bool is_same_step(const struct pushback_step *s, const struct pushback_step *known)
{
	return s->magic == PUSHBACK_STEP_MAGIC && s->version == known->version &&
	       s->instance == known->instance;
}

/* Most steps of a host are idle most of the time: of these it is all that is done. */
static bool is_as_known(const struct peek_step *p, const char *found)
{
	return !memcmp(found, p->step, STATE_SIZE) && !in_mid_edge(p->step);
}

/* Whether all is said of it. If not it is to be looked at once more, and compared with `*seen`. */
static bool judge(struct peek_step *p, const char *found, const struct pushback_step *before,
		  struct pushback_step *seen)
{
	struct pushback_step now;

	p->result = 0;
	p->same = is_as_known(p, found);
	if (p->same)
		return true;
	memcpy(&now, found, STATE_SIZE);
	if (!is_same_step(&now, p->step))
		p->result = -ENOENT;
	else if (now.epoch != p->step->epoch || now.watch_since != p->step->watch_since)
		p->result = -EAGAIN;
	if (p->result)
		return true;
	if (same_episodes(before, &now) && !in_mid_edge(&now)) {
		memcpy(p->step, &now, STATE_SIZE);
		return true;
	}
	p->result = -EAGAIN;
	memcpy(seen, &now, STATE_SIZE);
	return false;
}

/* What lies between is of an array of steps, or on the same page: it is there as they are. */
static bool is_near(const struct iovec *run, uint64_t place)
{
	uint64_t begin = (uint64_t)(uintptr_t)run->iov_base, end = begin + run->iov_len;

	return place >= end && (place - end <= PUSHBACK_NAME_SIZE ||
				(place + STATE_SIZE - 1) / PAGE == begin / PAGE);
}

/* As many of `asked` as there is room for; how many, and in how many bytes of how many runs. */
static size_t plan(struct peeker *p, struct peek_step *const *asked, size_t count, size_t *bytes,
		   size_t *runs)
{
	size_t n;

	*bytes = *runs = 0;
	for (n = 0; n < count; n++) {
		uint64_t place = asked[n]->place;
		struct iovec *run = *runs ? &p->runs[*runs - 1] : NULL;
		size_t gap = 0;

		if (run && is_near(run, place))
			gap = place - (uint64_t)(uintptr_t)run->iov_base - run->iov_len;
		else
			run = NULL;
		if (*bytes + gap + STATE_SIZE > ROOM)
			break;
		if (!run)
			p->runs[(*runs)++] = (struct iovec){ (void *)(uintptr_t)place, 0 };
		p->runs[*runs - 1].iov_len += gap + STATE_SIZE;
		p->found[n] = p->room + *bytes + gap;
		*bytes += gap + STATE_SIZE;
	}
	return n;
}

/* One look at each of `asked`, or at as many as there is room for. -errno where not all is there. */
static int look(struct peeker *p, pid_t pid, struct peek_step *const *asked, size_t *count)
{
	size_t bytes, runs;
	ssize_t n;

	*count = plan(p, asked, *count, &bytes, &runs);
	n = peek(pid, &(struct iovec){ p->room, bytes }, 1, p->runs, runs);
	if (n < 0)
		return (int)n;
	return n == (ssize_t)bytes ? 0 : -EFAULT;
}

static bool is_of_process(int err)
{
	return err == -ESRCH || err == -EPERM;
}

static void fail(struct peek_step *const *asked, size_t count, int err)
{
	for (size_t i = 0; i < count; i++)
		asked[i]->result = err;
}

/*
 * A look at all that are `asked`; those that need another one stay, with what was seen. How many.
 * Where one's memory is gone each is looked at by itself.
 */
static size_t look_at_all(struct peeker *p, pid_t pid, size_t asked, bool first)
{
	size_t left = 0, done, count, most = asked;

	for (done = 0; done < asked; done += count) {
		int err;

		count = asked - done < most ? asked - done : most;
		err = look(p, pid, &p->asked[done], &count);
		if (err && !is_of_process(err) && count > 1) {
			most = 1;
			count = 0;
			continue;
		}
		if (err)
			fail(&p->asked[done], count, err);
		for (size_t i = 0; !err && i < count; i++) {
			struct peek_step *step = p->asked[done + i];

			if (judge(step, p->found[i], first ? step->step : &p->before[done + i],
				  &p->before[left]))
				continue;
			p->asked[left++] = step;
		}
	}
	return left;
}

void peek_steps(struct peeker *p, pid_t pid, struct peek_step *steps, size_t count)
{
	for (size_t done = 0; done < count;) {
		size_t asked, i;

		for (asked = 0; asked < BATCH && done < count; asked++, done++)
			p->asked[asked] = &steps[done];
		for (i = 0; asked && i < LOOKS; i++)
			asked = look_at_all(p, pid, asked, i == 0);
	}
}
