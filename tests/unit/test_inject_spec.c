/* SPDX-License-Identifier: MIT */
/* What -p says, and the arguments in it */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arguments.h"
#include "spec.h"

static void expect_spec(const char *text, enum place place, const char *function, uint64_t number,
			const char *arguments)
{
	struct spec spec;
	struct why why = { "" };

	assert_int_equal(spec_parse(&spec, text, &why), 0);
	assert_string_equal(spec.provider, "app");
	assert_string_equal(spec.name, "done");
	assert_int_equal(spec.place, place);
	if (function)
		assert_string_equal(spec.function, function);
	else
		assert_null(spec.function);
	assert_int_equal(spec.number, number);
	assert_string_equal(spec.arguments, arguments);
	spec_free(&spec);
}

static void test_sites(void **state)
{
	(void)state;
	expect_spec("app:done=work@return", PLACE_RETURN, "work", 0, "");
	expect_spec("app:done=work@entry -4@%edi", PLACE_ENTRY, "work", 0, "-4@%edi");
	expect_spec("app:done=work+0x1f", PLACE_OFFSET, "work", 0x1f, "");
	expect_spec("app:done=work+31  8@%rdi 4@$1", PLACE_OFFSET, "work", 31, "8@%rdi 4@$1");
	expect_spec("app:done=0x1139", PLACE_ADDRESS, NULL, 0x1139, "");
	expect_spec("app:done=0x1139 8@%rax", PLACE_ADDRESS, NULL, 0x1139, "8@%rax");
	expect_spec("app:done=file:0x1139", PLACE_FILE, NULL, 0x1139, "");
	expect_spec("app:done=0x1139@return", PLACE_RETURN, "0x1139", 0, "");
}

/* Names of C++ and Rust hold what ends a site elsewhere. */
static void test_names_of_source(void **state)
{
	(void)state;
	expect_spec("app:done=q::push(int, char const*)@return -4@%eax", PLACE_RETURN,
		    "q::push(int, char const*)", 0, "-4@%eax");
	expect_spec("app:done=operator+(A, A)+0x4", PLACE_OFFSET, "operator+(A, A)", 4, "");
	expect_spec("app:done=<a::B as c::D>::submit@return", PLACE_RETURN,
		    "<a::B as c::D>::submit", 0, "");
	expect_spec("app:done=write@@V_2.5@return", PLACE_RETURN, "write@@V_2.5", 0, "");
	expect_spec("app:done=f@returned@entry", PLACE_ENTRY, "f@returned", 0, "");
}

static void test_wrong_ones(void **state)
{
	static const char *const wrong[] = {
		"",
		"app",
		"app:done",
		"app:=work@return",
		":done=work@return",
		"a b:done=work@return",
		"1app:done=work@return",
		"app:do-ne=work@return",
		"app:done=",
		"app:done=@return",
		"app:done=work",
		"app:done=work@retur",
		"app:done=work@return-4@%eax",
		"app:done=work+",
		"app:done=work+0x",
		"app:done=0xfffffffffffffffff",
		"app:done=file:",
		"pushback:submit_return=work@return",
		"app:ab23456789012345678901234567890123456789012345678901234567890123=w@return",
	};
	struct spec spec;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct why why = { "" };

		if (!spec_parse(&spec, wrong[i], &why))
			fail_msg("'%s' was taken", wrong[i]);
		assert_true(*why.text);
		assert_null(strchr(why.text, '\n'));
		spec_free(&spec);
	}
}

static void expect_arguments(unsigned machine, bool good, const char *const *texts)
{
	for (; *texts; texts++) {
		struct why why = { "" };

		if (!arguments_check(*texts, machine, &why) != good)
			fail_msg("'%s' was %s", *texts, good ? "refused" : "taken");
		assert_int_equal(good, !*why.text);
	}
}

static void test_arguments(void **state)
{
	static const char *const good[] = {
		"",
		"-4@%eax",
		"8@%rdi -4@%esi 2@%ax 1@%dil 8@%r15 4@%r8d 1@%r9b",
		"4@%rax",
		"8@16(%rsp) -8@-0x8(%rbp) 4@(%rax) 4@8(%rdi,%rsi,4)",
		"4@(%rdi,%rsi)",
		"4@$7 -4@$-7",
		"4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 "
		"4@$1",
		NULL
	};
	static const char *const bad[] = { "%eax",
					   "4",
					   "4@",
					   "3@%eax",
					   "-@%eax",
					   "8@%eax",
					   "4@%ax",
					   "4@%exx",
					   "4@%r16d",
					   "4@eax",
					   "4@x0",
					   "4@$",
					   "4@8",
					   "4@8(%eax)",
					   "4@8(%rax",
					   "4@8(%rax,%rbx,3)",
					   "4@%eax,4@%ebx",
					   "4@foo(%rip)",
					   "4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 4@$1 "
					   "4@$1 4@$1",
					   NULL };

	(void)state;
	expect_arguments(EM_X86_64, true, good);
	expect_arguments(EM_X86_64, false, bad);
}

static void test_arguments_of_aarch64(void **state)
{
	static const char *const good[] = { "-4@x0 8@sp 8@[sp, 16] 8@[x1] 8@[x1,-8] 8@[x1, x2] 4@7",
					    "8@x30", NULL };
	static const char *const bad[] = { "4@%eax", "4@x31", "4@x",  "4@[sp, 16",
					   "4@[7]",  "4@$7",  "4@w0", NULL };

	(void)state;
	expect_arguments(EM_AARCH64, true, good);
	expect_arguments(EM_AARCH64, false, bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_names_of_source),
		cmocka_unit_test(test_wrong_ones),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_arguments_of_aarch64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
