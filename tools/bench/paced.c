/* SPDX-License-Identifier: MIT */
/*
 * paced - a consumer of one step in one of three states, until SIGTERM
 *
 *	paced calm|stuck|saturated
 *
 * calm: 1,000 accepted submits a second, none refused. stuck: refuses and its caller spins. saturated: a
 * slot frees each 100 us, so 10,000 episodes a second, and its caller spins in between. Then prints how
 * many it accepted and rejected, and how many episodes were closed.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <pushback.h>

#define CALM_NS 1000000l
#define SLOT_NS 100000ull

struct counts {
	uint64_t accepted;
	uint64_t rejected;
	uint64_t episodes;
};

static struct pushback_step step;
static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void take(struct counts *c)
{
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
	c->accepted++;
}

static void reject(struct counts *c)
{
	pushback_submit_return(&step, PUSHBACK_REJECTED);
	c->rejected++;
}

static void be_calm(struct counts *c)
{
	const struct timespec t = { .tv_nsec = CALM_NS };

	while (!ended) {
		take(c);
		nanosleep(&t, NULL);
	}
}

static void be_stuck(struct counts *c)
{
	while (!ended)
		reject(c);
}

static void be_saturated(struct counts *c)
{
	uint64_t slot = now_ns();

	while (!ended) {
		do
			reject(c);
		while (now_ns() < slot);
		take(c);
		c->episodes++;
		slot += SLOT_NS;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*be)(struct counts *);
	} states[] = { { "calm", be_calm }, { "stuck", be_stuck }, { "saturated", be_saturated } };
	struct counts c = { 0, 0, 0 };
	unsigned int i;

	signal(SIGTERM, end);
	for (i = 0; argc == 2 && i < 3; i++) {
		if (strcmp(argv[1], states[i].name))
			continue;
		pushback_step_init(&step, argv[1]);
		states[i].be(&c);
		pushback_step_end(&step);
		printf("%llu %llu %llu\n", (unsigned long long)c.accepted,
		       (unsigned long long)c.rejected, (unsigned long long)c.episodes);
		return 0;
	}
	fprintf(stderr, "usage: paced calm|stuck|saturated\n");
	return 2;
}
