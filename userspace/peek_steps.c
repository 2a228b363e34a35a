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
#define BATCH      256         /* steps that are looked at together */
#define ROOM       (144 << 10) /* for them and what lies between; of an array all */
#define PAGE       4096        /* or more; of 4096 bytes it is sure that they are there together */

/* One that is looked at. */
struct slot {
	struct peek_step *step;
	struct ask *ask;
	size_t at; /* in what was read for it */
	const struct pushback_step *before;
	struct pushback_step seen;
};

/* Of one process, in one go: its request has as much as there is memory for, or nothing. */
struct ask {
	size_t steps, size;
};

struct peeker {
	struct slot slots[BATCH];
	struct slot *left[BATCH];  /* that need another look */
	struct slot *alone[BATCH]; /* that need one by themselves */
	size_t left_count, alone_count;
	struct iovec runs[BATCH];
	struct peek_request requests[BATCH];
	struct ask asks[BATCH]; /* one for each request */
	size_t asks_count, runs_count, bytes;
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

/* Whether all is said of it. If not it is to be looked at once more, and compared with what is seen now. */
static bool judge(struct slot *slot, const char *found)
{
	struct peek_step *p = slot->step;
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
	if (same_episodes(slot->before, &now) && !in_mid_edge(&now)) {
		memcpy(p->step, &now, STATE_SIZE);
		return true;
	}
	p->result = -EAGAIN;
	memcpy(&slot->seen, &now, STATE_SIZE);
	slot->before = &slot->seen;
	return false;
}

/* What lies between is of an array of steps, or on the same page: it is there as they are. */
static bool is_near(const struct iovec *run, uint64_t place)
{
	uint64_t begin = (uint64_t)(uintptr_t)run->iov_base, end = begin + run->iov_len;

	return place >= end && (place - end <= PUSHBACK_NAME_SIZE ||
				(place + STATE_SIZE - 1) / PAGE == begin / PAGE);
}

static void begin_plan(struct peeker *p)
{
	p->asks_count = p->runs_count = p->bytes = 0;
}

/* With the one before, if that is of the same process. */
static struct ask *ask_of(struct peeker *p, pid_t pid, bool each)
{
	size_t n = p->asks_count;

	if (n && !each && p->requests[n - 1].pid == pid)
		return &p->asks[n - 1];
	p->asks[n] = (struct ask){ 0 };
	p->requests[n] = (struct peek_request){ .pid = pid, .from = &p->runs[p->runs_count] };
	p->asks_count++;
	return &p->asks[n];
}

/* Behind what its request has so far; how many bytes lie between, which are read as well. */
static size_t extend(struct peeker *p, struct ask *ask, uint64_t place)
{
	struct iovec *run = ask->steps ? &p->runs[p->runs_count - 1] : NULL;
	size_t gap = 0;

	if (run && is_near(run, place)) {
		gap = place - (uint64_t)(uintptr_t)run->iov_base - run->iov_len;
	} else {
		run = &p->runs[p->runs_count++];
		*run = (struct iovec){ (void *)(uintptr_t)place, 0 };
		p->requests[ask - p->asks].from_count++;
	}
	run->iov_len += gap + STATE_SIZE;
	return gap;
}

/* How many of them there is room for. */
static size_t plan(struct peeker *p, struct slot *const *slots, size_t count, bool each)
{
	size_t n;

	begin_plan(p);
	for (n = 0; n < count && p->bytes + PAGE + STATE_SIZE <= ROOM; n++) {
		struct slot *slot = slots[n];
		struct ask *ask = ask_of(p, slot->step->pid, each);
		size_t gap = extend(p, ask, slot->step->place);

		slot->ask = ask;
		slot->at = ask->size + gap;
		ask->size += gap + STATE_SIZE;
		ask->steps++;
		p->bytes += gap + STATE_SIZE;
	}
	return n;
}

static bool is_of_process(ssize_t err)
{
	return err == -ESRCH || err == -EPERM || err == -EAGAIN;
}

/* Where one's memory is gone the others of its process are there all the same. */
static void take(struct peeker *p, struct slot *slot)
{
	const struct peek_request *r = &p->requests[slot->ask - p->asks];

	if (r->result == (ssize_t)slot->ask->size) {
		if (!judge(slot, r->found + slot->at))
			p->left[p->left_count++] = slot;
	} else if (is_of_process(r->result) || slot->ask->steps == 1) {
		slot->step->result = r->result < 0 ? (int)r->result : -EFAULT;
		slot->step->same = false;
	} else {
		p->alone[p->alone_count++] = slot;
	}
}

static void look(struct peeker *p, struct slot *const *slots, size_t count, bool each)
{
	for (size_t done = 0, n; done < count; done += n) {
		n = plan(p, &slots[done], count - done, each);
		peek_all(p->requests, p->asks_count);
		for (size_t i = 0; i < n; i++)
			take(p, slots[done + i]);
	}
}

/* At all that are left; those of them that need another look stay. */
static void look_at_left(struct peeker *p)
{
	size_t count = p->left_count;

	/* No more are put into it than were taken from it. */
	p->left_count = p->alone_count = 0;
	look(p, p->left, count, false);
	look(p, p->alone, p->alone_count, true);
}

void peek_steps(struct peeker *p, struct peek_step *steps, size_t count)
{
	for (size_t done = 0; done < count;) {
		for (p->left_count = 0; p->left_count < BATCH && done < count; done++) {
			struct slot *slot = &p->slots[p->left_count];

			slot->step = &steps[done];
			slot->before = steps[done].step;
			p->left[p->left_count++] = slot;
		}
		for (int i = 0; p->left_count && i < LOOKS; i++)
			look_at_left(p);
	}
}
