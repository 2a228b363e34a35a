/* SPDX-License-Identifier: MIT */
/* Functions' names: as nm -C has them, whose method each is, and what that makes of it for a draft */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "suggest_name.h"
#include "symbol_name.h"

#define RUN_TASK                                                                              \
	"_ZN178_$LT$sentry_arroyo..processing..strategies..run_task..RunTask$LT$TTransformed" \
	"$C$F$C$N$GT$$u20$as$u20$sentry_arroyo..processing..strategies..ProcessingStrategy"   \
	"$LT$TPayload$GT$$GT$6submit17h0123456789abcdefE"
#define RUN_TASK_PLAIN                                                                    \
	"<sentry_arroyo::processing::strategies::run_task::RunTask<TTransformed,F,N> as " \
	"sentry_arroyo::processing::strategies::ProcessingStrategy<TPayload>>::submit"

static const struct {
	const char *symbol, *plain, *owner, *method;
	enum suggest_language language;
} names[] = {
	{ "parse_submit", "parse_submit", "parse_submit", "", SUGGEST_C },
	{ "_start", "_start", "_start", "", SUGGEST_C },
	{ "", "", "", "", SUGGEST_C },
	{ "_Z1fv", "f()", "f", "", SUGGEST_CXX },
	{ "_ZN6ingest5ParseIiE6submitERKNS_7MessageE",
	  "ingest::Parse<int>::submit(ingest::Message const&)", "Parse", "submit", SUGGEST_CXX },
	{ "_ZNK6ingest5ParseIiE4pollEv", "ingest::Parse<int>::poll() const", "Parse", "poll",
	  SUGGEST_CXX },
	{ "_ZN6ingest4Sink6submitEPFiNS_7MessageEE",
	  "ingest::Sink::submit(int (*)(ingest::Message))", "Sink", "submit", SUGGEST_CXX },
	{ "_ZN6ingest12_GLOBAL__N_14Anon6submitEi",
	  "ingest::(anonymous namespace)::Anon::submit(int)", "Anon", "submit", SUGGEST_CXX },
	{ "_ZN12_GLOBAL__N_16submitEi", "(anonymous namespace)::submit(int)",
	  "(anonymous namespace)", "submit", SUGGEST_CXX },
	/* What a template returns is in its name. */
	{ "_ZN4Sink6submitIiEET_S1_", "int Sink::submit<int>(int)", "Sink", "submit", SUGGEST_CXX },
	{ "_ZN6ingest4SinkltEi", "ingest::Sink::operator<(int)", "Sink", "operator<", SUGGEST_CXX },
	{ "_ZN6ingest4SinkptEv", "ingest::Sink::operator->()", "Sink", "operator->", SUGGEST_CXX },
	{ "_ZZN6ingest4pollEiENKUliE_clEi",
	  "ingest::poll(int)::{lambda(int)#1}::operator()(int) const", "{lambda(int)#1}",
	  "operator()", SUGGEST_CXX },
	{ "_ZN1a6submitEi.isra.0", "a::submit(int) [clone .isra.0]", "a", "submit", SUGGEST_CXX },
	{ "_ZN", "_ZN", "_ZN", "", SUGGEST_CXX },
	{ RUN_TASK, RUN_TASK_PLAIN, "RunTask", "submit", SUGGEST_RUST },
	{ "_ZN5plain5Write6submit17h0123456789abcdefE", "plain::Write::submit", "Write", "submit",
	  SUGGEST_RUST },
	{ "_RNvMNtCs1234_7mycrate3fooNtB2_3Foo6submit", "<mycrate::foo::Foo>::submit", "Foo",
	  "submit", SUGGEST_RUST },
	{ "_RNvXs_Cs4fqI2P2rA04_5plainNtB4_5WriteNtB4_4Step6submit",
	  "<plain::Write as plain::Step>::submit", "Write", "submit", SUGGEST_RUST },
};

static void plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *text = symbol_plain(names[i].symbol), owner[64], method[64];

		symbol_owner(text, owner, sizeof(owner));
		symbol_method(text, method, sizeof(method));
		if (strcmp(text, names[i].plain) || strcmp(owner, names[i].owner) ||
		    strcmp(method, names[i].method))
			fail_msg("%s is %s of %s (%s)", names[i].symbol, method, owner, text);
		if (suggest_language(names[i].symbol) != names[i].language)
			fail_msg("%s is in language %d", names[i].symbol,
				 suggest_language(names[i].symbol));
		free(text);
	}
}

