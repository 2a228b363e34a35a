/* SPDX-License-Identifier: MIT */
/* Which processes are meant */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "discover.h"
#include "kept.h"
#include "matcher.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct record record_of(pid_t pid, const char *name)
{
	struct record record = { .key.process = { .tgid = (uint32_t)pid, .start_time = 7 } };

	snprintf(record.process, sizeof(record.process), "%s", name);
	return record;
}

static pid_t ended(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static bool wants(const struct matcher_options *options, pid_t pid, const char *name,
		  uint64_t *undecided)
{
	struct matcher *m = matcher_new(options);
	struct record record = record_of(pid, name);
	bool wanted = matcher_wants(m, &record);

	assert_int_equal(matcher_wants(m, &record), wanted);
	*undecided = matcher_undecided(m);
	matcher_free(m);
	return wanted;
}

static void names(void **state)
{
	static const struct {
		const char *const names[3], *const excludes[3];
		const char *name;
		bool wanted;
	} table[] = {
		{ { NULL }, { NULL }, "consumer", true },
		{ { "consumer" }, { NULL }, "consumer", true },
		{ { "consumer" }, { NULL }, "consumer2", false },
		{ { "other", "con*" }, { NULL }, "consumer2", true },
		{ { "con?umer" }, { NULL }, "consumer", true },
		{ { NULL }, { "con*" }, "consumer", false },
		{ { NULL }, { "xcon*" }, "consumer", true },
		{ { "con*" }, { "other", "*2" }, "consumer2", false },
		{ { "con*" }, { "*2" }, "consumer1", true },
		{ { "*" }, { NULL }, "", true },
		{ { "a/b" }, { NULL }, "a/b", true }, /* a process may be called so */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct matcher_options options = { .names = table[i].names,
						   .excludes = table[i].excludes };
		uint64_t undecided;

		/* A name is known of one that has ended, too. */
		assert_int_equal(wants(&options, ended(), table[i].name, &undecided),
				 table[i].wanted);
		assert_int_equal(undecided, 0);
	}
}

static void without_patterns_there_is_nothing_to_do(void **state)
{
	const char *const none[] = { NULL };
	struct matcher_options options = { .names = none };
	struct record record = record_of(1, "x");

	(void)state;
	assert_null(matcher_new(&options));
	assert_int_equal(errno, 0);
	assert_true(matcher_wants(NULL, &record));
	assert_true(matcher_admits(NULL, 1));
	assert_int_equal(matcher_undecided(NULL), 0);
	matcher_sweep(NULL);
	matcher_free(NULL);
}

static void executables(void **state)
{
	char own[4096], below[4200], other[] = "/nowhere/*";
	struct matcher_options options = { .excludes = LIST(below) };
	struct matcher_options none = { .excludes = LIST(other) };
	uint64_t undecided;

	(void)state;
	assert_int_equal(discover_executable(getpid(), own, sizeof(own)), 0);
	*strrchr(own, '/') = '\0';
	snprintf(below, sizeof(below), "%s/*", own);
	assert_false(wants(&options, getpid(), "x", &undecided));
	assert_true(wants(&none, getpid(), "x", &undecided));
	assert_int_equal(undecided, 0);
	/* It may have been one, or not. */
	assert_false(wants(&none, ended(), "x", &undecided));
	assert_int_equal(undecided, 1);
}

static int copy_path(const char *path, void *context)
{
	if (strlen(path) < 2)
		return 0;
	snprintf(context, 4096, "%s", path);
	return 1;
}

static void cgroups(void **state)
{
	struct matcher_options any = { .cgroups = LIST("/*") };
	struct matcher_options none = { .cgroups = LIST("*no-such-group") };
	char path[4096];
	uint64_t undecided;

	(void)state;
	assert_true(wants(&any, getpid(), "x", &undecided));
	assert_false(wants(&none, getpid(), "x", &undecided));
	assert_int_equal(undecided, 0);
	assert_false(wants(&any, ended(), "x", &undecided));
	assert_int_equal(undecided, 1);
	if (discover_cgroups(getpid(), copy_path, path) == 1) {
		struct matcher_options own = { .cgroups = LIST(path) };

		assert_true(wants(&own, getpid(), "x", &undecided));
	}
	assert_int_equal(discover_cgroups(ended(), copy_path, path), -ESRCH);
}

/* A fork has a number of its own, an exec its count. */
static void each_image_is_decided_about(void **state)
{
	struct matcher_options options = { .names = LIST("one") };
	struct matcher *m = matcher_new(&options);
	struct record record = record_of(1, "one");

	(void)state;
	assert_true(matcher_wants(m, &record));
	snprintf(record.process, sizeof(record.process), "other");
	assert_true(matcher_wants(m, &record)); /* it was decided */
	record.key.process.exec_id++;
	assert_false(matcher_wants(m, &record));
	record.key.process.exec_id--;
	matcher_sweep(m);
	assert_true(matcher_wants(m, &record));
	matcher_sweep(m);
	matcher_sweep(m);
	assert_false(matcher_wants(m, &record)); /* it was forgotten */
	matcher_free(m);
}

static void as_things_are_now(void **state)
{
	struct matcher_options options = { .names = LIST("*") };
	struct matcher *m = matcher_new(&options);

	(void)state;
	assert_true(matcher_admits(m, getpid()));
	assert_false(matcher_admits(m, ended()));
	matcher_free(m);
}

static void load(struct keep_reader *r, void *context)
{
	struct matcher *m = matcher_new(context);

	matcher_load(m, r);
	matcher_free(m);
}

/* By the first one, while it ran; asked of another one, when it has ended. */
static void what_was_decided_stays_so(void **state)
{
	const struct matcher_options same = { .names = LIST("a", "b"), .excludes = LIST("/none") },
				     other = { .names = LIST("a", "c"), .excludes = LIST("/none") };
	struct record running = record_of(getpid(), "a"), gone = record_of(getpid(), "a");
	struct matcher *first = matcher_new(&same), *next = matcher_new(&same);
	struct keep_writer w = { 0 };
	struct keep_reader r;

	(void)state;
	assert_true(matcher_wants(first, &running));
	keep_begin(&w, "test");
	matcher_save(first, &w);
	keep_end(&w);
	r = kept(&w);
	assert_int_equal(matcher_load(next, &r), 0);
	gone.process[0] = 'z'; /* what it is called now is not asked */
	assert_true(matcher_wants(next, &gone));
	matcher_free(next);
	/* Other patterns: anew. */
	next = matcher_new(&other);
	r = kept(&w);
	assert_int_equal(matcher_load(next, &r), 0);
	assert_false(matcher_wants(next, &gone));
	r = kept(&w);
	load_spoilt(&r, load, (void *)&same);
	matcher_free(next);
	matcher_free(first);
	keep_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(without_patterns_there_is_nothing_to_do),
		cmocka_unit_test(executables),
		cmocka_unit_test(cgroups),
		cmocka_unit_test(each_image_is_decided_about),
		cmocka_unit_test(as_things_are_now),
		cmocka_unit_test(what_was_decided_stays_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
