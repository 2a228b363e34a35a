/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "peek.h"
#include "records.h"
#include "reader_ends.h"
#include "sampler.h"

#define PAGE     4096
#define PER_PAGE (PAGE / sizeof(struct pushback_step))
#define STEPS    (3 * PER_PAGE)

/* A fork has them at the same place. */
static struct pushback_step *steps;
static pid_t child;

static void *stay(void *context)
{
	for (;;)
		pause();
	return context;
}

/* A thread inside of each step; with or without the process's first thread and the second page. */
static void be_inside(bool without_first, bool without_page)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < STEPS; i++) {
		pushback_step_init(&steps[i], "inside");
		steps[i].inside = (i + 1) << 4 | 1;
		steps[i].instance = i + 1;
	}
	if (without_page)
		munmap(&steps[PER_PAGE], PAGE);
	steps[0].depth = 1;
	if (!without_first)
		stay(NULL);
	if (pthread_create(&thread, NULL, stay, NULL))
		_exit(1);
	pthread_exit(NULL);
}

/* Until a read of the child's mark of being ready says this. */
static ssize_t wait_for(ssize_t want)
{
	uint64_t ready = 0;
	struct iovec to = { &ready, sizeof(ready) }, from = { &steps[0].depth, sizeof(ready) };
	struct timespec moment = { .tv_nsec = 1000000 };
	ssize_t n = 0;

	for (int i = 0; i < 10000 && (n != want || (n > 0 && !ready)); i++) {
		nanosleep(&moment, NULL);
		n = process_vm_readv(child, &to, 1, &from, 1, 0);
		n = n < 0 ? -errno : n;
	}
	return n;
}

static void start(bool without_first, bool without_page)
{
	child = fork();
	assert_true(child >= 0);
	if (!child)
		be_inside(without_first, without_page);
}

static int map_steps(void **state)
{
	(void)state;
	steps = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return steps == MAP_FAILED ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	munmap(steps, 3 * PAGE);
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

static void add_steps(struct sampler *sampler, struct model *model, uint64_t now)
{
	model_begin(model, now);
	sampler_begin(sampler);
	for (size_t i = 0; i < STEPS; i++) {
		struct record r = record_of((uint32_t)child, i + 1, "inside");

		r.place = (uint64_t)(uintptr_t)&steps[i];
		assert_int_equal(model_record(model, &r, ""), 0);
		assert_int_equal(sampler_add(sampler, &r), 0);
	}
	sampler_end(sampler);
	model_end(model);
}

/* The steps that samples found a thread inside of, a character for each. */
static const char *sample(void)
{
	static char seen[STEPS + 1];
	struct sampler *sampler = sampler_new();
	struct model *model = model_new();
	const struct step_view *views;
	size_t count;

	add_steps(sampler, model, clock_ns());
	for (int i = 0; i < 3; i++)
		sampler_run(sampler, model, clock_ns());
	model_begin(model, clock_ns());
	model_end(model);
	views = model_steps(model, &count);
	assert_int_equal(count, STEPS);
	for (size_t i = 0; i < STEPS; i++)
		seen[i] = views[i].record->counter[COUNTER_BUSY_TIME] ? '1' : '0';
	model_free(model);
	sampler_free(sampler);
	return seen;
}

static void test_threads_inside(void **state)
{
	(void)state;
	start(false, false);
	assert_int_equal(wait_for(sizeof(uint64_t)), sizeof(uint64_t));
	assert_string_equal(sample(), "111111111111111111111111");
}

/* What lies behind it is seen all the same. */
static void test_page_is_gone(void **state)
{
	(void)state;
	start(false, true);
	assert_int_equal(wait_for(sizeof(uint64_t)), sizeof(uint64_t));
	assert_string_equal(sample(), "111111110000000011111111");
}

static void test_first_thread_has_exited(void **state)
{
	struct pushback_step seen;
	struct peek_step asked = { .place = (uint64_t)(uintptr_t)steps, .step = &seen };
	struct peeker *peeker = peeker_new();

	(void)state;
	assert_non_null(peeker);
	pushback_step_init(&seen, "inside");
	seen.instance = 1;
	start(true, false);
	assert_int_equal(wait_for(-ESRCH), -ESRCH);
	assert_string_equal(sample(), "111111111111111111111111");
	asked.pid = child;
	peek_steps(peeker, &asked, 1);
	peeker_free(peeker);
	assert_int_equal(asked.result, 0);
	assert_int_equal(seen.inside, 0x11);
}

static void test_process_is_gone(void **state)
{
	(void)state;
	start(false, false);
	kill(child, SIGKILL);
	assert_int_equal(wait_for(-ESRCH), -ESRCH);
	assert_string_equal(sample(), "000000000000000000000000");
}

static void wake(int signal)
{
	(void)signal;
}

/* One that handles a signal has run. */
static void be_woken(void)
{
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = wake }, NULL);
	be_inside(false, false);
}

