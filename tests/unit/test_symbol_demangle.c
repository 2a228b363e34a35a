/* SPDX-License-Identifier: MIT */
/* Mangled names of a few hundred bytes that stand for more than there is memory or time: those stay as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "symbol_demangle.h"
#include "symbol_name.h"

/* More doublings than anyone waits for, and fewer. */
#define MANY 60
#define FEW  8

static char name[SYMBOL_MANGLED_MAX + 256];
static size_t used;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	used += (size_t)vsnprintf(name + used, sizeof(name) - used, format, args);
	va_end(args);
	assert_true(used < sizeof(name));
}

/* A number as either language has it; "" is its first. */
static void add_number(size_t number, unsigned int base)
{
	static const char small[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char large[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *digits = base == 36 ? large : small;
	char text[32] = "", *at = text + sizeof(text) - 1;

	do
		*--at = digits[number % base];
	while (number /= base);
	add("%s", at);
}

/* A template's arguments are the template before, twice. */
static void doubled(size_t levels)
{
	used = 0;
	add("_Z6submit1AIiiE");
	for (size_t i = 0; i < levels; i++) {
		add("S_I");
		for (int twice = 0; twice < 2; twice++) {
			add("S");
			add_number(i, 36);
			add("_");
		}
		add("E");
	}
}

/* The same, from outside in, and repeated. */
static void repeated(size_t levels)
{
	used = 0;
	add("_Z6submitDp1AI");
	for (size_t i = 0; i < levels; i++)
		add("S_I");
	add("iiE");
	for (size_t i = 0; i < levels; i++) {
		add("S");
		add_number(i, 36);
		add("_E");
	}
}

/* The same, with a name in it as older compilers have it, for which its parts are not told. */
static void repeated_of_old(size_t levels)
{
	repeated(levels);
	add("1BIXsr1C1DEE");
}

/* What conversion operators convert to. */
static void converted(size_t levels)
{
	used = 0;
	add("_ZN1A");
	for (size_t i = 0; i < levels; i++)
		add("cvT_IN1B");
	add("cvT_IiE");
	for (size_t i = 0; i < levels; i++)
		add("EE");
	add("Ev");
}

/* Types of which nothing is written, as the pack that each would be repeated by is empty. */
static void looked_through(size_t levels)
{
	used = 0;
	add("_Z1aI");
	for (size_t i = 0; i < levels; i++)
		add("i");
	add("JEEvDTL_Z6submitI1AIDpFvT%zu_", levels - 2);
	for (size_t i = 0; i < levels; i++)
		add("S2_");
	add("T%zu_E", levels - 1);
	for (size_t i = 0; i < levels; i++)
		add("S5_");
	add("EEv");
	for (size_t i = 0; i < levels; i++)
		add("T_");
	add("EE");
}

/* What each function's template is a parameter of: a pack that has the pack before in a pack, twice. */
static void packs_in_packs(size_t levels)
{
	used = 0;
	add("_Z6submitIJJEEEv");
	for (size_t i = 0; i < levels; i++)
		add("DTL_Z1AIJJT_T_EEEv");
	add("T_");
	for (size_t i = 0; i < levels; i++)
		add("EE");
}

/* Tuples of the tuple before, twice. */
static void tuples(const char *first, size_t levels)
{
	size_t before;

	used = 0;
	add("_RINvC1a6submit");
	before = used - 2;
	add("%s", first);
	for (size_t i = 0; i < levels; i++) {
		size_t at = used - 2;

		add("T");
		for (int twice = 0; twice < 2; twice++) {
			add("B");
			add_number(before - 1, 62);
			add("_");
		}
		add("E");
		before = at;
	}
	add("E");
}

static void rust(size_t levels)
{
	tuples("TuuE", levels);
}

/* Of a name that is in allocated memory while it is written. */
static void rust_punycode(size_t levels)
{
	tuples("NvC1au7h_kva3a", levels);
}

/* In the path of an implementation, which is not written. */
static void rust_lifetimes(size_t levels)
{
	used = 0;
	add("_RINvC1a6submitNvMINvC1a1bFG");
	for (size_t i = 0; i < levels; i += FEW)
		add("Z");
	add("_EuEu1cE");
}

static const struct {
	const char *what;
	void (*build)(size_t levels);
} hostile[] = {
	{ "doubled", doubled },
	{ "repeated", repeated },
	{ "converted", converted },
	{ "repeated, old", repeated_of_old },
	{ "rust", rust },
	{ "rust, punycode", rust_punycode },
	{ "looked through", looked_through },
	{ "rust, lifetimes", rust_lifetimes },
};

static void a_few_are_written_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		char *plain;

		hostile[i].build(FEW);
		plain = symbol_plain(name);
		if (!strcmp(plain, name) || !strstr(plain, "A") == !strstr(plain, "a::"))
			fail_msg("%s: %s is %s", hostile[i].what, name, plain);
		free(plain);
	}
}

