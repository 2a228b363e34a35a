/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "reader.h"
#include "reader_ends.h"

/* Stands for a read of that process, which is held until it is let go. */
struct held {
	struct reader_job job;
	pid_t pid;
	long late_ms;
	atomic_bool is_held;
	bool turned;
	/* Each of so many is held for a while, which is not long enough for one alone. */
	const pid_t *others;
	size_t others_count;
};

static atomic_uint released;

static void pass_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void run(struct reader_job *job)
{
	struct held *h = (struct held *)job;

	pass_ms(h->late_ms);
	h->turned = reader_turn(job, h->pid);
	while (h->turned && atomic_load(&h->is_held))
		pass_ms(10);
	for (size_t i = 0; i < h->others_count; i++) {
		if (reader_turn(job, h->others[i]))
			pass_ms(300);
	}
}

static void release(struct reader_job *job)
{
	free(job);
	atomic_fetch_add(&released, 1);
}

static struct held *held_new(pid_t pid, bool is_held)
{
	struct held *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->job = (struct reader_job){ .run = run, .release = release };
	h->pid = pid;
	h->is_held = is_held;
	return h;
}

static pid_t begin_process(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool is_read(pid_t pid)
{
	struct held *h = held_new(pid, false);
	bool turned;

	assert_true(reader_run(&h->job));
	turned = h->turned;
	free(h);
	return turned;
}

static void test_a_job_is_run(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(is_read(getpid()));
	assert_true(reader_cpu_ns() < 10000000000ull);
}

static void test_one_that_is_held_is_given_up(void **state)
{
	pid_t holder = begin_process(), other = begin_process();
	struct held *h = held_new(holder, true);

	(void)state;
	assert_false(reader_run(&h->job));
	assert_int_equal(released, 0);
	/* Another one reads, but not there. */
	assert_true(is_read(other));
	assert_false(is_read(holder));
	/* It is back, and its job is freed. */
	atomic_store(&h->is_held, false);
	for (int i = 0; i < 1000 && !released; i++)
		pass_ms(10);
	assert_int_equal(released, 1);
	assert_false(is_read(holder));
	end_process(holder);
	end_process(other);
}

/* One after the other they would hold us for as long as they like: one of them pays for it. */
static void test_many_that_hold_for_less_are_no_better(void **state)
{
	pid_t slow[12];
	size_t count = sizeof(slow) / sizeof(*slow), before = released, unread = 0;
	struct held *h;

	(void)state;
	if (reader_is_thread())
		skip();
	h = held_new(getpid(), false);
	for (size_t i = 0; i < count; i++)
		slow[i] = begin_process();
	h->others = slow;
	h->others_count = count;
	assert_false(reader_run(&h->job));
	for (int i = 0; i < 1000 && released == before; i++)
		pass_ms(10);
	assert_int_equal(released, before + 1);
	for (size_t i = 0; i < count; i++)
		unread += !is_read(slow[i]);
	assert_int_equal(unread, 1);
	for (size_t i = 0; i < count; i++)
		end_process(slow[i]);
}

/* On a machine that is so busy that it has hardly begun. */
static void test_one_that_begins_late_is_not_held(void **state)
{
	pid_t self = getpid();
	struct held *h = held_new(self, false);

	(void)state;
	h->late_ms = 2500;
	h->others = &self;
	h->others_count = 1;
	assert_true(reader_run(&h->job));
	assert_true(h->turned);
	free(h);
}

static void test_a_new_one_after_the_end(void **state)
{
	(void)state;
	assert_true(is_read(getpid()));
	reader_end();
	reader_end();
	assert_true(is_read(getpid()));
}

static unsigned int count_threads(void)
{
	unsigned int count = 0;
	DIR *tasks = opendir("/proc/self/task");

	assert_non_null(tasks);
	for (const struct dirent *d; (d = readdir(tasks));)
		count += d->d_name[0] != '.';
	closedir(tasks);
	return count;
}

/* Who has joined a thread may still see it among the tasks for a moment. */
static unsigned int count_after_joining(unsigned int wanted)
{
	for (int i = 0; i < 1000 && count_threads() != wanted; i++)
		pass_ms(1);
	return count_threads();
}

static void test_nothing_is_left_at_the_end(void **state)
{
	unsigned int before;

	(void)state;
	reader_end();
	before = count_after_joining(1);
	for (int i = 0; i < 100; i++) {
		assert_true(is_read(getpid()));
		assert_int_equal(count_threads(), before + 1);
		reader_end();
		assert_int_equal(count_after_joining(before), before);
	}
}

static void die(struct reader_job *job)
{
	(void)job;
	kill(getpid(), SIGKILL);
}

/* As when the kernel is out of memory. Where a thread reads it would be the test that dies. */
static void test_one_that_dies(void **state)
{
	struct held *h;

	(void)state;
	assert_true(is_read(getpid()));
	if (!reader_cpu_ns())
		skip();
	h = held_new(getpid(), false);
	released = 0;
	h->job.run = die;
	assert_false(reader_run(&h->job));
	assert_int_equal(released, 1);
	assert_true(is_read(getpid()));
}

#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZER \
	true /* a thread where a fork's parent had one is more than it can tell apart */
#else
#define THREAD_SANITIZER false
#endif

/* It has none of its parent's. */
static void test_a_fork_has_its_own(void **state)
{
	bool turned;
	int status;
	pid_t child;

	(void)state;
	if (THREAD_SANITIZER)
		skip();
	assert_true(is_read(getpid()));
	child = fork();
	if (!child) {
		turned = is_read(getppid());
		reader_end();
		_exit(turned ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_job_is_run),
		cmocka_unit_test(test_one_that_is_held_is_given_up),
		cmocka_unit_test(test_one_that_begins_late_is_not_held),
		cmocka_unit_test(test_a_new_one_after_the_end),
		cmocka_unit_test(test_nothing_is_left_at_the_end),
		cmocka_unit_test(test_one_that_dies),
		cmocka_unit_test(test_a_fork_has_its_own),
		/* Last: it leaves no patience. */
		cmocka_unit_test(test_many_that_hold_for_less_are_no_better),
	};

	return cmocka_run_group_tests(tests, NULL, reader_ends);
}
