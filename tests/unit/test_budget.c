/* SPDX-License-Identifier: MIT */
/* What the probes of a file may take, and when it is watched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "budget.h"

#define MS 1000000ull

static const struct budget_rules rules = {
	.share = 0.05,
	/* In use 2, 1, 10 and 1.5 us. */
	.cost_ns = { 1667, 833, 8333, 1250 },
};

/* A file that is hit at a rate while it is watched; a look each 100 ms. */
struct play {
	struct budget b;
	uint64_t now, hits[PB_HITS];
	uint64_t watched, pauses, resumes, wholes, first_pause;
	double cost;
};

static void play(struct play *p, uint64_t hits_a_second, int kind, uint64_t looks)
{
	for (uint64_t i = 0; i < looks; i++) {
		p->now += 100 * MS;
		if (!p->b.paused) {
			p->hits[kind] += hits_a_second / 10;
			p->cost += (double)(hits_a_second / 10) * (double)rules.cost_ns[kind] *
				   BUDGET_IN_USE;
			p->watched += 100 * MS;
		}
		switch (budget_look(&p->b, &rules, p->now, p->hits)) {
		case BUDGET_PAUSE:
			p->first_pause = p->pauses++ ? p->first_pause : p->now;
			break;
		case BUDGET_RESUME:
			p->resumes++;
			break;
		case BUDGET_WHOLE:
			p->wholes++;
			break;
		case BUDGET_STAYS:
			break;
		}
	}
}

/* 40,000 hits of 1 us are 4 % of a core. */
static void test_what_is_within_is_never_paused(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 40000, PB_HIT_EMULATED, 36000);
	assert_int_equal(p.pauses, 0);
	assert_false(p.b.partly);
}

static void test_what_takes_a_core_is_watched_for_a_share(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 100000, PB_HIT_STEPPED, 36000);
	assert_true(p.pauses > 100);
	assert_true(p.resumes >= p.pauses - 1);
	/* Of an hour. A look before more would be taken, it is paused. */
	assert_true(p.cost <= 0.05 * (double)p.now + 0.5e9);
	assert_true(p.cost >= 0.035 * (double)p.now);
	assert_true(budget_part(&p.b) > 0.04 && budget_part(&p.b) < 0.06);
	assert_true(p.first_pause <= 1000 * MS);
	assert_int_equal(p.wholes, 0);
}

/* However they lie; what a look finds was taken since the one before. */
static void test_no_ten_seconds_take_more(void **state)
{
	static const uint64_t rates[] = { 5500, 10000, 33333, 100000, 106000 };

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(*rates); r++) {
		struct play p = { .now = MS };
		double at[2000];

		for (size_t i = 0; i < 2000; i++) {
			play(&p, rates[r], PB_HIT_STEPPED, 1);
			at[i] = p.cost;
			if (i >= 100)
				assert_true(at[i] - at[i - 100] <= 0.05 * 10e9 + 1);
		}
		assert_true(p.pauses > 10);
		assert_true(p.cost > 0.035 * (double)p.now);
	}
}

static void test_four_cores_are_four_times_as_much(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 400000, PB_HIT_STEPPED, 36000);
	assert_true(p.cost <= 0.06 * (double)p.now + 0.5e9);
	assert_true(budget_part(&p.b) < 0.02);
}

/* Before it was watched again once, which part that will be is known by what it took. */
static void test_the_part_is_known_at_once(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	while (!p.b.partly)
		play(&p, 100000, PB_HIT_STEPPED, 1);
	assert_true(p.b.paused);
	assert_true(budget_part(&p.b) > 0.04 && budget_part(&p.b) < 0.06);
}

/* Each kind has its own cost: 20,000 are 2 %, 3 %, 4 % or 20 %. */
static void test_kinds_cost_what_they_cost(void **state)
{
	(void)state;
	for (int kind = 0; kind < PB_HITS; kind++) {
		struct play p = { .now = MS };

		play(&p, 20000, kind, 6000);
		assert_int_equal(p.pauses > 0, kind == PB_HIT_STEPPED);
	}
}

static void test_a_burst_is_let_pass(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 1000, PB_HIT_EMULATED, 100);
	/* 400 ms of a core in half a second, of the 500 that were saved. */
	play(&p, 800000, PB_HIT_EMULATED, 5);
	play(&p, 1000, PB_HIT_EMULATED, 100);
	assert_int_equal(p.pauses, 0);
}

static void test_it_is_watched_whole_again_once_it_is_calm(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 100000, PB_HIT_STEPPED, 600);
	assert_true(p.b.partly);
	play(&p, 100, PB_HIT_STEPPED, 500);
	assert_int_equal(p.wholes, 0);
	play(&p, 100, PB_HIT_STEPPED, 300);
	assert_int_equal(p.wholes, 1);
	assert_false(p.b.partly);
	assert_false(p.b.paused);
}

static void test_the_hits_before_it_was_looked_at_are_not_its(void **state)
{
	struct play p = { .now = MS, .hits = { 0, 1000000000, 0, 0 } };

	(void)state;
	play(&p, 1000, PB_HIT_EMULATED, 100);
	assert_int_equal(p.pauses, 0);
	/* As of another file that has got the number: fewer than before. */
	p.hits[PB_HIT_EMULATED] = 0;
	play(&p, 1000, PB_HIT_EMULATED, 100);
	assert_int_equal(p.pauses, 0);
}

static void test_what_could_not_be_resumed_is_tried_again(void **state)
{
	struct play p = { .now = MS };

	(void)state;
	play(&p, 100000, PB_HIT_STEPPED, 100);
	budget_failed(&p.b);
	assert_true(p.b.paused);
	p.resumes = 0;
	play(&p, 100, PB_HIT_STEPPED, 60);
	assert_int_equal(p.resumes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_within_is_never_paused),
		cmocka_unit_test(test_what_takes_a_core_is_watched_for_a_share),
		cmocka_unit_test(test_no_ten_seconds_take_more),
		cmocka_unit_test(test_four_cores_are_four_times_as_much),
		cmocka_unit_test(test_the_part_is_known_at_once),
		cmocka_unit_test(test_kinds_cost_what_they_cost),
		cmocka_unit_test(test_a_burst_is_let_pass),
		cmocka_unit_test(test_it_is_watched_whole_again_once_it_is_calm),
		cmocka_unit_test(test_the_hits_before_it_was_looked_at_are_not_its),
		cmocka_unit_test(test_what_could_not_be_resumed_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
