/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drain_seen.h"
#include "kept.h"

#define STEPS 3

static struct pb_step_key key_of(uint64_t instance)
{
	return (struct pb_step_key){ .process = { .start_time = 7, .tgid = 1 },
				     .instance = instance };
}

static const struct pb_hist counts = { { [0] = 4, [9] = UINT32_MAX, [PB_HIST_PART - 1] = 1 } };

/* Of the first step 10 durations were handed on in both directions, of the second all; the last ended. */
static struct seen_table some_steps(void)
{
	struct seen_table t = { 0 };
	struct hist h = { 0 };

	for (uint64_t i = 0; i < STEPS; i++) {
		struct pb_step_key key = key_of(i + 1);
		struct seen *seen = seen_get(&t, &key);

		seen->lie_counted = i == 0;
		seen->name_counted = i == 1;
		seen->ended = i == 2 ? PB_STEP_EXITED : 0;
		for (int d = 0; d < 2; d++) {
			assert_int_equal(samples_read(&seen->durations.samples[d], 1, &counts), 0);
			samples_hand_on(&seen->durations.samples[d], i ? UINT64_MAX : 10, &h);
		}
	}
	hist_free(&h);
	return t;
}

static struct keep_writer save(const struct seen_table *t)
{
	struct keep_writer w = { 0 };

	keep_begin(&w, "test");
	seen_save(t, &w);
	keep_end(&w);
	return w;
}

static uint64_t hand_on(struct samples *samples)
{
	struct hist h = { 0 };
	uint64_t count;

	assert_int_equal(samples_read(samples, 1, &counts), 0);
	assert_int_equal(samples_hand_on(samples, UINT64_MAX, &h), 0);
	count = h.count;
	hist_free(&h);
	return count;
}

static void test_nothing_is_handed_on_twice(void **state)
{
	struct seen_table before = some_steps(), after = { 0 };
	struct keep_writer w = save(&before);
	struct keep_reader r = kept(&w);

	(void)state;
	assert_int_equal(seen_load(&after, &r), 0);
	assert_int_equal(HASH_COUNT(after.steps), STEPS);
	for (uint64_t i = 0; i < STEPS; i++) {
		struct pb_step_key key = key_of(i + 1);
		struct seen *seen = seen_get(&after, &key);

		assert_int_equal(seen->lie_counted, i == 0);
		assert_int_equal(seen->name_counted, i == 1);
		assert_false(seen->unreadable_counted);
		assert_int_equal(seen->ended, i == 2 ? PB_STEP_EXITED : 0);
		for (int d = 0; d < 2; d++) {
			struct samples *samples = &seen->durations.samples[d];

			assert_int_equal(samples->total, i ? 4 + 1 + (uint64_t)UINT32_MAX : 10);
			assert_int_equal(hand_on(samples),
					 i ? 0 : 4 + 1 + (uint64_t)UINT32_MAX - 10);
		}
	}
	seen_free(&before);
	seen_free(&after);
	keep_free(&w);
}

static void load(struct keep_reader *r, void *context)
{
	struct seen_table t = { 0 };
	size_t *refused = context;

	*refused += seen_load(&t, r) == -EBADMSG;
	for (struct seen *seen = t.steps; seen; seen = seen->hh.next)
		hand_on(&seen->durations.samples[0]);
	seen_free(&t);
}

static void test_what_is_spoilt_does_no_harm(void **state)
{
	struct seen_table t = some_steps();
	struct keep_writer w = save(&t);
	struct keep_reader r = kept(&w);
	size_t refused = 0;

	(void)state;
	load_spoilt(&r, load, &refused);
	assert_in_range(refused, 1000, 1999);
	seen_free(&t);
	keep_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_handed_on_twice),
		cmocka_unit_test(test_what_is_spoilt_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
