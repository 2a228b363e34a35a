/* SPDX-License-Identifier: MIT */
/* Beginnings, ends, forks and instance numbers of pushback.h, through real breakpoints in this process. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "watched.h"

/* ---- The end of a step, and of a process's copy ---- */

static void an_end_abandons_and_the_struct_can_be_used_again(void **state)
{
	const struct observer_fire *fire;
	uint64_t instance;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	pushback_forward_return(&a, REJECTED);
	instance = a.instance;
	fired(2);
	pushback_step_end(&a);
	fire = fired(1);
	assert_int_equal(fire->site, PUSHBACK_STEP_END);
	assert_int_equal(fire->value, 0);
	assert_int_equal(fire->no, 1);
	assert_true(fire->step.state & PUSHBACK_ENDED);
	assert_false(fire->step.state & PUSHBACK_OPEN_ANY);
	assert_true(fire->step.instance == instance);
	assert_int_equal(fire->step.direction[SEND].abandoned, 1);
	assert_int_equal(fire->step.direction[RECEIVE].abandoned, 1);
	assert_int_equal(fire->step.direction[SEND].closed, 0);
	assert_true(fire->step.direction[SEND].abandoned_ns > 0);
	/* A new one of the same name, seen from its beginning; ending it twice tells nothing. */
	pushback_step_end(&a);
	fired(0);
	pushback_submit_return(&a, REJECTED);
	fire = fired(1);
	assert_true(fire->step.instance != instance);
	assert_string_equal(fire->step.name, "a");
	assert_int_equal(fire->step.rejected, 1);
	assert_false(fire->step.state & PUSHBACK_PARTIAL);
	assert_int_equal(fire->step.direction[SEND].abandoned, 0);
}

static void an_end_is_told_at_any_armed_site(void **state)
{
	unsigned int site;

	(void)state;
	observer_raise(1);
	for (site = 0; site < 4; site++) {
		observer_arm(1u << site);
		pushback_submit_return(&a, REJECTED);
		observer_forget();
		pushback_step_end(&a);
		assert_true(fired(1)->step.state & PUSHBACK_ENDED);
		assert_int_equal(observer_fires[0].site, site);
	}
	observer_arm(0);
	pushback_submit_return(&a, REJECTED);
	pushback_step_end(&a);
	fired(0);
}

/* As a rebalance makes them; nobody has said that the old one ends. */
static void one_that_is_made_anew_has_its_last_word(void **state)
{
	const struct observer_fire *fire;
	uint64_t instance;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	instance = a.instance;
	for (int i = 0; i < 5; i++)
		pushback_submit_return(&a, REJECTED);
	fired(1);
	pushback_step_init(&a, "new");
	fire = fired(1);
	assert_int_equal(fire->site, PUSHBACK_STEP_END);
	assert_true(fire->step.instance == instance);
	assert_int_equal(fire->step.rejected, 6);
	assert_int_equal(fire->step.direction[SEND].abandoned, 1);
	assert_string_equal(fire->step.name, "a");
	assert_string_equal(a.name, "new");
	assert_int_equal(a.instance, 0);
	assert_int_equal(a.rejected, 0);
	/* It has not returned yet. */
	pushback_step_init(&a, "newer");
	fired(0);
}

/* Whatever the memory was, nobody else's step ends by it. */
static void what_is_no_step_of_this_watch_has_no_last_word(void **state)
{
	static _Alignas(64) unsigned char memory[8192]; /* on two pages at the least */
	struct pushback_step *copy = (void *)memory, *ran = (void *)(memory + 4096);

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	fired(1);
	memcpy(copy, &a, sizeof(a));
	pushback_step_init(copy, "copied before it was made");
	memset(copy, 0xff, sizeof(*copy));
	pushback_step_init(copy, "anything");
	memcpy(copy, &a, sizeof(a));
	copy->magic++;
	pushback_step_init(copy, "almost");
	fired(0);
	pushback_step_init(ran, "ran");
	pushback_submit_return(ran, REJECTED);
	fired(1);
	observer_detach();
	pushback_submit_return(ran, REJECTED);
	pushback_step_init(&a, "unwatched");
	observer_attach();
	pushback_step_init(ran, "unwatched since");
	fired(0);
}

static void an_end_keeps_the_cut_flag_and_unwatched_tells_nothing(void **state)
{
	char name[200] = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	pushback_step_init(&a, name);
	pushback_submit_return(&a, REJECTED);
	pushback_step_end(&a);
	assert_int_equal(a.epoch, PUSHBACK_EPOCH_FRESH);
	assert_int_equal(a.state, PUSHBACK_NAME_CUT);
	observer_attach();
	pushback_submit_return(&b, REJECTED);
	fired(1);
	pushback_step_end(&a); /* never called since */
	fired(0);
}

/* In the child: a step in mid-episode, one that was never called. */
static int child_of_a_watched_process(void)
{
	const struct observer_fire *fire = &observer_fires[0];
	uint64_t parents = a.epoch;

	observer_forget();
	pushback_submit_return(&a, REJECTED);
	if (observer_count != 1 || !(fire->step.state & PUSHBACK_PARTIAL) || a.epoch == parents)
		return 1;
	if (fire->step.watch_rejected != 2 || fire->step.rejected != 3 || fire->step.refused != 1)
		return 2;
	if (fire->step.direction[RECEIVE].since || fire->step.direction[SEND].closed)
		return 3;
	pushback_submit_return(&a, ACCEPTED);
	if (a.direction[SEND].partial != 1 || a.direction[SEND].closed != 0)
		return 4;
	observer_forget();
	pushback_submit_return(&b, REJECTED);
	if (observer_count != 1 || fire->step.state & PUSHBACK_PARTIAL || b.instance == a.instance)
		return 5;
	pushback_step_init(&a, "again");
	pushback_submit_return(&a, REJECTED);
	return a.epoch == b.epoch && a.instance != b.instance ? 0 : 6;
}