/* From outside, of which it takes no notice. */
static void leave_first_step(void)
{
	uint64_t nothing = 0;
	struct iovec from = { &nothing, sizeof(nothing) };
	struct iovec to = { &steps[0].inside, sizeof(nothing) };

	assert_int_equal(process_vm_writev(child, &from, 1, &to, 1, 0), sizeof(nothing));
}

/* Whether the next sample finds a thread inside of the first step; a sample each tenth of a second. */
static bool is_seen_inside(struct sampler *sampler, struct model *model, uint64_t *now)
{
	const struct step_view *views;
	uint64_t busy[2];
	size_t count;

	for (int i = 0; i < 2; i++) {
		sampler_run(sampler, model, *now += SEC / 10);
		views = model_steps(model, &count);
		assert_int_equal(count, STEPS);
		busy[i] = views[0].record->counter[COUNTER_BUSY_TIME];
	}
	return busy[1] > busy[0];
}

/* What it was like is known: until it runs again, or other steps are looked at. */
static void test_who_has_not_run_is_not_read(void **state)
{
	struct sampler *sampler = sampler_new();
	struct model *model = model_new();
	uint64_t now = clock_ns();

	(void)state;
	child = fork();
	if (!child)
		be_woken();
	assert_int_equal(wait_for(sizeof(uint64_t)), sizeof(uint64_t));
	add_steps(sampler, model, now);
	for (int i = 0; i < 10; i++) {
		assert_true(is_seen_inside(sampler, model, &now));
		add_steps(sampler, model, now);
	}
	leave_first_step();
	assert_true(is_seen_inside(sampler, model, &now));
	kill(child, SIGUSR1);
	for (int i = 0; i < 1000 && is_seen_inside(sampler, model, &now); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_false(is_seen_inside(sampler, model, &now));
	model_free(model);
	sampler_free(sampler);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, map_steps, stop)

/*
 * One for each 50 ms, and as likely at one moment of a consumer's rhythm as at another, also where
 * that is the sampler's own or twice as long.
 */
static void test_samples_have_no_rhythm(void **state)
{
	enum { SAMPLES = 20000, PARTS = 10 };
	static const uint64_t rhythm[] = { 33 * MS, 50 * MS, 100 * MS };
	struct sampler *sampler = sampler_new();
	struct model *model = model_new();
	unsigned int seen[3][PARTS] = { 0 };
	uint64_t begin = 10000 * SEC, now = begin;

	(void)state;
	for (int i = 0; i < SAMPLES; i++) {
		sampler_run(sampler, model, now);
		assert_true(sampler_due(sampler) >= now);
		now = sampler_due(sampler);
		for (int k = 0; k < 3; k++)
			seen[k][now % rhythm[k] * PARTS / rhythm[k]]++;
	}
	assert_in_range(now - begin, SAMPLES * 49 * MS, SAMPLES * 60 * MS);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < PARTS; i++)
			assert_in_range(seen[k][i], SAMPLES / PARTS * 88 / 100,
					SAMPLES / PARTS * 112 / 100);
	model_free(model);
	sampler_free(sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_threads_inside),
		TEST(test_page_is_gone),
		TEST(test_first_thread_has_exited),
		TEST(test_process_is_gone),
		TEST(test_who_has_not_run_is_not_read),
		cmocka_unit_test(test_samples_have_no_rhythm),
	};

	return cmocka_run_group_tests(tests, NULL, reader_ends);
}
