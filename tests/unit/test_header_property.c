/* SPDX-License-Identifier: MIT */
/*
 * Random schedules through pushback.h against a model that shares no code with it: the model keeps
 * the whole list of what happened and counts afterwards, by the words of the table.
 *
 * First the pure state machine at invented times, where every sum must be exact; then the calls
 * themselves with observers that come, go and arm at random, where counts must be.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine.h"
#include "seed.h"
#include "watched.h"

/* ---- The model ---- */

enum act { SUBMIT, FORWARD, POLL, ABANDON, MISS };

struct event {
	enum act act;
	int value; /* outcome, or ready */
	uint64_t at;
};

#define EVENTS 600
struct history {
	struct event event[EVENTS];
	unsigned int size;
};

enum end { STILL_OPEN, CLOSED, PARTIAL, ABANDONED };

struct episode {
	uint64_t from, to;
	enum end end;
};

struct episodes {
	struct episode episode[EVENTS];
	unsigned int size;
	uint64_t count[4], ns[4]; /* by enum end */
};

/* What an event says of a direction: '+' refused, '-' not refused, ' ' nothing. */
static char says(const struct event *e, int receive)
{
	if (e->act == POLL)
		return !receive && e->value ? '-' : ' ';
	if (e->act != (receive ? FORWARD : SUBMIT))
		return ' ';
	switch (e->value) {
	case 0:
		return '-';
	case 1:
		return '+';
	case 2:
		return receive ? '+' : ' ';
	default:
		return ' ';
	}
}

/* The episodes of a direction since the last MISS, up to `now`. */
static void find_episodes(const struct history *h, int receive, uint64_t now, struct episodes *out)
{
	unsigned int i, begin = 0;
	int unknown = 0, open = 0, partial = 0;
	struct episode *e = NULL;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < h->size; i++)
		if (h->event[i].act == MISS) {
			begin = i + 1;
			unknown = 1;
		}
	for (i = begin; i < h->size; i++) {
		char what = says(&h->event[i], receive);

		if (what == '+' && !open) {
			e = &out->episode[out->size++];
			e->from = h->event[i].at;
			partial = unknown;
			open = 1;
		} else if (open && (what == '-' || h->event[i].act == ABANDON)) {
			e->to = h->event[i].at;
			e->end = what == '-' ? (partial ? PARTIAL : CLOSED) : ABANDONED;
			open = 0;
		}
		if (what != ' ')
			unknown = 0;
	}
	if (open)
		e->to = now;
	for (i = 0; i < out->size; i++) {
		out->count[out->episode[i].end]++;
		out->ns[out->episode[i].end] += out->episode[i].to - out->episode[i].from;
	}
}

/* Time in which `send` has an episode and `receive` has none, by sets of ns: |S| - |S and R|. */
static uint64_t self_time(const struct episodes *send, const struct episodes *receive)
{
	uint64_t sum = 0;
	unsigned int i, j;

	for (i = 0; i < send->size; i++) {
		const struct episode *s = &send->episode[i];

		sum += s->to - s->from;
		for (j = 0; j < receive->size; j++) {
			const struct episode *r = &receive->episode[j];
			uint64_t from = r->from > s->from ? r->from : s->from;
			uint64_t to = r->to < s->to ? r->to : s->to;

			sum -= to > from ? to - from : 0;
		}
	}
	return sum;
}

static uint64_t count(const struct history *h, enum act act, int least, int most)
{
	unsigned int i;
	uint64_t n = 0;

	for (i = 0; i < h->size; i++)
		n += h->event[i].act == act && h->event[i].value >= least &&
		     h->event[i].value <= most;
	return n;
}

static void note(struct history *h, enum act act, int value, uint64_t at)
{
	assert_true(h->size < EVENTS);
	h->event[h->size++] = (struct event){ act, value, at };
}

static void assert_totals(const struct pushback_step *s, const struct history *h)
{
	assert_int_equal(s->accepted, count(h, SUBMIT, 0, 0));
	assert_int_equal(s->rejected, count(h, SUBMIT, 1, 1));
	assert_int_equal(s->forwarded, count(h, FORWARD, 0, 0));
	assert_int_equal(s->refused, count(h, FORWARD, 1, 2));
}

static void assert_episode_counts(const struct pushback_step *s, const struct episodes *e,
				  unsigned int direction)
{
	const struct pushback_direction *d = &s->direction[direction];

	assert_int_equal(d->closed, e->count[CLOSED]);
	assert_int_equal(d->partial, e->count[PARTIAL]);
	assert_int_equal(d->abandoned, e->count[ABANDONED]);
	assert_int_equal(d->since != 0, e->count[STILL_OPEN]);
	assert_int_equal(s->state >> direction & PUSHBACK_OPEN, e->count[STILL_OPEN]);
	assert_true(d->folded <= d->closed);
}

