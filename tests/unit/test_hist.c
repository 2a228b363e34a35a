/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hist.h"
#include "pushback_abi.h"
#include "seed.h"

#define ITEMS(array) (sizeof(array) / sizeof((array)[0]))

/* Ascending, distinct, no empty value, and the count is theirs. */
static void assert_sound(const struct hist *h)
{
	uint64_t count = 0;

	for (size_t i = 0; i < h->size; i++) {
		assert_int_not_equal(h->values[i].count, 0);
		if (i)
			assert_true(h->values[i - 1].ns < h->values[i].ns);
		count += h->values[i].count;
	}
	assert_int_equal(h->count, count);
	assert_true(h->size <= h->capacity);
}

static void assert_values(const struct hist *h, const struct hist_value *values, size_t size)
{
	assert_sound(h);
	assert_int_equal(h->size, size);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(h->values[i].ns, values[i].ns);
		assert_int_equal(h->values[i].count, values[i].count);
	}
}

static struct hist hist_of(const struct hist_value *values, size_t size)
{
	struct hist h = { 0 };

	for (size_t i = 0; i < size; i++)
		assert_int_equal(hist_add(&h, values[i].ns, values[i].count), 0);
	return h;
}

#define ASSERT_VALUES(h, ...)                                    \
	assert_values(h, (const struct hist_value[])__VA_ARGS__, \
		      ITEMS(((const struct hist_value[])__VA_ARGS__)))
#define HIST_OF(...)                                    \
	hist_of((const struct hist_value[])__VA_ARGS__, \
		ITEMS(((const struct hist_value[])__VA_ARGS__)))

/* ---- buckets ---- */

/* By the words of the definition: octave, and the 32nd part of it. */
static unsigned int naive_index(uint64_t ns)
{
	uint64_t base = 1024;
	unsigned int octave = 0;

	if (ns < base)
		return 0;
	while (octave < PB_HIST_OCTAVES && ns / 2 >= base) {
		base *= 2;
		octave++;
	}
	if (octave == PB_HIST_OCTAVES)
		return PB_HIST_BUCKETS - 1;
	return octave * 32 + (unsigned int)((ns - base) / (base / 32));
}

static void test_index_at_the_edges(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned int index;
	} table[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 1023, 0 },
		{ 1024, 0 },
		{ 1055, 0 },
		{ 1056, 1 },
		{ 2047, 31 },
		{ 2048, 32 },
		{ 2111, 32 },
		{ 2112, 33 },
		{ (1ULL << 43) - 1, PB_HIST_BUCKETS - 1 },
		{ 1ULL << 43, PB_HIST_BUCKETS - 1 },
		{ UINT64_MAX, PB_HIST_BUCKETS - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(table); i++) {
		assert_int_equal(pb_hist_index(table[i].ns), table[i].index);
		assert_int_equal(naive_index(table[i].ns), table[i].index);
	}
}

static void test_bucket_middle_is_in_its_bucket(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PB_HIST_BUCKETS; i++) {
		assert_int_equal(pb_hist_index(hist_bucket_ns(i)), i);
		if (i)
			assert_true(hist_bucket_ns(i - 1) < hist_bucket_ns(i));
	}
	assert_int_equal(hist_bucket_ns(0), 1040);
	assert_int_equal(hist_bucket_ns(33), 2048 + 64 + 32);
}

static void test_bucket_middle_is_near(void **state)
{
	struct seed s = seed_new(__func__);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t ns = 1024 + seed_log(&s, 42);
		unsigned int index = pb_hist_index(ns);

		assert_int_equal(index, naive_index(ns));
		assert_true(fabs((double)hist_bucket_ns(index) - (double)ns) <= (double)ns / 64);
	}
}

/* ---- adding ---- */

static void test_add_keeps_order(void **state)
{
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(hist_add(&h, 30, 1), 0);
	assert_int_equal(hist_add(&h, 10, 2), 0);
	assert_int_equal(hist_add(&h, 20, 3), 0);
	assert_int_equal(hist_add(&h, 10, 4), 0);
	assert_int_equal(hist_add(&h, 40, 0), 0);
	ASSERT_VALUES(&h, { { 10, 6 }, { 20, 3 }, { 30, 1 } });
	hist_clear(&h);
	assert_values(&h, NULL, 0);
	assert_int_equal(hist_add(&h, 5, 1), 0);
	ASSERT_VALUES(&h, { { 5, 1 } });
	hist_free(&h);
	assert_values(&h, NULL, 0);
}

