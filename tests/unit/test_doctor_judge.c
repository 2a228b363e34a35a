/* SPDX-License-Identifier: MIT */
/* What a host's settings mean: how bad it is, and that what is bad comes with an advice */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "doctor_judge.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define BPF             BIT(DOCTOR_CAP_BPF)
#define PERFMON         BIT(DOCTOR_CAP_PERFMON)
#define ADMIN           BIT(DOCTOR_CAP_SYS_ADMIN)
#define PTRACE          BIT(DOCTOR_CAP_SYS_PTRACE)
#define READ            BIT(DOCTOR_CAP_DAC_READ_SEARCH)
#define RESTORE         BIT(DOCTOR_CAP_CHECKPOINT_RESTORE)

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void expect(const struct finding *f, enum finding_level level, const char *word)
{
	print_message("%d %s -> %s\n", (int)f->level, f->fact, f->advice);
	assert_int_equal(f->level, level);
	assert_non_null(strstr(f->fact, word));
	assert_int_equal(f->level == FINDING_OK, !*f->advice);
}

static void test_capabilities(void **state)
{
	static const struct {
		uint64_t effective;
		bool multi;
		enum finding_level level;
		const char *missing[4]; /* these and no others */
	} cases[] = {
		{ UINT64_MAX, false, FINDING_OK, { NULL } },
		{ BPF | PERFMON | ADMIN | PTRACE | READ, false, FINDING_OK, { NULL } },
		/* The wide one holds the narrow ones. */
		{ ADMIN | PTRACE | READ, false, FINDING_OK, { NULL } },
		{ ADMIN, false, FINDING_WARNING, { "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH" } },
		{ BPF | PERFMON | PTRACE | READ | RESTORE,
		  false,
		  FINDING_WARNING,
		  { "CAP_SYS_ADMIN" } },
		/* What the service has. */
		{ BPF | PERFMON | PTRACE | READ | RESTORE, true, FINDING_OK, { NULL } },
		{ BPF | PERFMON | PTRACE | READ,
		  true,
		  FINDING_WARNING,
		  { "CAP_CHECKPOINT_RESTORE" } },
		{ BPF | PTRACE | READ | RESTORE,
		  false,
		  FINDING_FAILURE,
		  { "CAP_PERFMON", "CAP_SYS_ADMIN" } },
		{ PERFMON | PTRACE | READ | RESTORE,
		  false,
		  FINDING_FAILURE,
		  { "CAP_BPF", "CAP_SYS_ADMIN" } },
		{ ~(BPF | ADMIN), false, FINDING_FAILURE, { "CAP_BPF", "CAP_SYS_ADMIN" } },
	};
	static const char *const all[] = {
		"CAP_BPF (",        "CAP_PERFMON (",         "CAP_SYS_ADMIN (",
		"CAP_SYS_PTRACE (", "CAP_DAC_READ_SEARCH (", "CAP_CHECKPOINT_RESTORE ("
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding f = { .check = "capabilities" };
		size_t missing = 0;

		doctor_judge_capabilities(&f, cases[i].effective, cases[i].multi, true);
		expect(&f, cases[i].level, "CAP_");
		for (size_t k = 0; k < COUNT(cases[i].missing) && cases[i].missing[k]; k++)
			assert_non_null(strstr(f.fact, cases[i].missing[k]));
		for (size_t k = 0; k < COUNT(all); k++)
			missing += strstr(f.fact, all[k]) != NULL;
		for (size_t k = 0; k < COUNT(cases[i].missing) && cases[i].missing[k]; k++)
			missing--;
		assert_int_equal(missing, 0);
	}
}

static void test_nothing_counts_in_a_user_namespace(void **state)
{
	struct finding f = { .check = "capabilities" };

	(void)state;
	doctor_judge_capabilities(&f, UINT64_MAX, true, false);
	expect(&f, FINDING_FAILURE, "user namespace");
}