/* ---- The pure machine ---- */

/* What was to be told of one direction. */
struct told {
	uint64_t samples, samples_ns;
};

static void take_samples(struct pushback_step *s, struct told told[2])
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (s->state & PUSHBACK_SAMPLE << i) {
			told[i].samples++;
			told[i].samples_ns += s->direction[i].last;
		}
	s->state &= ~((PUSHBACK_SAMPLE | PUSHBACK_PARTED) * 3u);
}

static void pure_event(struct seed *seed, struct history *h, struct pushback_step *s, uint64_t now)
{
	int value = (int)seed_below(seed, 5);
	uint64_t what = seed_below(seed, 100);

	if (what < 45) {
		machine_submit(s, value, now);
		note(h, SUBMIT, value, now);
	} else if (what < 85) {
		machine_forward(s, value, now);
		note(h, FORWARD, value, now);
	} else if (what < 97) {
		machine_poll(s, value & 1, now);
		note(h, POLL, value & 1, now);
	} else if (what < 99) {
		pushback_abandon(s, now);
		note(h, ABANDON, 0, now);
	} else {
		pushback_miss_begin(s);
		note(h, MISS, 0, now);
	}
	if (seed_chance(seed, 2))
		s->state |= (s->state & PUSHBACK_OPEN_ANY) * (PUSHBACK_SHOWN / PUSHBACK_OPEN);
}

static void assert_exact(const struct pushback_step *s, const struct history *h, uint64_t now,
			 const struct told told[2])
{
	static struct episodes e[2];
	unsigned int i;

	assert_totals(s, h);
	for (i = 0; i < 2; i++) {
		const struct pushback_direction *d = &s->direction[i];

		find_episodes(h, (int)i, now, &e[i]);
		assert_episode_counts(s, &e[i], i);
		assert_int_equal(d->closed_ns, e[i].ns[CLOSED]);
		assert_int_equal(d->partial_ns, e[i].ns[PARTIAL]);
		assert_int_equal(d->abandoned_ns, e[i].ns[ABANDONED]);
		assert_int_equal(pushback_time(s, i, now), e[i].ns[STILL_OPEN] + e[i].ns[CLOSED] +
								   e[i].ns[PARTIAL] +
								   e[i].ns[ABANDONED]);
		/* A closed one is a sample or folded, never both, never neither. */
		assert_int_equal(told[i].samples + d->folded, d->closed);
		assert_int_equal(told[i].samples_ns + d->folded_ns, d->closed_ns);
	}
	assert_int_equal(pushback_self_time(s, now), self_time(&e[0], &e[1]));
}

static void pure_schedules(void **state)
{
	struct seed seed = seed_new("pure_schedules");
	static struct history h;
	int run;

	(void)state;
	for (run = 0; run < 3000; run++) {
		struct pushback_step s = PUSHBACK_STEP_INIT("pure");
		struct told told[2] = { { 0, 0 }, { 0, 0 } };
		unsigned int bits = 1 + (unsigned int)seed_below(&seed, 34);
		unsigned int length = (unsigned int)seed_below(&seed, EVENTS);
		uint64_t now = 1000000000000ull;

		h.size = 0;
		while (h.size < length) {
			now += seed_log(&seed, bits) >> 1;
			pure_event(&seed, &h, &s, now);
			if (h.event[h.size - 1].act == MISS)
				memset(told, 0, sizeof(told));
			take_samples(&s, told);
			if (seed_chance(&seed, 2))
				assert_exact(&s, &h, now, told);
		}
		now += seed_log(&seed, bits);
		assert_exact(&s, &h, now, told);
	}
}

/* ---- The calls, watched now and then ---- */

#define STEPS 4
struct live {
	struct pushback_step step;
	struct history h; /* of this instance, from the first watched return on */
	int called;       /* this instance, ever */
	int seen;         /* in this watch */
	uint64_t instance;
};

struct world {
	struct seed seed;
	struct live live[STEPS];
	int semaphore;
	unsigned int armed;
	uint64_t clock;
	unsigned int checked;
};

static void new_instance(struct live *l)
{
	l->h.size = 0;
	l->called = l->seen = 0;
}

/* The struct must say what the model says; times only that they are sane. */
static void assert_live(const struct world *w, const struct pushback_step *s, const struct live *l)
{
	static struct episodes e;
	unsigned int i;

	assert_int_equal(s->magic, PUSHBACK_STEP_MAGIC);
	if (s->instance)
		assert_totals(s, &l->h);
	for (i = 0; i < 2 && l->seen; i++) {
		find_episodes(&l->h, (int)i, w->clock, &e);
		assert_episode_counts(s, &e, i);
		assert_true(pushback_time(s, i, observer_now()) <= observer_now() - s->watch_since);
	}
}

