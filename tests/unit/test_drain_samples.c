/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drain_samples.h"

static const unsigned int first[PB_HIST_PARTS] = { 0, PB_HIST_PART, 2 * PB_HIST_PART };

static uint64_t count_of(const struct hist *h, unsigned int index)
{
	for (size_t i = 0; i < h->size; i++)
		if (h->values[i].ns == hist_bucket_ns(index))
			return h->values[i].count;
	return 0;
}

static int take(struct samples *samples, unsigned int part, const struct pb_hist *counts,
		uint64_t most, struct hist *into)
{
	int err = samples_read(samples, part, counts);

	return err ? err : samples_hand_on(samples, most, into);
}

static void test_only_what_is_new(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist part = { { [3] = 5, [90] = 1 } };
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(take(&taken, 1, &part, 100, &h), 0);
	assert_int_equal(count_of(&h, first[1] + 3), 5);
	assert_int_equal(count_of(&h, first[1] + 90), 1);
	assert_int_equal(taken.total, 6);

	hist_clear(&h);
	part.count[3] = 7;
	part.count[1] = 1;
	assert_int_equal(take(&taken, 1, &part, 100, &h), 0);
	assert_int_equal(count_of(&h, first[1] + 1), 1);
	assert_int_equal(count_of(&h, first[1] + 3), 2);
	assert_int_equal(h.count, 3);
	assert_int_equal(taken.total, 9);
	samples_free(&taken);
	hist_free(&h);
}

static void test_what_is_read_twice_is_handed_on_once(void **state)
{
	struct samples samples = { 0 };
	struct pb_hist part = { { [4] = 2, [5] = 1 } };
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(samples_read(&samples, 0, &part), 0);
	part.count[5] = 4;
	part.count[94] = 1;
	assert_int_equal(samples_read(&samples, 0, &part), 0);
	assert_int_equal(samples.total, 0);
	assert_int_equal(samples_hand_on(&samples, 100, &h), 0);
	assert_int_equal(count_of(&h, 4), 2);
	assert_int_equal(count_of(&h, 5), 4);
	assert_int_equal(count_of(&h, 94), 1);
	assert_int_equal(samples_hand_on(&samples, 100, &h), 0);
	assert_int_equal(h.count, 7);
	assert_int_equal(samples.total, 7);
	samples_free(&samples);
	hist_free(&h);
}

static void test_counts_wrap_to_0(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist part = { { [3] = UINT32_MAX } };
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(take(&taken, 1, &part, UINT64_MAX, &h), 0);
	hist_clear(&h);
	part.count[3] = 0;
	assert_int_equal(take(&taken, 1, &part, UINT64_MAX, &h), 0);
	assert_int_equal(count_of(&h, first[1] + 3), 1);
	assert_int_equal(h.count, 1);
	samples_free(&taken);
	hist_free(&h);
}

static void test_every_bucket_is_seen(void **state)
{
	struct hist h = { 0 };

	(void)state;
	for (unsigned int index = 0; index < PB_HIST_BUCKETS; index++) {
		unsigned int part = index / PB_HIST_PART;
		struct samples taken = { 0 };
		struct pb_hist counts = { { 0 } };

		counts.count[index % PB_HIST_PART] = 2;
		hist_clear(&h);
		assert_int_equal(take(&taken, part, &counts, 100, &h), 0);
		assert_int_equal(count_of(&h, index), 2);
		assert_int_equal(taken.total, 2);
		samples_free(&taken);
	}
	hist_free(&h);
}

static void test_parts_are_apart(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist low = { { [0] = 1, [PB_HIST_PART - 1] = 2 } }, high = { { [0] = 4 } };
	struct hist h = { 0 };

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(take(&taken, 2, &high, 100, &h), 0);
		assert_int_equal(take(&taken, 0, &low, 100, &h), 0);
	}
	assert_int_equal(h.count, 7);
	assert_int_equal(count_of(&h, first[2]), 4);
	assert_int_equal(count_of(&h, PB_HIST_PART - 1), 2);
	samples_free(&taken);
	hist_free(&h);
}

static void test_what_is_too_much_stays_new(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist part = { { [1] = 2, [5] = 10, [9] = 1 } };
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(take(&taken, 0, &part, 6, &h), 0);
	assert_int_equal(h.count, 6);
	assert_int_equal(count_of(&h, 5), 4);
	assert_int_equal(take(&taken, 0, &part, 100, &h), 0);
	assert_int_equal(h.count, 13);
	assert_int_equal(count_of(&h, 5), 10);
	assert_int_equal(taken.total, 13);
	samples_free(&taken);
	hist_free(&h);
}

static void test_counts_wrap(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist part = { { [7] = UINT32_MAX } };
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(take(&taken, 4, &part, UINT64_MAX, &h), 0);
	hist_clear(&h);
	part.count[7] = 0;
	assert_int_equal(take(&taken, 4, &part, UINT64_MAX, &h), 0);
	assert_int_equal(h.count, 1);
	part.count[7] = 2;
	assert_int_equal(take(&taken, 4, &part, UINT64_MAX, &h), 0);
	assert_int_equal(h.count, 3);
	samples_free(&taken);
	hist_free(&h);
}

static void test_all_buckets(void **state)
{
	struct samples taken = { 0 };
	struct pb_hist part;
	struct hist h = { 0 };

	(void)state;
	for (unsigned int i = 0; i < PB_HIST_PART; i++)
		part.count[i] = 1;
	for (unsigned int i = PB_HIST_PARTS; i-- > 0;)
		assert_int_equal(take(&taken, i, &part, UINT64_MAX, &h), 0);
	assert_int_equal(h.size, PB_HIST_BUCKETS);
	assert_int_equal(h.count, PB_HIST_BUCKETS);
	samples_free(&taken);
	hist_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_new),
		cmocka_unit_test(test_what_is_read_twice_is_handed_on_once),
		cmocka_unit_test(test_counts_wrap_to_0),
		cmocka_unit_test(test_every_bucket_is_seen),
		cmocka_unit_test(test_parts_are_apart),
		cmocka_unit_test(test_what_is_too_much_stays_new),
		cmocka_unit_test(test_counts_wrap),
		cmocka_unit_test(test_all_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
