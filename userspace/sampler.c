/* SPDX-License-Identifier: MIT */
#include "sampler.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "cpu_time.h"
#include "peek.h"
#include "reader.h"

#define PERIOD_NS 50000000ull
/*
 * Thousands of steps take their time: at most this part of a core. But two a second, so they are never
 * more than a second apart: what is longer is not known.
 */
#define PART           400
#define PERIOD_MOST_NS 500000000ull
#define BATCH          512  /* steps that one call reads: IOV_MAX is for them and what is between */
#define PAGE           4096 /* or more; of 4096 bytes it is sure that they are there together */
#define GONE_MOST      4
/* Who has had no CPU for so long is at rest. */
#define REST_NS 1000000000ull

/* What is read of a step, in one piece. */
struct piece {
	uint32_t state;
	uint32_t countdown;
	uint64_t inside;
	uint64_t instance;
};
#define PIECE_AT offsetof(struct pushback_step, state)
_Static_assert(offsetof(struct pushback_step, inside) == PIECE_AT + offsetof(struct piece, inside),
	       "a piece of struct pushback_step");
_Static_assert(offsetof(struct pushback_step, instance) ==
		       PIECE_AT + offsetof(struct piece, instance),
	       "a piece of struct pushback_step");

struct target {
	struct pb_step_key key;
	uint64_t place;
	/* The first one of a process has what is known of that. */
	uint64_t cpu; /* what it had had; 0: nothing is known */
	uint64_t since;
	bool rests; /* what was read of it the last time is good still */
};

/* A look at all of them, in a reader's thread: all that it needs. */
struct pass {
	struct reader_job reader;
	struct target *targets; /* those of a process together, by place */
	struct piece *pieces;   /* of each what was read; 0 */
	size_t count, capacity;
	uint64_t used; /* of the thread's CPU */
	struct iovec to[2 * BATCH], from[BATCH];
	size_t steps[BATCH]; /* in each of `from` */
	char between[PAGE];
};

struct sampler {
	struct pass *pass;
	bool in_order;
	size_t had;     /* targets before sampler_begin() */
	bool changed;   /* they are not the same as those */
	uint64_t until; /* the end of the period that the next sample is for */
	uint64_t due;   /* somewhere in it */
	uint64_t dice;
};

static void read_all(struct reader_job *job);

static void release(struct reader_job *job)
{
	struct pass *p = (struct pass *)job;

	free(p->targets);
	free(p->pieces);
	free(p);
}

static struct pass *pass_new(void)
{
	struct pass *p = calloc(1, sizeof(*p));

	if (p)
		p->reader = (struct reader_job){ .run = read_all, .release = release };
	return p;
}

struct sampler *sampler_new(void)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (s)
		s->pass = pass_new();
	if (s && s->pass)
		return s;
	free(s);
	return NULL;
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	if (s->pass)
		release(&s->pass->reader);
	free(s);
}

void sampler_begin(struct sampler *s)
{
	if (!s->pass)
		s->pass = pass_new();
	s->had = s->pass ? s->pass->count : 0;
	if (s->pass)
		s->pass->count = 0;
	s->in_order = true;
	s->changed = false;
}

static bool is_same(const struct target *target, const struct record *record)
{
	return target->place == record->place &&
	       !memcmp(&target->key, &record->key, sizeof(target->key));
}

/* Beside the next one: a drain tells of one process after the other, and of each by place. */
static bool stands_well(const struct target *target)
{
	return target[0].key.process.tgid != target[1].key.process.tgid ||
	       target[0].place <= target[1].place;
}

static int reserve(struct pass *p)
{
	size_t more = p->capacity ? p->capacity * 2 : 64;
	struct target *targets;
	struct piece *pieces;

	if (p->count < p->capacity)
		return 0;
	targets = realloc(p->targets, more * sizeof(*targets));
	if (targets)
		p->targets = targets;
	pieces = realloc(p->pieces, more * sizeof(*pieces));
	if (pieces)
		p->pieces = pieces;
	if (!targets || !pieces)
		return -ENOMEM;
	p->capacity = more;
	return 0;
}

int sampler_add(struct sampler *s, const struct record *record)
{
	struct pass *p = s->pass;

	/* Of others there is no struct that says where they are. */
	if (record->dead || record->key.instance & PB_FOREIGN)
		return 0;
	if (!p || reserve(p))
		return -ENOMEM;
	if (p->count >= s->had || !is_same(&p->targets[p->count], record)) {
		p->targets[p->count] =
			(struct target){ .key = record->key, .place = record->place };
		s->changed = true;
	}
	s->in_order &= !p->count || stands_well(&p->targets[p->count - 1]);
	p->count++;
	return 0;
}

static int by_process(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->key.process.tgid != y->key.process.tgid)
		return x->key.process.tgid < y->key.process.tgid ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

void sampler_end(struct sampler *s)
{
	struct pass *p = s->pass;

	if (!s->in_order)
		qsort(p->targets, p->count, sizeof(*p->targets), by_process);
	for (size_t i = 0; p && (s->changed || p->count != s->had) && i < p->count; i++)
		p->targets[i].cpu = 0;
}

uint64_t sampler_due(const struct sampler *s)
{
	return s->due;
}

/* Not the time that passes: beside consumers that spin we wait for a CPU, which costs them nothing. */
static uint64_t used_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* An LCG of Knuth's: nothing depends on its quality. */
static uint64_t roll(struct sampler *s, uint64_t now, uint64_t below)
{
	s->dice = (s->dice ^ now) * 6364136223846793005ull + 1442695040888963407ull;
	return (s->dice >> 33) % below;
}

/*
 * One in each period, at any moment of it alike: whatever a consumer's own rhythm is, samples never
 * fall into step with it.
 */