/* Exactly the fires since the last return: of that step, and as the struct is now. */
static void check_fires(struct world *w, struct live *l, unsigned int most)
{
	const struct observer_fire *fire = observer_fires;

	assert_true(observer_count <= most);
	if (observer_count) {
		assert_ptr_equal(fire->place, &l->step);
		assert_live(w, &fire->step, l);
		assert_true(fire->step.instance != 0);
		w->checked++;
	}
	observer_forget();
}

static void one_return(struct world *w, struct live *l)
{
	static const enum act acts[] = { SUBMIT, SUBMIT, SUBMIT, FORWARD, FORWARD, POLL };
	enum act act = acts[seed_below(&w->seed, 6)];
	int value = (int)seed_below(&w->seed, act == POLL ? 2 : 4);
	unsigned int edge, before = l->step.state;

	if (!w->semaphore) {
		l->seen = 0;
		l->called = 1;
	} else {
		if (!l->seen && l->called)
			note(&l->h, MISS, 0, 0);
		l->called = l->seen = 1;
		note(&l->h, act, value, ++w->clock);
	}
	if (act == SUBMIT)
		pushback_submit_return(&l->step, value);
	else if (act == FORWARD)
		pushback_forward_return(&l->step, value);
	else
		pushback_poll_return(&l->step, value);
	if (!w->semaphore)
		before = l->step.state;
	/* The first edge of a cycle that fires is told at once. */
	edge = (before ^ l->step.state) & PUSHBACK_OPEN_ANY;
	if (w->semaphore && w->armed == OBSERVER_ALL && edge && l->step.edges == 1 &&
	    l->step.state & PUSHBACK_CYCLE_FIRED)
		assert_int_equal(observer_count, 1);
	if (!w->semaphore || !w->armed)
		assert_int_equal(observer_count, 0);
	check_fires(w, l, 1);
}

static void one_end(struct world *w, struct live *l)
{
	if (w->semaphore && l->seen)
		note(&l->h, ABANDON, 0, ++w->clock);
	if (seed_chance(&w->seed, 50))
		pushback_step_init(&l->step, "again"); /* at the same place, without an end */
	else
		pushback_step_end(&l->step);
	if (!w->semaphore || !l->seen || !w->armed)
		assert_int_equal(observer_count, 0);
	else
		assert_int_equal(observer_count, 1);
	check_fires(w, l, 1);
	assert_int_equal(l->step.epoch, PUSHBACK_EPOCH_FRESH);
	new_instance(l);
}

/* An observer comes, goes, or gets its breakpoints. */
static void one_observer(struct world *w)
{
	switch (seed_below(&w->seed, 4)) {
	case 0:
		observer_raise(1);
		w->semaphore++;
		break;
	case 1:
		if (!w->semaphore)
			break;
		observer_raise(-1);
		if (--w->semaphore)
			break;
		observer_arm(0);
		w->armed = 0;
		break;
	default:
		if (!w->semaphore)
			break;
		w->armed = seed_chance(&w->seed, 70) ? OBSERVER_ALL
						     : (unsigned int)seed_below(&w->seed, 16);
		observer_arm(w->armed);
		break;
	}
}

static void run(struct world *w, unsigned int length);

/* The child: all that it inherited is missed; then it goes on as its parent does. */
static void fork_and_go_on(struct world *w)
{
	int status, i;
	pid_t child = fork();

	if (child == 0) {
		for (i = 0; i < STEPS; i++)
			w->live[i].seen = 0;
		w->seed.state ^= 1;
		run(w, 60);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* A failed assertion in the child ends it elsewhere; its message is on stderr. */
	assert_int_equal(status, 0);
}

static int in_child;

static void run(struct world *w, unsigned int length)
{
	while (length--) {
		struct live *l = &w->live[seed_below(&w->seed, STEPS)];
		uint64_t what = seed_below(&w->seed, 1000);

		if (what < 930) {
			one_return(w, l);
		} else if (what < 945 || l->h.size > EVENTS - 8) {
			one_end(w, l);
		} else if (what < 995) {
			one_observer(w);
		} else if (!in_child) {
			in_child = 1;
			fork_and_go_on(w);
			in_child = 0;
		}
		assert_live(w, &l->step, l);
	}
}

static void live_schedules(void **state)
{
	static struct world w;
	int i, schedule;

	(void)state;
	w.seed = seed_new("live_schedules");
	for (schedule = 0; schedule < 30; schedule++) {
		for (i = 0; i < STEPS; i++) {
			pushback_step_init(&w.live[i].step, "live");
			new_instance(&w.live[i]);
		}
		run(&w, 1000);
		observer_arm(0);
		pushback_semaphore = 0;
		w.semaphore = 0;
		w.armed = 0;
	}
	assert_true(w.checked > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pure_schedules),
		TEST(live_schedules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
