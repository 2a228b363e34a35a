/* SPDX-License-Identifier: MIT */
/*
 * point - what telling how a submit returned costs, by the way in which it is told
 *
 *	point watched|unwatched ROUNDS WAY:SUBMITS...
 *
 * In each round each way has its turn in each state of a step, beside the same loop that calls a twin of
 * the function without the telling. A line is: WAY STATE and the ns that it adds to a submit, by round.
 * At the end "told WAY STATE submits" and, for our own header, what the steps have counted. Fails if
 * that is not what it did, or if it is not watched as it was told it is.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/sdt.h>

#include "pushback.h"
#include "labelled.h"

/* noipa: gcc shall know nothing of one when it compiles another, and not merge twins. */
#define ALONE __attribute__((noipa, aligned(64)))
/* Each tells of the outcome that it was called with: it shall be there, whatever is done with it. */
#define SUBMITS(outcome) __asm__ volatile("" : : "r"(outcome) : "memory")
/* Has a frame, as steps' submits have: a uprobe on its first instruction is on a push. */
#if defined(__x86_64__)
#define HAS_FRAME __asm__ volatile("" : : : "rbx")
#else
#define HAS_FRAME __asm__ volatile("" : : : "x19", "x30")
#endif

enum state { ACCEPTING, REFUSING, ALTERNATING, STATES };

static const char *const state_names[STATES] = { "accepting", "refusing", "alternating" };
static const char *const outcome_names[] = { "accepted", "rejected" };

typedef void submit(struct pushback_step *step, int outcome);

static ALONE void submit_empty(struct pushback_step *step, int outcome)
{
	(void)step;
	SUBMITS(outcome);
}

static ALONE void submit_ours(struct pushback_step *step, int outcome)
{
	SUBMITS(outcome);
	pushback_submit_return(step, outcome);
}

static struct pushback_step sink = PUSHBACK_STEP_INIT("sink");

/* What a message through a step tells: its sink has taken it, it has forwarded it and taken it. */
static ALONE void submit_chain(struct pushback_step *step, int outcome)
{
	SUBMITS(outcome);
	pushback_submit_return(&sink, outcome);
	pushback_forward_return(step, outcome);
	pushback_submit_return(step, outcome);
}

static ALONE void submit_usdt(struct pushback_step *step, int outcome)
{
	SUBMITS(outcome);
	DTRACE_PROBE2(point, submit_return, step->name, outcome);
}

static ALONE void submit_framed(struct pushback_step *step, int outcome)
{
	(void)step;
	HAS_FRAME;
	SUBMITS(outcome);
}

/* Its twin: what tracers put probes on. */
static ALONE void submit_traced(struct pushback_step *step, int outcome)
{
	(void)step;
	HAS_FRAME;
	SUBMITS(outcome);
}