static void a_forked_child_starts_clean(void **state)
{
	struct pushback_step before;
	int status;
	pid_t child;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, ACCEPTED);
	pushback_submit_return(&a, REJECTED);
	pushback_forward_return(&a, REJECTED);
	before = a;
	child = fork();
	if (child == 0)
		_exit(child_of_a_watched_process());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_memory_equal(&a, &before, sizeof(a));
	pushback_submit_return(&a, ACCEPTED);
	assert_int_equal(a.direction[SEND].closed, 2);
	assert_int_equal(a.direction[SEND].partial, 0);
}

/* Not one return in the child: its inherited steps end untold, they are not its own. */
static void a_forked_child_ends_nothing_it_inherited(void **state)
{
	int status;
	pid_t child;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	observer_forget();
	child = fork();
	if (child == 0) {
		pushback_step_end(&a);
		_exit(observer_count != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define THREADS 8
#define STEPS   500
static uint64_t instances[THREADS * STEPS];

static void *begin_many(void *place)
{
	uint64_t *numbers = place;
	struct pushback_step s;
	int i;

	for (i = 0; i < STEPS; i++) {
		pushback_step_init(&s, "many");
		pushback_submit_return(&s, ACCEPTED);
		numbers[i] = s.instance;
	}
	return NULL;
}

static int compare(const void *x, const void *y)
{
	uint64_t l = *(const uint64_t *)x, r = *(const uint64_t *)y;

	return l < r ? -1 : l > r;
}

static void instances_are_unique_over_threads(void **state)
{
	pthread_t threads[THREADS];
	size_t i;

	(void)state;
	observer_raise(1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, begin_many, instances + i * STEPS), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(instances, THREADS * STEPS, sizeof(instances[0]), compare);
	assert_int_not_equal(instances[0], 0);
	for (i = 1; i < THREADS * STEPS; i++)
		assert_true(instances[i] != instances[i - 1]);
}

/* ---- Names and the struct ---- */

static void a_static_step_is_an_initialised_one(void **state)
{
	static const struct pushback_step fixed = PUSHBACK_STEP_INIT("step");
	struct pushback_step made;

	(void)state;
	memset(&made, 0xee, sizeof(made));
	pushback_step_init(&made, "step");
	assert_memory_equal(&made, &fixed, sizeof(fixed));
	assert_int_equal(made.magic, PUSHBACK_STEP_MAGIC);
	assert_int_equal(made.version, PUSHBACK_STEP_VERSION);
	assert_int_equal(made.size, 512);
	assert_int_equal(made.epoch, PUSHBACK_EPOCH_FRESH);
}

static void a_long_name_is_cut_and_flagged(void **state)
{
	static char name[10001];
	static const size_t lengths[] = { 0, 1, 126, 127, 128, 129, 10000 };
	struct pushback_step s;
	size_t i, kept;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(name, 'n', sizeof(name));
		name[lengths[i]] = 0;
		memset(&s, 0xee, sizeof(s));
		pushback_step_init(&s, name);
		kept = lengths[i] < 127 ? lengths[i] : 127;
		assert_int_equal(strlen(s.name), kept);
		assert_memory_equal(s.name, name, kept);
		for (; kept < 128; kept++)
			assert_int_equal(s.name[kept], 0);
		assert_int_equal(s.state, lengths[i] > 127 ? PUSHBACK_NAME_CUT : 0);
	}
	pushback_step_init(&s, NULL);
	assert_int_equal(s.name[0], 0);
}

/* Not one byte beyond what is kept is read, but the one that says whether there is more. */
static void an_unterminated_name_is_not_overread(void **state)
{
	char name[128];
	struct pushback_step s;

	(void)state;
	memset(name, '\xff', sizeof(name)); /* the address sanitizer looks on */
	pushback_step_init(&s, name);
	assert_int_equal(strlen(s.name), 127);
	assert_true(s.state & PUSHBACK_NAME_CUT);
}

static void depth_is_cut_at_32_bits(void **state)
{
	struct pushback_step s = PUSHBACK_STEP_INIT("deep");

	(void)state;
	pushback_depth(&s, 3, 10);
	assert_int_equal(s.depth, 3 | 10ull << 32);
	pushback_depth(&s, 0x100000000ull, UINT64_MAX);
	assert_true(s.depth == UINT64_MAX);
	pushback_depth(&s, 0, 0);
	assert_int_equal(s.depth, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_end_abandons_and_the_struct_can_be_used_again),
		TEST(an_end_is_told_at_any_armed_site),
		TEST(one_that_is_made_anew_has_its_last_word),
		TEST(what_is_no_step_of_this_watch_has_no_last_word),
		TEST(an_end_keeps_the_cut_flag_and_unwatched_tells_nothing),
		TEST(a_forked_child_starts_clean),
		TEST(a_forked_child_ends_nothing_it_inherited),
		TEST(instances_are_unique_over_threads),
		cmocka_unit_test(a_static_step_is_an_initialised_one),
		cmocka_unit_test(a_long_name_is_cut_and_flagged),
		cmocka_unit_test(an_unterminated_name_is_not_overread),
		cmocka_unit_test(depth_is_cut_at_32_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