static void test_add_all(void **state)
{
	struct hist h = HIST_OF({ { 10, 1 }, { 30, 2 } });
	struct hist from = HIST_OF({ { 5, 1 }, { 10, 3 }, { 20, 4 }, { 40, 5 } });
	struct hist empty = { 0 };

	(void)state;
	assert_int_equal(hist_add_all(&h, &from), 0);
	ASSERT_VALUES(&h, { { 5, 1 }, { 10, 4 }, { 20, 4 }, { 30, 2 }, { 40, 5 } });
	assert_int_equal(hist_add_all(&h, &empty), 0);
	ASSERT_VALUES(&h, { { 5, 1 }, { 10, 4 }, { 20, 4 }, { 30, 2 }, { 40, 5 } });
	assert_int_equal(hist_add_all(&empty, &h), 0);
	ASSERT_VALUES(&empty, { { 5, 1 }, { 10, 4 }, { 20, 4 }, { 30, 2 }, { 40, 5 } });
	ASSERT_VALUES(&from, { { 5, 1 }, { 10, 3 }, { 20, 4 }, { 40, 5 } });
	hist_free(&h);
	hist_free(&from);
	hist_free(&empty);
}

static void test_count_never_wraps(void **state)
{
	struct hist h = HIST_OF({ { 10, UINT64_MAX - 5 } });
	struct hist from = HIST_OF({ { 10, 3 }, { 20, 9 } });

	(void)state;
	assert_int_equal(hist_add_all(&h, &from), 0);
	ASSERT_VALUES(&h, { { 10, UINT64_MAX - 2 }, { 20, 2 } });
	assert_int_equal(hist_add(&h, 30, 1), 0);
	ASSERT_VALUES(&h, { { 10, UINT64_MAX - 2 }, { 20, 2 } });
	hist_free(&h);
	hist_free(&from);
}

static void test_adding_is_like_a_list(void **state)
{
	struct seed s = seed_new(__func__);

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint64_t count[64] = { 0 }, sum = 0;
		struct hist h = { 0 }, part = { 0 };

		for (int i = 0; i < 100; i++) {
			uint64_t ns = seed_below(&s, 64), n = seed_below(&s, 4);

			count[ns] += n;
			sum += ns * n;
			assert_int_equal(hist_add(&part, ns, n), 0);
			if (seed_chance(&s, 10)) {
				assert_int_equal(hist_add_all(&h, &part), 0);
				assert_sound(&h);
				hist_clear(&part);
			}
		}
		assert_int_equal(hist_add_all(&h, &part), 0);
		assert_sound(&h);
		assert_int_equal(hist_sum(&h), sum);
		for (size_t i = 0; i < h.size; i++) {
			assert_int_equal(h.values[i].count, count[h.values[i].ns]);
			count[h.values[i].ns] = 0;
		}
		for (size_t i = 0; i < 64; i++)
			assert_int_equal(count[i], 0);
		hist_free(&h);
		hist_free(&part);
	}
}

/* ---- sum and quantiles ---- */

static void test_sum(void **state)
{
	struct hist empty = { 0 };
	struct hist h = HIST_OF({ { 10, 3 }, { 1000, 2 } });
	struct hist product = HIST_OF({ { 1ULL << 40, 1ULL << 40 } });
	struct hist sum = HIST_OF({ { UINT64_MAX - 1, 1 }, { UINT64_MAX, 1 } });

	(void)state;
	assert_int_equal(hist_sum(&empty), 0);
	assert_int_equal(hist_sum(&h), 2030);
	assert_int_equal(hist_sum(&product), UINT64_MAX);
	assert_int_equal(hist_sum(&sum), UINT64_MAX);
	hist_free(&h);
	hist_free(&product);
	hist_free(&sum);
}

static void test_quantiles(void **state)
{
	static const struct {
		double q;
		uint64_t ns;
	} table[] = {
		{ 0, 1 },     { -1, 1 },      { (double)NAN, 1 }, { 0.01, 1 }, { 0.0101, 2 },
		{ 0.07, 7 },  { 0.5, 50 },    { 0.501, 51 },      { 0.9, 90 }, { 0.95, 95 },
		{ 0.99, 99 }, { 0.991, 100 }, { 1, 100 },         { 2, 100 },
	};
	struct hist h = { 0 }, empty = { 0 };
	struct hist two = HIST_OF({ { 1, 99 }, { 7, 1 } });

	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(hist_add(&h, i, 1), 0);
	for (size_t i = 0; i < ITEMS(table); i++)
		assert_int_equal(hist_quantile(&h, table[i].q), table[i].ns);
	assert_int_equal(hist_quantile(&two, 0.99), 1);
	assert_int_equal(hist_quantile(&two, 0.995), 7);
	assert_int_equal(hist_quantile(&empty, 0.5), 0);
	hist_free(&h);
	hist_free(&two);
}