static ALONE void submit_counter(struct pushback_step *step, int outcome)
{
	SUBMITS(outcome);
	labelled_count("pipeline.submits", step->name, outcome_names[outcome]);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One clock read for each: how long after the one before. */
static ALONE void submit_timer(struct pushback_step *step, int outcome)
{
	static uint64_t before;
	uint64_t now;

	SUBMITS(outcome);
	labelled_count("pipeline.timed_submits", step->name, outcome_names[outcome]);
	now = now_ns();
	labelled_observe("pipeline.submit_duration", step->name, outcome_names[outcome],
			 now - before);
	before = now;
}

struct turn;
typedef void check(const struct turn *turn, uint64_t submits, uint64_t rejected);
static check check_ours, check_counter, check_timer;

static const struct way {
	const char *name;
	submit *telling;
	submit *twin;
	check *check; /* that it has told what was to be told */
	int states;
} ways[] = {
	{ "ours", submit_ours, submit_empty, check_ours, STATES },
	{ "chain", submit_chain, submit_empty, check_ours, ACCEPTING + 1 },
	{ "usdt", submit_usdt, submit_empty, NULL, STATES },
	{ "traced", submit_traced, submit_framed, NULL, STATES },
	{ "counter", submit_counter, submit_empty, check_counter, STATES },
	{ "timer", submit_timer, submit_empty, check_timer, STATES },
};
#define WAYS (sizeof(ways) / sizeof(*ways))

/* A step for each state, so that each stays in its own. The chain has one of its own. */
static struct pushback_step steps[STATES] = {
	PUSHBACK_STEP_INIT("accepting"),
	PUSHBACK_STEP_INIT("refusing"),
	PUSHBACK_STEP_INIT("alternating"),
};
static struct pushback_step chain = PUSHBACK_STEP_INIT("chain");

/* Of this thread, so that it matters little what else the machine does. */
static uint64_t worked_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The one loop: the same code for each way, state and twin. */
static ALONE uint64_t loop(submit *fn, struct pushback_step *step, enum state state, long submits)
{
	long i, turns = state == ALTERNATING, outcome = state == REFUSING;
	uint64_t began = worked_ns();

	for (i = 0; i < submits; i++)
		fn(step, (int)((i & turns) | outcome));
	return worked_ns() - began;
}

struct turn {
	const struct way *way;
	enum state state;
	long submits;
	double *added;
};

#define TURNS_MAX (WAYS * STATES)

struct run {
	bool watched;
	long rounds;
	struct turn turns[TURNS_MAX];
	size_t count;
};

static struct pushback_step *step_of(const struct turn *turn)
{
	return turn->way->telling == submit_chain ? &chain : &steps[turn->state];
}

/* Whether the twin runs before or after it takes turns too. */
static double take(const struct turn *turn, bool twin_first)
{
	struct pushback_step *step = step_of(turn);
	uint64_t took, twin = 0;

	if (twin_first)
		twin = loop(turn->way->twin, step, turn->state, turn->submits);
	took = loop(turn->way->telling, step, turn->state, turn->submits);
	if (!twin_first)
		twin = loop(turn->way->twin, step, turn->state, turn->submits);
	return ((double)took - (double)twin) / (double)turn->submits;
}

static void die(const char *what, const char *which)
{
	fprintf(stderr, "point: %s: %s\n", what, which);
	exit(1);
}

static void must_be(bool holds, const char *what)
{
	if (!holds)
		die("not what it should measure", what);
}

static void look_whether_watched(const struct run *run)
{
	must_be(!!pushback_watched() == run->watched, "whether it is watched");
	must_be(!!pushback_armed(PUSHBACK_SUBMIT_RETURN) == run->watched,
		"whether its site is armed");
}

/* Ours counts only what is watched. A step line is for whoever knows what the agent has sent. */
static void check_ours(const struct turn *turn, uint64_t submits, uint64_t rejected)
{
	const struct pushback_step *s = step_of(turn);
	const struct pushback_direction *d = &s->direction[PUSHBACK_SEND];
	bool watched = pushback_watched();

	must_be(s->rejected == (watched ? rejected : 0), s->name);
	must_be(s->accepted == (watched ? submits - rejected : 0), s->name);
	must_be(watched == !!s->fired, "fires of it");
	printf("step %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->name, s->accepted,
	       s->rejected, d->closed, d->folded);
}

static void check_labelled(const char *name, const struct turn *turn, uint64_t submits,
			   uint64_t rejected)
{
	const char *step = step_of(turn)->name;

	must_be(labelled_find(name, step, "rejected")->value == rejected, name);
	must_be(labelled_find(name, step, "accepted")->value == submits - rejected, name);
}

static void check_counter(const struct turn *turn, uint64_t submits, uint64_t rejected)
{
	check_labelled("pipeline.submits", turn, submits, rejected);
}

static void check_timer(const struct turn *turn, uint64_t submits, uint64_t rejected)
{
	const struct labelled *series =
		labelled_find("pipeline.submit_duration", step_of(turn)->name,
			      rejected ? "rejected" : "accepted");
	uint64_t observed = 0;
	int i;

	check_labelled("pipeline.timed_submits", turn, submits, rejected);
	for (i = 0; i < LABELLED_BUCKETS; i++)
		observed += series->bucket[i];
	must_be(observed == (rejected ? rejected : submits), "labelled durations");
}

static void report(const struct run *run, const struct turn *turn)
{
	uint64_t submits = (uint64_t)(run->rounds * turn->submits);
	uint64_t rejected = turn->state == REFUSING      ? submits
			    : turn->state == ALTERNATING ? submits / 2
							 : 0;
	long round;

	printf("%s %s", turn->way->name, state_names[turn->state]);
	for (round = 0; round < run->rounds; round++)
		printf(" %.3f", turn->added[round]);
	printf("\n");
	if (turn->way->check)
		turn->way->check(turn, submits, rejected);
}

static long number(const char *text)
{
	long n = text ? strtol(text, NULL, 10) : 0;

	if (n > 0)
		return n;
	die("a number above 0 is needed", text ? text : "");
	return 0;
}

/* WAY:SUBMITS; an even number, so that who alternates begins each turn alike. */
static void add_way(struct run *run, const char *text)
{
	const char *colon = strchr(text, ':');
	const struct way *way;
	int state;

	for (way = ways; way < ways + WAYS; way++) {
		if (colon && strlen(way->name) == (size_t)(colon - text) &&
		    !strncmp(way->name, text, (size_t)(colon - text)))
			break;
	}
	if (way == ways + WAYS || run->count + (size_t)way->states > TURNS_MAX)
		die("no WAY:SUBMITS", text);
	for (state = 0; state < way->states; state++) {
		struct turn *turn = &run->turns[run->count++];

		turn->way = way;
		turn->state = (enum state)state;
		turn->submits = number(colon + 1) & ~1L;
		turn->added = calloc((size_t)run->rounds, sizeof(*turn->added));
		if (!turn->added)
			die("out of memory", text);
	}
}

static void take_turns(const struct run *run)
{
	size_t i;
	long round;

	for (round = 0; round < run->rounds; round++) {
		for (i = 0; i < run->count; i++) {
			const struct turn *turn = &run->turns[round % 2 ? run->count - 1 - i : i];

			turn->added[round] = take(turn, round % 2);
		}
	}
}

int main(int argc, char **argv)
{
	struct run run = { .count = 0 };
	size_t i;
	int n;

	if (argc < 4)
		die("usage", "point watched|unwatched ROUNDS WAY:SUBMITS...");
	run.watched = !strcmp(argv[1], "watched");
	run.rounds = number(argv[2]);
	for (n = 3; n < argc; n++)
		add_way(&run, argv[n]);
	look_whether_watched(&run);
	take_turns(&run);
	look_whether_watched(&run);
	for (i = 0; i < run.count; i++) {
		report(&run, &run.turns[i]);
		free(run.turns[i].added);
	}
	return 0;
}
