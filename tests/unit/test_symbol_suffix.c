/* SPDX-License-Identifier: MIT */
/* What compilers put behind the name of a function */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "symbol_suffix.h"

static void kinds(void **state)
{
	static const struct {
		const char *name;
		enum symbol_kind kind;
		size_t stem;
	} table[] = {
		{ "f", SYMBOL_PLAIN, 1 },
		{ "f@@V_1.2", SYMBOL_PLAIN, 1 },
		{ "f.cold", SYMBOL_COLD, 1 },
		{ "f.cold.1", SYMBOL_COLD, 1 },
		{ "f.part.0", SYMBOL_PART, 1 },
		{ "f.part.0.cold", SYMBOL_COLD, 1 },
		{ "f.constprop.0", SYMBOL_COPY, 1 },
		{ "f.isra.0", SYMBOL_COPY, 1 },
		{ "f.constprop.0.isra.0", SYMBOL_COPY, 1 },
		{ "f.isra.0.part.0", SYMBOL_PART, 1 },
		{ "f.lto_priv.12", SYMBOL_RENAMED, 1 },
		{ "f.llvm.123456", SYMBOL_RENAMED, 1 },
		{ "f.localalias", SYMBOL_RENAMED, 1 },
		{ "_ZN1q4pushEi.cold", SYMBOL_COLD, 12 },
		{ "f.avx2", SYMBOL_PLAIN, 6 },
		{ "f.avx2.cold", SYMBOL_COLD, 6 },
		{ "f.isra.0.avx2.part.1", SYMBOL_PART, 13 },
		{ "f.cold.0.x.0", SYMBOL_PLAIN, 12 },
		{ "f.cold@@V_1.2", SYMBOL_COLD, 1 },
		{ "f.x@V.isra.1.llvm.2", SYMBOL_COPY, 5 },
		{ "f..cold.part", SYMBOL_PART, 7 },
		{ "f._omp_fn.0", SYMBOL_PLAIN, 11 },
		{ "f.colder", SYMBOL_PLAIN, 8 },
		{ "f.cold.x", SYMBOL_PLAIN, 8 },
		{ "f.0", SYMBOL_PLAIN, 3 },
		{ "f.", SYMBOL_PLAIN, 2 },
		{ ".cold", SYMBOL_PLAIN, 5 },
		{ "", SYMBOL_PLAIN, 0 },
		/* alloc::part::cold::T of Rust. */
		{ "_ZN28_$LT$alloc..part..cold..T$GT$3fmtE", SYMBOL_PLAIN, 39 },
		{ "_ZN28_$LT$alloc..part..cold..T$GT$3fmtE.llvm.7", SYMBOL_RENAMED, 39 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		size_t stem;
		enum symbol_kind kind = symbol_kind(table[i].name, &stem);

		if (kind != table[i].kind || stem != table[i].stem)
			fail_msg("%s: kind %d, stem %zu", table[i].name, kind, stem);
		assert_int_equal(symbol_kind(table[i].name, NULL), table[i].kind);
	}
}

/* What ends it is no suffix, and so each of them is none: looked at once, not from each of them on. */
static void a_long_name(void **state)
{
	enum { WORDS = 400000, LENGTH = 1 + 5 * WORDS + 2 };
	char *name = malloc(LENGTH + 1);
	size_t stem;

	(void)state;
	assert_non_null(name);
	name[0] = 'f';
	for (size_t i = 0; i < WORDS; i++)
		memcpy(name + 1 + 5 * i, ".cold", 5);
	memcpy(name + LENGTH - 2, ".x", 3);
	/* Else it takes an hour. */
	alarm(60);
	assert_int_equal(symbol_kind(name, &stem), SYMBOL_PLAIN);
	assert_int_equal(stem, LENGTH);
	name[LENGTH - 2] = '\0';
	assert_int_equal(symbol_kind(name, &stem), SYMBOL_COLD);
	assert_int_equal(stem, 1);
	alarm(0);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(a_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