/* ---- trimming ---- */

static void test_trim(void **state)
{
	struct hist h = HIST_OF({ { 10, 1 }, { 20, 5 }, { 30, 5 }, { 40, 3 } });

	(void)state;
	hist_trim(&h, 0);
	ASSERT_VALUES(&h, { { 10, 1 }, { 20, 5 }, { 30, 5 }, { 40, 3 } });
	hist_trim(&h, 3);
	ASSERT_VALUES(&h, { { 10, 1 }, { 20, 4 }, { 30, 3 }, { 40, 3 } });
	assert_true(hist_take(&h, 20, 1));
	hist_trim(&h, 7);
	ASSERT_VALUES(&h, { { 10, 1 }, { 20, 1 }, { 30, 1 } });
	assert_false(hist_take(&h, 20, 2) || hist_take(&h, 25, 1) || hist_take(&h, 31, 1));
	assert_true(hist_take(&h, 20, 1));
	ASSERT_VALUES(&h, { { 10, 1 }, { 30, 1 } });
	hist_trim(&h, 5);
	assert_false(hist_take(&h, 10, 1));
	assert_values(&h, NULL, 0);
	hist_free(&h);
}

/* One duration away, from the most frequent value, of equals from the largest. */
static void naive_trim_one(uint64_t *count, size_t size)
{
	size_t most = 0;

	for (size_t i = 1; i < size; i++)
		if (count[i] >= count[most])
			most = i;
	if (count[most])
		count[most]--;
}

static void test_trim_is_one_by_one(void **state)
{
	struct seed s = seed_new(__func__);

	(void)state;
	for (int round = 0; round < 500; round++) {
		uint64_t count[20], left = 0, away;
		struct hist h = { 0 };

		for (size_t i = 0; i < 20; i++) {
			count[i] = seed_log(&s, 8);
			left += count[i];
			assert_int_equal(hist_add(&h, 100 + i, count[i]), 0);
		}
		away = seed_below(&s, left + 3);
		for (uint64_t i = 0; i < away; i++)
			naive_trim_one(count, 20);
		hist_trim(&h, away);
		assert_sound(&h);
		assert_int_equal(h.count, away < left ? left - away : 0);
		for (size_t i = 0; i < h.size; i++)
			assert_int_equal(h.values[i].count, count[h.values[i].ns - 100]);
		hist_free(&h);
	}
}

/* ---- reducing ---- */

static void test_reduce_small(void **state)
{
	struct hist h = HIST_OF({ { 10, 1 }, { 20, 1 }, { 30, 3 } });
	struct hist empty = { 0 };

	(void)state;
	hist_reduce(&empty, HIST_VALUES_MAX);
	assert_values(&empty, NULL, 0);
	hist_reduce(&h, 3);
	ASSERT_VALUES(&h, { { 10, 1 }, { 20, 1 }, { 30, 3 } });
	hist_reduce(&h, 2);
	ASSERT_VALUES(&h, { { 10, 1 }, { 27, 4 } });
	hist_reduce(&h, 1);
	ASSERT_VALUES(&h, { { 24, 5 } });
	hist_reduce(&h, 0);
	ASSERT_VALUES(&h, { { 24, 5 } });
	hist_free(&h);
}

static void test_reduce_merges_near_and_light_ones(void **state)
{
	/* 1010 is ten times as far from 1000 as 100100 is from 100000, relatively, but lighter. */
	struct hist h = HIST_OF({ { 1, 1 },
				  { 1000, 1 },
				  { 1010, 1 },
				  { 100000, 500 },
				  { 100100, 500 },
				  { 900000, 1 } });

	(void)state;
	hist_reduce(&h, 5);
	ASSERT_VALUES(&h,
		      { { 1, 1 }, { 1005, 2 }, { 100000, 500 }, { 100100, 500 }, { 900000, 1 } });
	hist_reduce(&h, 4);
	ASSERT_VALUES(&h, { { 1, 1 }, { 1005, 2 }, { 100050, 1000 }, { 900000, 1 } });
	hist_reduce(&h, 3);
	ASSERT_VALUES(&h, { { 1, 1 }, { 99852, 1002 }, { 900000, 1 } });
	hist_free(&h);
}