static void cut(void **state)
{
	char text[4];

	(void)state;
	symbol_owner("ingest::Parse::submit()", text, sizeof(text));
	assert_string_equal(text, "Par");
	symbol_method("ingest::Parse::submit()", text, sizeof(text));
	assert_string_equal(text, "sub");
	/* Parentheses that are no arguments. */
	symbol_method("a::(anonymous namespace)::f", text, sizeof(text));
	assert_string_equal(text, "f");
}

/* Any bytes: a file may be hostile. */
static void nonsense(void **state)
{
	static const char *const texts[] = {
		"::",    ":::",    "<",      ">",       "<>", "(",         ")",   "()",
		"a(",    "a)",     "<a as>", "< as b>", "->", "operator<", "a::", "::a",
		"a<::b", "a>::b(", "((((",   "{[<(",    " ",  "a ",        " a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char owner[8], method[8];

		symbol_owner(texts[i], owner, sizeof(owner));
		symbol_method(texts[i], method, sizeof(method));
		assert_true(strlen(owner) < sizeof(owner) && strlen(method) < sizeof(method));
	}
}

static void hashes(void **state)
{
	(void)state;
	assert_int_equal(suggest_language("_ZN1a1b17h0123456789abcdeE"), SUGGEST_CXX);
	assert_int_equal(suggest_language("_ZN1a1b17h0123456789abcdeGE"), SUGGEST_CXX);
	assert_int_equal(suggest_language("_ZN1a1b17h0123456789ABCDEFE"), SUGGEST_CXX);
	assert_int_equal(suggest_language("_R"), SUGGEST_C);
	assert_int_equal(suggest_language("_R1"), SUGGEST_C);
}

static void steps(void **state)
{
	static const struct {
		enum suggest_language language;
		const char *plain;
		enum suggest_call call;
		const char *step;
	} table[] = {
		{ SUGGEST_C, "parse_submit", SUGGEST_SUBMIT, "parse" },
		{ SUGGEST_C, "a_b_poll", SUGGEST_POLL, "a_b" },
		{ SUGGEST_C, "submit", SUGGEST_NONE, "submit" },
		{ SUGGEST_C, "_submit", SUGGEST_NONE, "" },
		{ SUGGEST_C, "parse_submit2", SUGGEST_NONE, "parse" },
		{ SUGGEST_C, "parse_resubmit", SUGGEST_NONE, "parse" },
		{ SUGGEST_CXX, "Parse::submit(int)", SUGGEST_SUBMIT, "Parse" },
		{ SUGGEST_CXX, "Parse::poll()", SUGGEST_POLL, "Parse" },
		{ SUGGEST_CXX, "submit(int)", SUGGEST_NONE, "submit" },
		{ SUGGEST_CXX, "Parse::submitter()", SUGGEST_NONE, "Parse" },
		{ SUGGEST_CXX, "Parse::submit(int)::{lambda()#1}::operator()() const", SUGGEST_NONE,
		  "{lambda()#1}" },
		{ SUGGEST_RUST, RUN_TASK_PLAIN, SUGGEST_SUBMIT, "RunTask" },
		{ SUGGEST_RUST, "a::Parse::submit::{{closure}}", SUGGEST_NONE, "submit" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char step[32];

		assert_int_equal(suggest_call(table[i].language, table[i].plain), table[i].call);
		suggest_step(table[i].language, table[i].plain, step, sizeof(step));
		assert_string_equal(step, table[i].step);
	}
	assert_true(suggest_is_arroyo(RUN_TASK_PLAIN));
	assert_false(suggest_is_arroyo("<a::B as c::ProcessingStrategyLike>::submit"));
	assert_false(suggest_is_arroyo("ProcessingStrategy<T>::submit"));
}

static void globs(void **state)
{
	char text[16];

	(void)state;
	suggest_glob("A::submit(int*)", text, sizeof(text));
	assert_string_equal(text, "A::submit(int?)");
	suggest_glob("<[u8;4]>#\\::f", text, sizeof(text));
	assert_string_equal(text, "<?u8?4?>??::f");
	suggest_glob("0123456789abcdef", text, sizeof(text));
	assert_string_equal(text, "0123456*9abcdef");
	suggest_glob("", text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),  cmocka_unit_test(cut),   cmocka_unit_test(nonsense),
		cmocka_unit_test(hashes), cmocka_unit_test(steps), cmocka_unit_test(globs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
