/* SPDX-License-Identifier: MIT */
#include "sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define PERIOD_NS 50000000ull
#define JITTER_NS 20000000ull /* either way */
/* Thousands of steps take their time: at most this part of a core. */
#define PART      50
#define BATCH     1024 /* IOV_MAX: one call takes no more */
#define GONE_MOST 4

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
};

struct sampler {
	struct target *targets; /* in order of process */
	size_t count, capacity;
	uint64_t due;
	uint64_t dice;
	struct iovec to[BATCH], from[BATCH];
	struct piece pieces[BATCH];
};

struct sampler *sampler_new(void)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	for (size_t i = 0; i < BATCH; i++)
		s->to[i] = s->from[i] = (struct iovec){ .iov_len = sizeof(struct piece) };
	for (size_t i = 0; i < BATCH; i++)
		s->to[i].iov_base = &s->pieces[i];
	return s;
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	free(s->targets);
	free(s);
}

void sampler_begin(struct sampler *s)
{
	s->count = 0;
}

int sampler_add(struct sampler *s, const struct record *record)
{
	if (record->dead)
		return 0;
	if (s->count == s->capacity) {
		size_t more = s->capacity ? s->capacity * 2 : 64;
		struct target *targets = realloc(s->targets, more * sizeof(*targets));

		if (!targets)
			return -ENOMEM;
		s->targets = targets;
		s->capacity = more;
	}
	s->targets[s->count++] = (struct target){ .key = record->key, .place = record->place };
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
	if (s->count)
		qsort(s->targets, s->count, sizeof(*s->targets), by_process);
}

uint64_t sampler_due(const struct sampler *s)
{
	return s->due;
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* An LCG of Knuth's: nothing depends on its quality. */
static uint64_t jitter(struct sampler *s, uint64_t now)
{
	s->dice = (s->dice ^ now) * 6364136223846793005ull + 1442695040888963407ull;
	return (s->dice >> 33) % (2 * JITTER_NS);
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

/* As many as one call takes; how many were read, up to the first whose memory is gone. -errno. */
static ssize_t look(struct sampler *s, struct model *m, const struct target *targets, size_t count)
{
	size_t n = count < BATCH ? count : BATCH, i;
	ssize_t got;

	for (i = 0; i < n; i++)
		s->from[i].iov_base = (void *)(uintptr_t)(targets[i].place + PIECE_AT);
	got = process_vm_readv((pid_t)targets->key.process.tgid, s->to, n, s->from, n, 0);
	if (got < 0)
		return errno == EFAULT ? 0 : -errno;
	got /= (ssize_t)sizeof(struct piece);
	for (i = 0; i < (size_t)got; i++)
		tell(m, &targets[i], &s->pieces[i]);
	return got;
}

/* Each step whose memory is gone costs a call: of a process with many of them the rest is passed over. */
static void look_at_process(struct sampler *s, struct model *m, const struct target *targets,
			    size_t count)
{
	unsigned int gone = 0;
	size_t done = 0;

	while (done < count && gone < GONE_MOST) {
		ssize_t n = look(s, m, targets + done, count - done);

		if (n < 0)
			return;
		done += (size_t)n;
		if ((size_t)n < BATCH && done < count) {
			gone++;
			done++;
		}
	}
}

void sampler_run(struct sampler *s, struct model *m, uint64_t now)
{
	uint64_t took, period;
	size_t done, count;

	model_sample_begin(m, now);
	for (done = 0; done < s->count; done += count) {
		count = count_same(&s->targets[done], s->count - done);
		look_at_process(s, m, &s->targets[done], count);
	}
	model_sample_end(m);
	took = clock_ns() - now;
	period = took * PART > PERIOD_NS ? took * PART : PERIOD_NS;
	s->due = now + period - JITTER_NS + jitter(s, now);
}