/* Far enough from its goal to go in sweeps; all pairs cost the same or nearly. */
static void test_reduce_of_equals_ends(void **state)
{
	(void)state;
	for (uint64_t step = 1; step < 1ULL << 50; step *= 8) {
		struct hist h = { 0 };

		for (uint64_t i = 0; i < 3000; i++)
			assert_int_equal(hist_add(&h, (1 + i) * step, 7), 0);
		hist_reduce(&h, HIST_VALUES_MAX);
		assert_sound(&h);
		assert_int_equal(h.size, HIST_VALUES_MAX);
		assert_int_equal(h.count, 21000);
		hist_free(&h);
	}
}

static void test_reduce_of_extremes(void **state)
{
	struct hist h = HIST_OF({ { 0, 1ULL << 62 },
				  { 1, 1ULL << 62 },
				  { 2, 1 },
				  { UINT64_MAX - 1, 1ULL << 62 },
				  { UINT64_MAX, 1 } });

	(void)state;
	hist_reduce(&h, 4);
	ASSERT_VALUES(&h, { { 0, 1ULL << 62 },
			    { 1, (1ULL << 62) + 1 },
			    { UINT64_MAX - 1, 1ULL << 62 },
			    { UINT64_MAX, 1 } });
	hist_reduce(&h, 1);
	assert_int_equal(h.size, 1);
	assert_int_equal(h.count, 3 * (1ULL << 62) + 2);
	assert_true(fabs((double)h.values[0].ns / ((double)UINT64_MAX / 3) - 1) < 1e-9);
	hist_free(&h);
}

/* Twins that are heavy and alone are left alone while there are light ones to merge. */
static void test_reduce_merges_light_ones_first(void **state)
{
	struct hist h = HIST_OF({ { 500, 1 } });
	size_t twins = 0;

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(hist_add(&h, 1000 + 10 * i, 1), 0);
	for (uint64_t i = 1; i <= 10; i++) {
		assert_int_equal(hist_add(&h, i * 1000000, 1000000), 0);
		assert_int_equal(hist_add(&h, i * 1000000 + 20000, 1000000), 0);
	}
	hist_reduce(&h, HIST_VALUES_MAX);
	assert_sound(&h);
	assert_int_equal(h.size, HIST_VALUES_MAX);
	for (size_t i = 0; i < h.size; i++)
		twins += h.values[i].count == 1000000;
	assert_int_equal(twins, 20);
	hist_free(&h);
}

/* What a busy step's interval looks like: a few humps of durations in the kernel's buckets. */
static struct hist busy(struct seed *s, int samples)
{
	struct hist h = { 0 };
	uint64_t middle[3];

	for (int i = 0; i < 3; i++)
		middle[i] = 2000 + seed_log(s, 34);
	for (int i = 0; i < samples; i++) {
		uint64_t ns = middle[seed_below(s, 3)];

		ns = ns / 4 + seed_below(s, ns) * (1 + seed_below(s, 4)) / 2;
		assert_int_equal(hist_add(&h, hist_bucket_ns(pb_hist_index(ns)),
					  1 + (seed_chance(s, 20) ? seed_below(s, 1000) : 0)),
				 0);
	}
	return h;
}

static struct hist copy_of(const struct hist *h)
{
	struct hist copy = { 0 };

	assert_int_equal(hist_add_all(&copy, h), 0);
	return copy;
}

/* Greedy by the letter: always the one cheapest pair, real numbers, groups that remember their sum.
 */
static size_t naive_reduce(const struct hist *h, size_t most, double *count, double *sum)
{
	size_t size = h->size;

	for (size_t i = 0; i < size; i++) {
		count[i] = (double)h->values[i].count;
		sum[i] = (double)h->values[i].ns * count[i];
	}
	while (size > most) {
		double least = INFINITY;
		size_t best = 1;

		for (size_t i = 1; i + 2 < size; i++) {
			double x = sum[i] / count[i], y = sum[i + 1] / count[i + 1];
			double mean = (sum[i] + sum[i + 1]) / (count[i] + count[i + 1]);
			double cost = count[i] * (mean - x) / x + count[i + 1] * (y - mean) / y;

			if (cost < least) {
				least = cost;
				best = i;
			}
		}
		count[best] += count[best + 1];
		sum[best] += sum[best + 1];
		size--;
		memmove(&count[best + 1], &count[best + 2], (size - best - 1) * sizeof(*count));
		memmove(&sum[best + 1], &sum[best + 2], (size - best - 1) * sizeof(*sum));
	}
	return size;
}

