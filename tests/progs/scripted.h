/* SPDX-License-Identifier: MIT */
/*
 * scripted.h - executes probe calls as told, and says when each was made
 *
 * Included by the driver and by a shared library of its own: probes, semaphore and steps are one
 * set per object. A call's instant lies between its reading of the clock and the next one's, so
 * whoever computes what must come out needs no guess about a scheduler in between.
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "pushback.h"

#define SCRIPTED_PLACES   1024
#define SCRIPTED_SEQUENCE 128
#define SCRIPTED_TRACED   16384

enum scripted_op {
	SCRIPTED_SUBMIT,
	SCRIPTED_FORWARD,
	SCRIPTED_POLL,
	SCRIPTED_END,
	SCRIPTED_SUBMIT_ENTER,
	SCRIPTED_POLL_ENTER,
	SCRIPTED_DEPTH,
	SCRIPTED_SPIN, /* no call: passes `value` us */
	SCRIPTED_OPS,
};

struct scripted_call {
	enum scripted_op op;
	unsigned int place;
	int value;
};

/* A sequence of calls, `times` times over. What was seen: of the calls in all, counted from 0. */
struct scripted_job {
	struct scripted_call call[SCRIPTED_SEQUENCE];
	size_t length;
	uint64_t times;

	uint64_t before; /* the first call */
	uint64_t second; /* after the first call */
	uint64_t after;  /* after the last one */
	uint64_t fires;
	uint64_t first_fire;
	uint64_t last_fire;
	/* Each call's beginning << 1 | whether it fired, up to SCRIPTED_TRACED calls; else unused. */
	uint64_t traced;
	uint64_t trace[SCRIPTED_TRACED];
};

/* What the driver asks of a library. */
struct scripted {
	struct pushback_step *places;
	volatile uint16_t *semaphore;
	void (*run)(struct scripted_job *job);
	void (*init)(unsigned int place, const char *name);
	void (*forget)(unsigned int place); /* its memory is written over */
};

static inline uint64_t scripted_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1000000000ull * t.tv_sec + t.tv_nsec;
}

/* SCRIPTED_ELSEWHERE: another language's calls serve the driver. */
#ifdef SCRIPTED_ELSEWHERE
#ifndef __cplusplus
extern const struct scripted scripted_here;
#endif
#else

static struct pushback_step scripted_places[SCRIPTED_PLACES];

static void scripted_init(unsigned int place, const char *name)
{
	pushback_step_init(&scripted_places[place], name);
}

static void scripted_forget(unsigned int place)
{
	memset(&scripted_places[place], 0xee, sizeof(scripted_places[place]));
}

static void scripted_spin(int us)
{
	uint64_t end = scripted_now() + (uint64_t)us * 1000;

	while (scripted_now() < end)
		;
}

static void scripted_do(const struct scripted_call *call)
{
	struct pushback_step *s = &scripted_places[call->place];

	switch (call->op) {
	case SCRIPTED_SUBMIT:
		pushback_submit_return(s, call->value);
		break;
	case SCRIPTED_FORWARD:
		pushback_forward_return(s, call->value);
		break;
	case SCRIPTED_POLL:
		pushback_poll_return(s, call->value);
		break;
	case SCRIPTED_END:
		pushback_step_end(s);
		break;
	case SCRIPTED_SUBMIT_ENTER:
		pushback_submit_enter(s);
		break;
	case SCRIPTED_POLL_ENTER:
		pushback_poll_enter(s);
		break;
	case SCRIPTED_SPIN:
		scripted_spin(call->value);
		break;
	default:
		pushback_depth(s, (uint64_t)call->value, 100);
		break;
	}
}

static void scripted_run(struct scripted_job *job)
{
	uint64_t calls = job->times * job->length, n;

	job->fires = 0;
	job->traced = calls <= SCRIPTED_TRACED ? calls : 0;
	job->before = scripted_now();
	for (n = 0; n < calls; n++) {
		const struct scripted_call *call = &job->call[n % job->length];
		uint64_t *fired = &scripted_places[call->place].fired;
		uint64_t fired_before = *fired, now = job->traced ? scripted_now() : 0;
		unsigned int fires;

		scripted_do(call);
		fires = call->op != SCRIPTED_END && *fired && *fired != fired_before;
		if (n == 0)
			job->second = scripted_now();
		if (job->traced)
			job->trace[n] = now << 1 | fires;
		if (!fires)
			continue;
		if (job->fires++ == 0)
			job->first_fire = n;
		job->last_fire = n;
	}
	job->after = scripted_now();
}

static const struct scripted scripted_here = {
	.places = scripted_places,
	.semaphore = &pushback_semaphore,
	.run = scripted_run,
	.init = scripted_init,
	.forget = scripted_forget,
};

#endif /* SCRIPTED_ELSEWHERE */

#endif /* SCRIPTED_H */
