/* SPDX-License-Identifier: MIT */
/*
 * Durations that go into a histogram and are handed on now and then, from the entry's last ones or from
 * the histogram, which may be read after more went in: in the end each bucket has had what went in.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drain_durations.h"
#include "seed.h"

#define RUNS   400
#define DRAINS 60
#define NO_MAP (-1)

/* What BPF has of a step's direction. */
struct kernel {
	struct pb_step entry;
	struct pb_hist parts[PB_HIST_PARTS];
};

struct run {
	struct kernel kernel;
	struct durations seen;
	struct hist all, into;
};

static struct seed dice;

static unsigned int roll(unsigned int below)
{
	return (unsigned int)seed_below(&dice, below);
}

/* As put() and sample() of pushback.bpf.c do. */
static void put(struct kernel *k, unsigned int index, uint32_t weight)
{
	struct pb_recent *r = &k->entry.recent[0];

	k->entry.sequence_begin++;
	k->parts[index / PB_HIST_PART].count[index % PB_HIST_PART] += weight;
	k->entry.parts[0] |= 1u << index / PB_HIST_PART;
	r->last[r->count % PB_RECENT].index = (uint16_t)index;
	r->last[r->count % PB_RECENT].weight = weight <= UINT16_MAX ? (uint16_t)weight : 0;
	r->count++;
	k->entry.sampled[0] += weight;
	k->entry.sequence_end++;
}

static void put_some(struct kernel *k, unsigned int most)
{
	unsigned int around = roll(PB_HIST_BUCKETS - 8);

	for (unsigned int n = roll(most + 1); n; n--)
		put(k, roll(4) ? around + roll(8) : roll(PB_HIST_BUCKETS),
		    roll(50) ? 1 + roll(3) : UINT16_MAX + roll(3));
}

static void read_all(struct run *r)
{
	for (uint32_t part = 0; part < PB_HIST_PARTS; part++) {
		struct pb_hist_key key = { .part = part };

		assert_int_equal(durations_read(&r->seen, &key, &r->kernel.parts[part]), 0);
	}
}

/* Of the entry as it was, with all histograms, one part of the drains, with none. */
static void drain(struct run *r, unsigned int meanwhile)
{
	static const struct pb_step_key step;
	struct pb_step entry = r->kernel.entry;

	put_some(&r->kernel, meanwhile);
	if (roll(3))
		read_all(r);
	put_some(&r->kernel, meanwhile);
	drain_durations(&r->seen, NO_MAP, &step, &entry, 0, &r->into);
	assert_int_equal(hist_add_all(&r->all, &r->into), 0);
	assert_true(r->all.count <= entry.sampled[0]);
	if (durations_may_agree(&r->seen))
		durations_agree(&r->seen, &entry, &r->kernel.entry);
}

static uint64_t count_of(const struct hist *h, unsigned int index)
{
	for (size_t i = 0; i < h->size; i++)
		if (h->values[i].ns == hist_bucket_ns(index))
			return h->values[i].count;
	return 0;
}

static void expect_all(const struct run *r)
{
	for (unsigned int i = 0; i < PB_HIST_BUCKETS; i++)
		assert_int_equal(count_of(&r->all, i),
				 r->kernel.parts[i / PB_HIST_PART].count[i % PB_HIST_PART]);
}

static void end(struct run *r)
{
	durations_free(&r->seen);
	hist_free(&r->all);
	hist_free(&r->into);
	free(r);
}

static struct run *begin(void)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	return r;
}

static void test_each_is_handed_on_in_its_bucket(void **state)
{
	(void)state;
	dice = seed_new(__func__);
	for (int i = 0; i < RUNS; i++) {
		static const struct pb_step_key step;
		struct run *r = begin();
		unsigned int most = roll(3) ? 4 : 40, meanwhile = roll(2) ? 0 : roll(4);

		/* Counts of the ring wrap. */
		r->kernel.entry.recent[0].count = r->seen.recent[0] = roll(2) ? UINT32_MAX - 20 : 0;
		for (int n = 0; n < DRAINS; n++) {
			put_some(&r->kernel, most);
			drain(r, meanwhile);
		}
		read_all(r);
		drain_durations(&r->seen, NO_MAP, &step, &r->kernel.entry, 0, &r->into);
		assert_int_equal(hist_add_all(&r->all, &r->into), 0);
		expect_all(r);
		end(r);
	}
}

/* Without a histogram: all are in the entry, and after one that is not, once it was read, again. */
static void test_few_need_no_histogram(void **state)
{
	static const struct pb_step_key step;
	struct run *r = begin();

	(void)state;
	dice = seed_new(__func__);
	for (int n = 0; n < 100; n++) {
		for (unsigned int i = 0; i < (n == 50 ? PB_RECENT + 1 : PB_RECENT); i++)
			put(&r->kernel, roll(PB_HIST_BUCKETS), 1);
		if (n == 50 || n == 51)
			read_all(r);
		assert_int_equal(
			drain_durations(&r->seen, NO_MAP, &step, &r->kernel.entry, 0, &r->into), 0);
		assert_int_equal(durations_were_read(&r->seen), n == 50 || n == 51);
		assert_int_equal(durations_may_agree(&r->seen), n == 51);
		assert_true(durations_are_told(&r->seen, &r->kernel.entry));
		if (n == 51)
			durations_agree(&r->seen, &r->kernel.entry, &r->kernel.entry);
		assert_int_equal(hist_add_all(&r->all, &r->into), 0);
	}
	expect_all(r);
	end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_handed_on_in_its_bucket),
		cmocka_unit_test(test_few_need_no_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
