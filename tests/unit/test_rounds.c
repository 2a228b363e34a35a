/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rounds.h"

#define MS 1000000ull
#define S  (1000 * MS)

/* A loop whose rounds take `took` each: how many flushes begin before `until`, and the time waited for rounds. */
static size_t run(uint64_t interval, uint64_t took, uint64_t until, uint64_t *waited)
{
	struct rounds r;
	uint64_t now = 5 * S + 123, begun = now;
	size_t flushes = 0;

	*waited = 0;
	rounds_begin(&r, interval, now);
	for (;;) {
		uint64_t due = rounds_due(&r);
		bool flush;

		if (due > now) {
			*waited += due - now;
			now = due;
		}
		if (now >= begun + until)
			return flushes;
		flush = rounds_flush_is_due(&r, now);
		flushes += flush;
		now += took;
		rounds_next(&r, flush, now);
	}
}

static void quick_rounds_are_on_time(void **state)
{
	uint64_t waited;

	(void)state;
	assert_int_equal(run(10 * S, MS, 100 * S + S / 2, &waited), 10);
	assert_int_equal(run(100 * MS, MS, 10 * S + 50 * MS, &waited), 100);
	assert_int_equal(run(2500 * MS, MS, 100 * S + S / 2, &waited), 40);
}

static void a_drain_comes_soon_once(void **state)
{
	struct rounds r;

	(void)state;
	rounds_begin(&r, 10 * S, 100 * S);
	assert_int_equal(rounds_due(&r), 100 * S + 100 * MS);
	rounds_next(&r, false, 100 * S + 101 * MS);
	assert_int_equal(rounds_due(&r), 101 * S);
	rounds_begin(&r, 100 * MS, 100 * S);
	assert_int_equal(rounds_due(&r), 100 * S + 100 * MS);
}

/* However long rounds take, an interval has its flush: one by one, but for those that began too late. */
static void slow_rounds_leave_no_flush_out(void **state)
{
	static const uint64_t intervals[] = { 100 * MS, 2500 * MS, 10 * S, 15 * S, 60 * S };

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		for (uint64_t took = 50 * MS; took <= 4 * S; took += 50 * MS) {
			uint64_t interval = intervals[i], waited, until = 40 * interval + 40 * took;
			/* It may come one round late, and is then as far from the one before. */
			uint64_t apart = interval + 2 * took;
			size_t flushes = run(interval, took, until, &waited);

			if (flushes < until / apart)
				fail_msg("%zu flushes in %llu ms, interval %llu, rounds of %llu",
					 flushes, (unsigned long long)(until / MS),
					 (unsigned long long)(interval / MS),
					 (unsigned long long)(took / MS));
		}
	}
}

/* Nor do they follow one another without a pause, which is what all else waits for. */
static void slow_rounds_are_waited_between(void **state)
{
	uint64_t waited;

	(void)state;
	run(100 * MS, 250 * MS, 35 * S, &waited);
	assert_true(waited > 4 * S);
	run(10 * S, 1300 * MS, 200 * S, &waited);
	assert_true(waited > 60 * S);
}

/* As after a host's sleep. */
static void what_was_slept_through_is_one_flush(void **state)
{
	struct rounds r;

	(void)state;
	rounds_begin(&r, 10 * S, 100 * S);
	assert_true(rounds_flush_is_due(&r, 100000 * S));
	rounds_next(&r, true, 100000 * S + MS);
	assert_false(rounds_flush_is_due(&r, 100000 * S + MS));
	assert_int_equal(r.next_flush, 100010 * S);
	assert_int_equal(rounds_due(&r), 100001 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quick_rounds_are_on_time),
		cmocka_unit_test(a_drain_comes_soon_once),
		cmocka_unit_test(slow_rounds_leave_no_flush_out),
		cmocka_unit_test(slow_rounds_are_waited_between),
		cmocka_unit_test(what_was_slept_through_is_one_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