static void test_none_at_all(void **state)
{
	struct finding f = { .check = "capabilities" };

	(void)state;
	doctor_judge_capabilities(&f, 0, false, true);
	expect(&f, FINDING_FAILURE, "CAP_DAC_READ_SEARCH");
	/* The whole list has room. */
	assert_int_equal(f.fact[strlen(f.fact) - 1], ')');
}

static void test_lockdown(void **state)
{
	struct finding f = { .check = "lockdown" };

	(void)state;
	doctor_judge_lockdown(&f, LOCKDOWN_NONE);
	expect(&f, FINDING_OK, "none");
	doctor_judge_lockdown(&f, LOCKDOWN_INTEGRITY);
	expect(&f, FINDING_OK, "integrity");
	doctor_judge_lockdown(&f, LOCKDOWN_CONFIDENTIALITY);
	expect(&f, FINDING_FAILURE, "confidentiality");
}

static void test_paranoid(void **state)
{
	for (long level = -1; level <= 4; level++) {
		struct finding root = { .check = "" }, narrow = { .check = "" };
		char text[2] = { (char)('0' + (level < 0 ? -level : level)), 0 };

		(void)state;
		doctor_judge_paranoid(&root, level, ADMIN);
		expect(&root, FINDING_OK, text);
		doctor_judge_paranoid(&narrow, level, ~ADMIN);
		expect(&narrow, level > 2 ? FINDING_WARNING : FINDING_OK, text);
	}
}

static void test_ptrace_scope(void **state)
{
	for (long scope = 0; scope <= 3; scope++) {
		struct finding root = { .check = "" }, narrow = { .check = "" };
		char text[2] = { (char)('0' + scope), 0 };

		(void)state;
		doctor_judge_ptrace_scope(&root, scope, PTRACE);
		expect(&root, scope == 3 ? FINDING_WARNING : FINDING_OK, text);
		doctor_judge_ptrace_scope(&narrow, scope, ~PTRACE);
		expect(&narrow, scope ? FINDING_WARNING : FINDING_OK, text);
	}
}

static void test_panic(void **state)
{
	static const char configs[] = { 'y', 'm', 'n', 0 };
	static const enum finding_level levels[] = { FINDING_FAILURE, FINDING_FAILURE, FINDING_OK,
						     FINDING_WARNING };

	(void)state;
	for (size_t i = 0; i < COUNT(configs); i++) {
		struct finding calm = { .check = "" }, panics = { .check = "" };

		doctor_judge_panic(&calm, 0, configs[i]);
		expect(&calm, FINDING_OK, "0");
		doctor_judge_panic(&panics, 1, configs[i]);
		expect(&panics, levels[i], "CONFIG_EXT4_DEBUG");
	}
}

/* One of the two is enough; of neither, at least one line says so. */
static void test_uprobes(void **state)
{
	static const struct {
		int perf, multi;
		enum finding_level uprobes, links;
	} cases[] = {
		{ 0, 0, FINDING_OK, FINDING_OK },
		{ -EACCES, 0, FINDING_OK, FINDING_OK },
		{ -ENOENT, 0, FINDING_OK, FINDING_OK },
		{ 0, -ENOTSUP, FINDING_OK, FINDING_WARNING },
		{ 0, -EPERM, FINDING_OK, FINDING_FAILURE },
		{ -ENOENT, -ENOTSUP, FINDING_FAILURE, FINDING_FAILURE },
		{ -EACCES, -EPERM, FINDING_FAILURE, FINDING_FAILURE },
		{ -EACCES, -ENOTSUP, FINDING_FAILURE, FINDING_FAILURE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding uprobes = { .check = "" }, links = { .check = "" };

		doctor_judge_uprobes(&uprobes, cases[i].perf, cases[i].multi);
		doctor_judge_multi(&links, cases[i].perf, cases[i].multi);
		expect(&uprobes, cases[i].uprobes, "");
		expect(&links, cases[i].links, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_nothing_counts_in_a_user_namespace),
		cmocka_unit_test(test_none_at_all),
		cmocka_unit_test(test_lockdown),
		cmocka_unit_test(test_paranoid),
		cmocka_unit_test(test_ptrace_scope),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_uprobes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
