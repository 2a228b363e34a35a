/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the model fails once. The program's own malloc makes that happen; where a
 * sanitizer or valgrind owns malloc, or libc is linked in, only the run without a failure is left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model.h"
#include "records.h"
#include "step_series.h"

#define START (1000 * SEC)
#define STEPS 250 /* more than the tables begin with */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#if !defined(OWN_MALLOC) && defined(__GLIBC__) && defined(__PIC__)
#define OWN_MALLOC 1
#endif

static bool counting;
static long until_failure = -1; /* allocations; -1: none fails */
static long allocations;

#if OWN_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool fails(void)
{
	return counting && allocations++ == until_failure;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

void *realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}
#endif

/* Samples of `record`: more closed episodes than samples in one direction, fewer in the other. */
static void make_samples(struct record *record, uint64_t i)
{
	for (int d = 0; d < 2; d++) {
		record->samples[d] = (struct hist){ 0 };
		for (uint64_t k = 0; k < 12; k++)
			assert_int_equal(hist_add(&record->samples[d], 1000 + i + k * 100, 2), 0);
		record->rest_ns[d] = 77000 + i;
	}
	record->counter[COUNTER_SEND_EPISODES] += 30;
	record->counter[COUNTER_RECEIVE_EPISODES] += 20;
	record->counter[COUNTER_SEND] += 3;
	record->settle = true;
}

/* A drain of all steps; how many records could not be taken as they were. */
static int drain(struct model *m, uint64_t now, struct record *records, bool dead)
{
	int failed = 0;

	model_begin(m, now);
	for (uint64_t i = 0; i < STEPS; i++) {
		int err;

		make_samples(&records[i], i);
		records[i].dead = dead;
		counting = true;
		err = model_record(m, &records[i], "a:b");
		counting = false;
		if (err)
			assert_int_equal(err, -ENOMEM);
		failed += err != 0;
		hist_free(&records[i].samples[0]);
		hist_free(&records[i].samples[1]);
	}
	model_end(m);
	return failed;
}

/* All is as if nothing had failed: what one record lost, the next one has made up for. */
static void assert_whole(const struct model *m, uint64_t drains)
{
	size_t count;
	const struct series *const *series = step_series(m, &count);
	uint64_t sent = 0, closed[2] = { 0, 0 }, instances = 0;

	for (size_t i = 0; i < count; i++) {
		sent += series[i]->counter[COUNTER_SEND];
		instances += series[i]->gauge[GAUGE_INSTANCES];
		for (int d = 0; d < 2; d++)
			closed[d] += series[i]->durations[d].count;
	}
	assert_int_equal(count, 40);
	assert_int_equal(instances, STEPS);
	assert_int_equal(sent, 3 * STEPS * drains);
	assert_int_equal(closed[PUSHBACK_SEND], 30 * STEPS * drains);
	assert_int_equal(closed[PUSHBACK_RECEIVE], 20 * STEPS * drains);
	model_steps(m, &count);
	assert_int_equal(count, STEPS);
}

/* How many records failed. */
static int run(struct record *records)
{
	struct model *m;
	int failed;
	size_t count;

	for (uint64_t i = 0; i < STEPS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "step %d", (int)(i % 40));
		records[i] = record_of(1, i + 1, name);
	}
	counting = true;
	m = model_new();
	counting = false;
	if (!m)
		return 1;
	failed = drain(m, START, records, false);
	failed += drain(m, START + SEC, records, false);
	failed += drain(m, START + 2 * SEC, records, false);
	assert_whole(m, 3);
	failed += drain(m, START + 3 * SEC, records, true);
	model_steps(m, &count);
	assert_int_equal(count, 0);
	model_next_interval(m);
	model_series(m, &count);
	assert_int_equal(count, 0);
	model_free(m);
	return failed;
}

static void test_no_failure(void **state)
{
	static struct record records[STEPS];

	(void)state;
	until_failure = -1;
	allocations = 0;
	assert_int_equal(run(records), 0);
}

static void test_each_allocation_fails_once(void **state)
{
	static struct record records[STEPS];
	long all, failed = 0;

	(void)state;
	if (!allocations)
		skip();
	all = allocations;
	for (long i = 0; i < all; i++) {
		until_failure = i;
		allocations = 0;
		failed += run(records);
	}
	until_failure = -1;
	/* One each: a failure is told, and harms no record but its own. */
	assert_int_equal(failed, all);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_failure),
		cmocka_unit_test(test_each_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