static void plan_next(struct sampler *s, uint64_t now, uint64_t period)
{
	uint64_t begin = s->until > now ? s->until : now;

	s->until = begin + period;
	s->due = begin + roll(s, now, period);
}

static void tell(struct model *m, const struct target *target, const struct piece *piece)
{
	struct model_mark mark = {
		.inside = piece->inside,
		.refusing = piece->state & PUSHBACK_OPEN,
		.blocked = piece->state & PUSHBACK_OPEN << 1,
	};

	if (piece->instance == target->key.instance)
		model_sample(m, &target->key, &mark);
}

/* The targets of one process, which stand together. */
static size_t count_same(const struct target *targets, size_t count)
{
	size_t n = 1;

	while (n < count && targets[n].key.process.tgid == targets->key.process.tgid)
		n++;
	return n;
}

struct plan {
	size_t to, from, count;
};

static bool is_on_page(const struct iovec *run, uint64_t at)
{
	uint64_t begin = (uint64_t)(uintptr_t)run->iov_base, end = begin + run->iov_len;

	return at >= end && (at + sizeof(struct piece) - 1) / PAGE == begin / PAGE;
}

/*
 * As many steps as one call takes. Those of one page are read in one go, with what lies between them:
 * to find a page costs far more than to copy from it.
 */
static struct plan plan_call(struct pass *s, const struct target *targets, struct piece *pieces,
			     size_t count)
{
	struct plan p = { 0 };

	for (; p.count < count && p.count < BATCH; p.count++) {
		uint64_t at = targets[p.count].place + PIECE_AT;
		struct iovec *run = p.from ? &s->from[p.from - 1] : NULL;

		if (run && is_on_page(run, at)) {
			size_t gap = at - (uint64_t)(uintptr_t)run->iov_base - run->iov_len;

			s->to[p.to++] = (struct iovec){ s->between, gap };
			run->iov_len += gap + sizeof(struct piece);
			s->steps[p.from - 1]++;
		} else {
			s->steps[p.from] = 1;
			s->from[p.from++] =
				(struct iovec){ (void *)(uintptr_t)at, sizeof(struct piece) };
		}
		s->to[p.to++] = (struct iovec){ &pieces[p.count], sizeof(struct piece) };
	}
	return p;
}

/*
 * How many were read, from number `first` up to the first whose memory is gone; *gone: it and those on the
 * same page, 0 if there is none. -errno.
 */
static ssize_t look(struct pass *s, size_t first, size_t count, size_t *gone)
{
	const struct target *targets = &s->targets[first];
	struct plan p = plan_call(s, targets, &s->pieces[first], count);
	ssize_t got = peek_here((pid_t)targets->key.process.tgid, s->to, p.to, s->from, p.from);
	size_t read = 0, run;

	if (got < 0 && got != -EFAULT)
		return got;
	for (run = 0; run < p.from && got >= (ssize_t)s->from[run].iov_len; run++) {
		got -= (ssize_t)s->from[run].iov_len;
		read += s->steps[run];
	}
	*gone = run < p.from ? s->steps[run] : 0;
	/* The beginning of it may have been. */
	memset(&s->pieces[first + read], 0, *gone * sizeof(*s->pieces));
	return (ssize_t)read;
}

/* Each page that is gone costs a call: of a process with many of them the rest is passed over. */
static void look_at_process(struct pass *s, size_t first, size_t count)
{
	unsigned int times = 0;
	size_t done = 0, gone;

	while (done < count && times < GONE_MOST) {
		ssize_t n = look(s, first + done, count - done, &gone);

		if (n < 0)
			return;
		done += (size_t)n + gone;
		times += gone > 0;
	}
}

static void read_all(struct reader_job *job)
{
	struct pass *s = (struct pass *)job;
	uint64_t used = used_ns();
	size_t done, count;

	for (done = 0; done < s->count; done += count) {
		count = count_same(&s->targets[done], s->count - done);
		if (s->targets[done].rests)
			continue;
		memset(&s->pieces[done], 0, count * sizeof(*s->pieces));
		if (reader_turn(job, (pid_t)s->targets[done].key.process.tgid))
			look_at_process(s, done, count);
	}
	s->used = used_ns() - used;
}

/*
 * Who rests is not read: nothing of it has changed. That it runs again may be known some milliseconds late
 * (cpu_time.h), once for each time that it has rested.
 */
static bool rests(struct target *first, uint64_t now)
{
	uint64_t cpu = cpu_time_of((pid_t)first->key.process.tgid);

	if (!cpu || cpu != first->cpu)
		first->since = now;
	first->cpu = cpu;
	return now - first->since >= REST_NS;
}

/* Whether any are to be read. */
static bool find_awake(struct pass *p, uint64_t now)
{
	bool any = false;

	for (size_t done = 0; done < p->count;
	     done += count_same(&p->targets[done], p->count - done)) {
		p->targets[done].rests = rests(&p->targets[done], now);
		any |= !p->targets[done].rests;
	}
	return any;
}

void sampler_run(struct sampler *s, struct model *m, uint64_t now)
{
	uint64_t used = used_ns(), period = PERIOD_NS;
	struct pass *p = s->pass;

	/* One that was given up took the steps with it: until the next drain there are none. */
	if (p)
		p->used = 0;
	if (p && find_awake(p, now) && !reader_run(&p->reader))
		p = s->pass = NULL;
	model_sample_begin(m, now);
	for (size_t i = 0; p && i < p->count; i++)
		tell(m, &p->targets[i], &p->pieces[i]);
	model_sample_end(m);
	used = used_ns() - used + (p ? p->used : 0);
	if (used * PART > period)
		period = used * PART < PERIOD_MOST_NS ? used * PART : PERIOD_MOST_NS;
	plan_next(s, now, period);
}