static void many_are_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		char *plain;

		hostile[i].build(MANY);
		plain = symbol_plain(name);
		if (strcmp(plain, name) != 0)
			fail_msg("%s: %s is %.256s", hostile[i].what, name, plain);
		free(plain);
	}
}

/* No compiler makes any. */
static void not_even_a_few_packs_in_packs(void **state)
{
	char *plain;

	(void)state;
	packs_in_packs(24);
	plain = symbol_plain(name);
	assert_string_equal(plain, name);
	free(plain);
}

/* What looks like many lifetimes in an identifier, and a name with empty packs as a compiler makes it. */
static void what_is_no_great_work(void **state)
{
	static const struct {
		const char *mangled, *plain;
	} names[] = {
		{ "_RNvC1a10IMG_GLOBAL", "a::IMG_GLOBAL" },
		{ "_RNvC1a12GLOBAL_ALLOC", "a::GLOBAL_ALLOC" },
		{ "_RNvCsb4FGzzQ7tWx_4core3fmt", "core::fmt" },
		{ "_ZNSt6threadC1IRFvvEJEvEEOT_DpOT0_",
		  "std::thread::thread<void (&)(), , void>(void (&)())" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *plain = symbol_plain(names[i].mangled);

		assert_string_equal(plain, names[i].plain);
		free(plain);
	}
}

static void build_long(size_t size)
{
	used = 0;
	add("_ZN%zu", size);
	memset(name + used, 'a', size);
	used += size;
	add("17h0123456789abcdefE");
}

/* What comes out is cut nowhere: it is all there, or the mangled name is. */
static void long_ones(void **state)
{
	char *plain;

	(void)state;
	build_long(SYMBOL_MANGLED_MAX - 64);
	plain = symbol_plain(name);
	assert_int_equal(strlen(plain), SYMBOL_MANGLED_MAX - 64);
	free(plain);
	build_long(SYMBOL_MANGLED_MAX);
	plain = symbol_plain(name);
	assert_string_equal(plain, name);
	free(plain);
}

/* Of Rust's, with one letter that is not ASCII's: unpacked in the square of its length. */
static void build_punycode(size_t size)
{
	static const char letter[] = "_kva";

	used = 0;
	add("_RNvC1au%zu", size);
	memset(name + used, 'h', size);
	used += size;
	memcpy(name + used - strlen(letter), letter, strlen(letter));
	name[used] = '\0';
}

static void long_ones_in_punycode(void **state)
{
	char *plain;

	(void)state;
	build_punycode(1000);
	plain = symbol_plain(name);
	assert_int_equal(strncmp(plain, "a::hhh", 6), 0);
	free(plain);
	build_punycode(1001);
	plain = symbol_plain(name);
	assert_string_equal(plain, name);
	free(plain);
	/* A name that only looks as if one began in it. */
	plain = symbol_plain("_RNvC1a5u9999");
	assert_string_equal(plain, "a::u9999");
	free(plain);
}

/* Its parts are told in one pass over it. */
static void signs_upon_signs(void **state)
{
	size_t size = 1 << 20;
	char *text = malloc(size + 1), out[8];

	(void)state;
	assert_non_null(text);
	memset(text, '<', size);
	text[0] = 'a';
	text[size] = '\0';
	symbol_owner(text, out, sizeof(out));
	assert_string_equal(out, "a");
	symbol_method(text, out, sizeof(out));
	assert_string_equal(out, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_are_written_out),
		cmocka_unit_test(many_are_not),
		cmocka_unit_test(not_even_a_few_packs_in_packs),
		cmocka_unit_test(what_is_no_great_work),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(long_ones_in_punycode),
		cmocka_unit_test(signs_upon_signs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