/* How far all durations were moved, relative to their size: both in order, rank by rank. */
static double moved(const struct hist *h, const double *ns, const double *count, size_t size)
{
	double sum = 0, room = count[0];
	size_t to = 0;

	for (size_t i = 0; i < h->size; i++) {
		double left = (double)h->values[i].count;

		while (left > 0 && to < size) {
			double n = left < room ? left : room;

			sum += n * fabs(ns[to] - (double)h->values[i].ns) / (double)h->values[i].ns;
			left -= n;
			room -= n;
			if (room <= 0 && ++to < size)
				room = count[to];
		}
	}
	return sum;
}

static double moved_to(const struct hist *h, const struct hist *reduced)
{
	double ns[PB_HIST_BUCKETS], count[PB_HIST_BUCKETS];

	for (size_t i = 0; i < reduced->size; i++) {
		ns[i] = (double)reduced->values[i].ns;
		count[i] = (double)reduced->values[i].count;
	}
	return moved(h, ns, count, reduced->size);
}

static double naive_moved(const struct hist *h, size_t most)
{
	double count[PB_HIST_BUCKETS], sum[PB_HIST_BUCKETS];
	size_t size = naive_reduce(h, most, count, sum);

	for (size_t i = 0; i < size; i++)
		sum[i] /= count[i];
	return moved(h, sum, count, size);
}

static void assert_reduced(const struct hist *h, const struct hist *reduced, size_t most)
{
	uint64_t top = 0, sum = hist_sum(h), sum_now = hist_sum(reduced);

	assert_sound(reduced);
	assert_int_equal(reduced->size, h->size < most ? h->size : most);
	assert_int_equal(reduced->count, h->count);
	assert_int_equal(reduced->values[0].ns, h->values[0].ns);
	assert_int_equal(reduced->values[0].count, h->values[0].count);
	assert_int_equal(reduced->values[reduced->size - 1].ns, h->values[h->size - 1].ns);
	assert_int_equal(reduced->values[reduced->size - 1].count, h->values[h->size - 1].count);
	for (size_t i = 0; i < reduced->size; i++)
		if (reduced->values[i].count > top)
			top = reduced->values[i].count;
	assert_true((sum > sum_now ? sum - sum_now : sum_now - sum) <= top / 2);
}

static void test_reduce_keeps_what_it_says(void **state)
{
	struct seed s = seed_new(__func__);
	double worst = 0;

	(void)state;
	for (int round = 0; round < 150; round++) {
		size_t most = seed_chance(&s, 70) ? HIST_VALUES_MAX : 3 + seed_below(&s, 60);
		struct hist h = busy(&s, 1 + (int)seed_below(&s, 3000));
		struct hist reduced = copy_of(&h);
		double ours, naive;

		hist_reduce(&reduced, most);
		assert_reduced(&h, &reduced, most);
		ours = moved_to(&h, &reduced);
		naive = naive_moved(&h, most);
		/* Sweeps may choose a little worse than one by one, and are not to do more than
		 * that. */
		assert_true(ours <= 1.5 * naive + 1e-3 * (double)h.count);
		if (naive > 0 && ours / naive > worst)
			worst = ours / naive;
		hist_free(&h);
		hist_free(&reduced);
	}
	printf("  moved at most %.2f times as far as one by one\n", worst);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_at_the_edges),
		cmocka_unit_test(test_bucket_middle_is_in_its_bucket),
		cmocka_unit_test(test_bucket_middle_is_near),
		cmocka_unit_test(test_add_keeps_order),
		cmocka_unit_test(test_add_all),
		cmocka_unit_test(test_count_never_wraps),
		cmocka_unit_test(test_adding_is_like_a_list),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_trim_is_one_by_one),
		cmocka_unit_test(test_reduce_small),
		cmocka_unit_test(test_reduce_merges_near_and_light_ones),
		cmocka_unit_test(test_reduce_of_equals_ends),
		cmocka_unit_test(test_reduce_of_extremes),
		cmocka_unit_test(test_reduce_merges_light_ones_first),
		cmocka_unit_test(test_reduce_keeps_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
