/* SPDX-License-Identifier: MIT */
/* Who holds a target's sites, and why it has no hits */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "doctor_hits.h"
#include "doctor_site.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_who_holds_the_sites(void **state)
{
	static const struct {
		struct doctor_sites sites;
		enum finding_level level;
		const char *word;
	} cases[] = {
		{ { .nops = 4 }, FINDING_OK, "nobody else" },
		{ { .semaphore = 4, .breakpoints = 4 }, FINDING_OK, "somebody watches" },
		{ { .semaphore = 1, .breakpoints = 1, .nops = 3 }, FINDING_OK, "1 of 4" },
		{ { .breakpoints = 1, .nops = 3 }, FINDING_WARNING, "another tool holds 1 of 4" },
		{ { .semaphore = 1, .nops = 4 }, FINDING_WARNING, "raised it by hand" },
		{ { .others = 1, .nops = 3 }, FINDING_FAILURE, "1 of 4" },
		{ { .others = 1, .breakpoints = 3, .semaphore = 4 }, FINDING_FAILURE, "1 of 4" },
		{ { .semaphore = -EACCES, .err = -EACCES }, FINDING_WARNING, "cannot be read" },
		{ { .semaphore = -ENOENT, .nops = 4 }, FINDING_WARNING, "cannot be read" },
		{ { .err = -ESRCH }, FINDING_WARNING, "cannot be read" },
		{ { .semaphore = -E2BIG, .nops = 64 }, FINDING_WARNING, "maps the file too often" },
		/* What was not read is told, and is not all right. */
		{ { .nops = 4, .loss = { 64984, 0 } },
		  FINDING_WARNING,
		  "4 sites not armed; 64984 more mappings were not read" },
		{ { .nops = 4, .loss = { 1, 1 } },
		  FINDING_WARNING,
		  "; 1 more mapping was not read, and 1 site is in none that was" },
		{ { .others = 1, .nops = 3, .loss = { 2, 3 } },
		  FINDING_FAILURE,
		  "; 2 more mappings were not read, and 3 sites are in none that was" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding f = { .check = "sites" };

		doctor_sites_judge(&f, &cases[i].sites);
		print_message("%d %s -> %s\n", (int)f.level, f.fact, f.advice);
		assert_int_equal(f.level, cases[i].level);
		assert_non_null(strstr(f.fact, cases[i].word));
	}
}

#define ARMED                                    \
	{                                        \
		.semaphore = 4, .breakpoints = 4 \
	}

static void test_why_there_are_no_hits(void **state)
{
	static const struct {
		struct doctor_silence silence;
		enum finding_level level;
		const char *word;
	} cases[] = {
		{ { .gone = true, .after.state = 'T' }, FINDING_WARNING, "has ended" },
		{ { .after.state = 'T', .sites = ARMED }, FINDING_WARNING, "stopped (state T)" },
		{ { .after.state = 't', .sites = ARMED }, FINDING_WARNING, "debugger (state t)" },
		/* Stopped is said first: then nothing else can be told. */
		{ { .after.state = 'T', .sites.nops = 4 }, FINDING_WARNING, "stopped" },
		{ { .after = { 'S', 7 }, .sites.nops = 4 }, FINDING_FAILURE, "another file" },
		{ { .after.state = 'S', .sites = { .semaphore = 4, .nops = 4 } },
		  FINDING_FAILURE,
		  "another file" },
		{ { .after.state = 'S', .sites = { .breakpoints = 4 } },
		  FINDING_FAILURE,
		  "another file" },
		{ { .after.state = 'S', .sites = ARMED },
		  FINDING_WARNING,
		  "did not run at all, it is sleeping (state S)" },
		{ { .after.state = 'D', .sites = ARMED }, FINDING_WARNING, "uninterruptible" },
		{ { .before = { 'S', 1000000 }, .after = { 'S', 3500000 }, .sites = ARMED },
		  FINDING_WARNING,
		  "ran for 2.5 ms and called no probe" },
		{ { .others = true, .after = { 'R', 1000000 }, .sites = ARMED },
		  FINDING_WARNING,
		  "called no probe" },
		/* Of memory that cannot be read nothing follows. */
		{ { .after = { 'R', 1000000 }, .sites.err = -EACCES }, FINDING_WARNING, "ran for" },
		{ { .after = { 'R', 1000000 }, .sites = { .nops = 64, .loss = { 1, 0 } } },
		  FINDING_WARNING,
		  "ran for" },
		{ { .after = { 'R', 1000000 }, .sites = { .semaphore = -E2BIG, .nops = 4 } },
		  FINDING_WARNING,
		  "ran for" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct doctor_silence silence = cases[i].silence;
		struct finding f = { .check = "hits" };

		silence.pid = 4711;
		silence.watched_ns = 3000000000u;
		doctor_hits_judge_silence(&f, &silence);
		print_message("%d %s -> %s\n", (int)f.level, f.fact, f.advice);
		assert_int_equal(f.level, cases[i].level);
		assert_non_null(strstr(f.fact, "no hit in 3.0 s"));
		assert_non_null(strstr(f.fact, "4711"));
		assert_non_null(strstr(f.fact, cases[i].word));
		assert_true(silence.gone || *f.advice);
	}
}

static void test_process(void **state)
{
	struct doctor_process process, later;
	volatile unsigned int work;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(doctor_process_read(getpid(), &process), 0);
	assert_int_equal(process.state, 'R');
	for (work = 0; work < 10000000; work++)
		;
	assert_int_equal(doctor_process_read(getpid(), &later), 0);
	assert_true(later.cpu_ns > process.cpu_ns);

	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(doctor_process_read(pid, &process), 0);
	assert_int_equal(process.state, 'T');
	assert_int_equal(doctor_process_read(pid, &later), 0);
	assert_true(later.cpu_ns == process.cpu_ns);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(doctor_process_read(pid, &process), -ESRCH);
}

/* Beside somebody else a step that only goes on as before is silent for a second: that is no fault. */
static void test_it_was_told_to_another(void **state)
{
	struct doctor_silence silence = { .pid = 4711, .others = true, .watched_ns = 1400000000u };
	struct finding f = { .check = "hits" };

	(void)state;
	silence.after = (struct doctor_process){ 'R', 1000000 };
	silence.sites = (struct doctor_sites)ARMED;
	doctor_hits_judge_silence(&f, &silence);
	assert_int_equal(f.level, FINDING_WARNING);
	assert_non_null(strstr(f.fact, "somebody else watches process 4711"));
	assert_null(strstr(f.fact, "called no probe"));
	assert_non_null(strstr(f.advice, "--for 2s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_holds_the_sites),
		cmocka_unit_test(test_why_there_are_no_hits),
		cmocka_unit_test(test_it_was_told_to_another),
		cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
