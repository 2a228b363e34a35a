/* SPDX-License-Identifier: MIT */
/*
 * Debug information of a few kilobytes that tells of itself again and again: its reader gives up, or sees
 * each entry once. Without its bounds none of these would end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "dwarf_enum.h"
#include "elf_symbols.h"
#include "recipe_names.h"
#include "scratch.h"

/* The entries that these files are made of: a kind, whether others are in it, and what it has of its own. */
static const char abbreviations[] = "	.section .debug_abbrev\n"
				    /* A unit: low_pc, high_pc. */
				    "	.uleb128 1, 0x11; .byte 1, 0x11, 1, 0x12, 7, 0, 0\n"
				    /* A namespace: sibling. */
				    "	.uleb128 2, 0x39; .byte 1, 1, 0x13, 0, 0\n"
				    /* A function: low_pc, type. */
				    "	.uleb128 3, 0x2e; .byte 0, 0x11, 1, 0x49, 0x13, 0, 0\n"
				    /* A base type: byte_size. */
				    "	.uleb128 4, 0x24; .byte 0, 0x0b, 0x0b, 0, 0\n"
				    /* A structure: byte_size. */
				    "	.uleb128 5, 0x13; .byte 1, 0x0b, 0x0b, 0, 0\n"
				    /* A variant part. */
				    "	.uleb128 6, 0x33; .byte 1, 0, 0\n"
				    /* A variant: discr_value. */
				    "	.uleb128 7, 0x19; .byte 1, 0x16, 0x0b, 0, 0\n"
				    /* A member: type, data_member_location. */
				    "	.uleb128 8, 0x0d; .byte 0, 0x49, 0x13, 0x38, 0x0b, 0, 0\n"
				    /* An enumeration: byte_size. */
				    "	.uleb128 9, 0x04; .byte 1, 0x0b, 0x0b, 0, 0\n"
				    /* An enumerator: name, const_value. */
				    "	.uleb128 10, 0x28; .byte 0, 3, 8, 0x1c, 6, 0, 0\n"
				    /* A structure without a size, within others. */
				    "	.uleb128 11, 0x13; .byte 1, 0, 0\n"
				    /* A variable. */
				    "	.uleb128 12, 0x34; .byte 0, 0, 0\n"
				    /* A unit whose code is in parts: ranges. */
				    "	.uleb128 13, 0x11; .byte 0, 0x55, 0x17, 0, 0\n"
				    /* A variable that others are in. */
				    "	.uleb128 14, 0x34; .byte 1, 0, 0\n"
				    /* A function that others are in: low_pc. */
				    "	.uleb128 15, 0x2e; .byte 1, 0x11, 1, 0, 0\n"
				    /* And that says what is next to it: sibling, low_pc. */
				    "	.uleb128 16, 0x2e; .byte 1, 1, 0x13, 0x11, 1, 0, 0\n"
				    /* A parameter: location, of a list. */
				    "	.uleb128 17, 0x05; .byte 0, 2, 0x17, 0, 0\n"
				    /* A parameter: location, of an expression. */
				    "	.uleb128 18, 0x05; .byte 0, 2, 0x18, 0, 0\n"
				    /* A function in parts: ranges. */
				    "	.uleb128 19, 0x2e; .byte 0, 0x55, 0x17, 0, 0\n"
				    "	.byte 0\n";

/* An assembler's file, with a function f of which the debug information is to follow. */
static FILE *begin(void)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/a.s", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "	.text\n	.globl f\n	.type f, @function\nf:	ret\n"
		      "	.size f, . - f\n");
	fprintf(file, "%s", abbreviations);
	fprintf(file, "	.section .debug_info\nbegin:	.long end - version\n"
		      "version: .2byte 4\n	.long .debug_abbrev\n	.byte 8\n"
		      "	.uleb128 1; .quad f, 1\n");
	return file;
}

/* The assembled file, and the reader of what it tells of itself. */
struct reader {
	struct elf_image image;
	struct dwarf_enums *enums;
};

static void open_reader(FILE *file, struct reader *reader)
{
	const char *wrong;
	char text[256];

	fprintf(file, "	.byte 0\nend:\n");
	fclose(file);
	snprintf(text, sizeof(text), "gcc -nostdlib -shared -o %s/a.so %s/a.s", directory,
		 directory);
	assert_int_equal(system(text), 0);
	snprintf(text, sizeof(text), "%s/a.so", directory);
	assert_int_equal(elf_image_open(&reader->image, open(text, O_RDONLY | O_CLOEXEC)), 0);
	assert_int_equal(dwarf_enums_new(&reader->image, &reader->enums, &wrong), 0);
}

static void close_reader(struct reader *reader)
{
	int fd = reader->image.fd;

	dwarf_enums_free(reader->enums);
	elf_image_close(&reader->image);
	close(fd);
}

/* Its symbol tells where a function is. */
struct wanted {
	const char *name;
	uint64_t address;
};

static bool take(const struct elf_function *function, void *context)
{
	struct wanted *wanted = context;

	if (!strcmp(function->name, wanted->name))
		wanted->address = function->address;
	return true;
}

static uint64_t address_of(struct reader *reader, const char *function)
{
	struct wanted wanted = { .name = function };

	elf_symbols_each(&reader->image, take, &wanted);
	assert_true(wanted.address);
	return wanted.address;
}

static int ask(struct reader *reader, const char *function, char *why, size_t why_size)
{
	struct dwarf_enum_names names = { .means = recipe_names_mean, .unnamed = 2 };
	struct dwarf_enum_result result;
	struct recipe_names usual;
	int err;

	recipe_names_init(&usual);
	names.context = &usual;
	err = dwarf_enums_find(reader->enums, address_of(reader, function), &names, &result, why,
			       why_size);
	recipe_names_free(&usual);
	return err;
}

/* What is said of f. */
static int find(FILE *file, char *why, size_t why_size)
{
	struct reader reader;
	int err;

	open_reader(file, &reader);
	err = ask(&reader, "f", why, why_size);
	close_reader(&reader);
	return err;
}

/* Whether arg1 is an argument of f. */
static int find_argument(FILE *file, char *why, size_t why_size)
{
	struct reader reader;
	int err;

	open_reader(file, &reader);
	err = dwarf_enums_argument(reader.enums, address_of(&reader, "f"), 1, why, why_size);
	close_reader(&reader);
	return err;
}

/* Each namespace says that the next one behind it is the one in it. */
static void a_child_that_is_next_as_well(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	for (int i = 0; i < 60; i++)
		fprintf(file, "	.uleb128 2; .long n%d - begin\nn%d:\n", i, i);
	fprintf(file, "	.uleb128 3; .quad f; .long number - begin\n");
	for (int i = 0; i < 60; i++)
		fprintf(file, "	.byte 0\n");
	fprintf(file, "number: .uleb128 4; .byte 4\n");
	assert_int_equal(find(file, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "is no enum"));
}

/* A byte each. */
static void ten_million_entries(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	fprintf(file, "	.fill 10000001, 1, 12\n");
	assert_int_equal(find(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "more entries or ranges"));
}

/* Each of many units has code in the same 100,000 places, none of which is f's. */
static void ten_million_ranges(void **state)
{
	static const struct {
		int units, err;
		const char *why;
	} table[] = { { 99, -ENODATA, "does not know the function" },
		      { 101, -E2BIG, "more entries or ranges" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		FILE *file = begin();
		char why[256] = "";

		fprintf(file, "	.pushsection .debug_ranges\n	.rept 100000\n	.quad 1, 2\n"
			      "	.endr\n	.quad 0, 0\n	.popsection\n");
		fprintf(file,
			"	.pushsection .debug_info, 1\n	.rept %d\n"
			"	.long 12; .2byte 4; .long .debug_abbrev; .byte 8\n"
			"	.uleb128 13; .long 0\n	.endr\n	.popsection\n",
			table[i].units);
		assert_int_equal(find(file, why, sizeof(why)), table[i].err);
		assert_non_null(strstr(why, table[i].why));
	}
}

/* Whichever is asked for first: what is looked at again counts again, and is soon too much. */
static void units_are_looked_at_once(void **state)
{
	static const char *const asked[] = { "g", "f", "g", "f", "f" };
	struct reader reader;
	FILE *file = begin();

	(void)state;
	fprintf(file, "	.pushsection .text\n	.globl g\n	.type g, @function\ng:	ret\n"
		      "	.size g, . - g\n	.popsection\n");
	fprintf(file, "	.pushsection .debug_info, 1\nbegin_g: .long end_g - version_g\n"
		      "version_g: .2byte 4\n	.long .debug_abbrev\n	.byte 8\n"
		      "	.uleb128 1; .quad g, 1\n"
		      "	.uleb128 3; .quad g; .long number_g - begin_g\n"
		      "number_g: .uleb128 4; .byte 4, 0\nend_g:\n	.popsection\n");
	fprintf(file, "	.uleb128 3; .quad f; .long number - begin\n"
		      "number: .uleb128 4; .byte 4\n	.fill 4000000, 1, 12\n");
	open_reader(file, &reader);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		char why[256] = "";

		assert_int_equal(ask(&reader, asked[i], why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "is no enum"));
	}
	close_reader(&reader);
}

/* Each variant of each enum has the next enum in it: some 10^14 in all. */
static void an_enum_in_each_variant(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	fprintf(file, "	.uleb128 3; .quad f; .long enum0 - begin\n");
	for (int i = 0; i < 8; i++) {
		fprintf(file, "enum%d: .uleb128 5; .byte 16\n	.uleb128 6\n", i);
		for (int k = 0; k < 60; k++)
			fprintf(file,
				"	.uleb128 7; .byte %d; .uleb128 8\n"
				"	.long in%d - begin; .byte 0, 0\n",
				k, i);
		fprintf(file, "	.byte 0, 0\n");
		fprintf(file, "in%d: .uleb128 5; .byte 16; .uleb128 8\n", i);
		fprintf(file, "	.long enum%d - begin; .byte 0, 0\n", i + 1);
	}
	fprintf(file, "enum8: .uleb128 5; .byte 16; .uleb128 6\n"
		      "	.uleb128 7; .byte 0; .uleb128 8; .long number - begin; .byte 0, 0\n"
		      "	.byte 0, 0\nnumber: .uleb128 4; .byte 4\n");
	assert_int_equal(find(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "more than 200000 entries"));
}

/* What has to be passed over to what is next counts as well. */
static void much_within_a_member(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	fprintf(file, "	.uleb128 3; .quad f; .long enum - begin\n"
		      "enum:	.uleb128 5; .byte 16\n	.uleb128 11\n"
		      "	.rept 210000\n	.uleb128 4; .byte 1\n	.endr\n	.byte 0\n"
		      "	.uleb128 6; .byte 0, 0\n");
	assert_int_equal(find(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "more than 200000 entries"));

	file = begin();
	fprintf(file, "	.uleb128 3; .quad f; .long enum - begin\nenum:	.uleb128 5; .byte 16\n"
		      "	.rept 100\n	.uleb128 11\n	.endr\n"
		      "	.rept 100\n	.byte 0\n	.endr\n	.uleb128 6; .byte 0, 0\n");
	assert_int_equal(find(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "nested too deep"));
}

/* Values with gaps between them, each of which is compared with all the others. */
static void values_upon_values(void **state)
{
	static const struct {
		int count;
		const char *why;
	} table[] = { { 4000, "more than 8 ranges" }, { 5000, "more than 4096 ranges" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		FILE *file = begin();
		char why[256] = "";

		fprintf(file, "	.uleb128 3; .quad f; .long enum - begin\n"
			      "enum:	.uleb128 9; .byte 4\n");
		for (int k = 0; k < table[i].count; k++)
			fprintf(file, "	.uleb128 10; .asciz \"A\"; .long %d\n", 2 * k);
		fprintf(file, "	.byte 0\n");
		assert_int_equal(find(file, why, sizeof(why)), -EINVAL);
		if (!strstr(why, table[i].why))
			fail_msg("%d: %s", table[i].count, why);
	}
}

/* What is passed over counts, and once: each namespace around has to be passed over as well. */
static void much_within_namespaces(void **state)
{
	static const struct {
		int count, err;
		const char *why;
	} table[] = { { 10000001, -E2BIG, "more entries or ranges" },
		      { 1000000, -EINVAL, "is no enum" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		FILE *file = begin();
		char why[256] = "";

		fprintf(file,
			"	.fill 60, 1, 11\n	.byte 14\n	.fill %d, 1, 12\n"
			"	.fill 61\n",
			table[i].count);
		fprintf(file, "	.uleb128 3; .quad f; .long number - begin\n"
			      "number: .uleb128 4; .byte 4\n");
		assert_int_equal(find(file, why, sizeof(why)), table[i].err);
		if (!strstr(why, table[i].why))
			fail_msg("%d: %s", table[i].count, why);
	}
}

/* Behind some that are in each other, and their ends; within others, it is none of the unit's. */
static void functions_are_found_where_they_are(void **state)
{
	static const char function[] = "	.uleb128 3; .quad f; .long number - begin\n";
	static const struct {
		const char *before, *behind;
		int err;
	} table[] = {
		{ ".byte 11, 11, 14, 12, 14, 12, 0, 12, 0", ".byte 0, 0", -EINVAL },
		{ ".byte 11, 11, 14, 12, 14, 12, 0, 12, 0, 0, 12", ".byte 0", -EINVAL },
		{ ".byte 11, 11, 14, 12, 14, 12, 0, 0, 0, 0", "", -EINVAL },
		{ ".byte 14, 0, 11, 0, 11", ".byte 0", -EINVAL },
		{ ".byte 11, 11, 14", ".byte 0, 0, 0", -ENODATA },
		{ ".byte 11, 14, 14, 12, 0", ".byte 0, 0", -ENODATA },
		{ ".byte 11, 14, 11", ".byte 0, 0, 0", -ENODATA },
		{ ".byte 0", "", -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		FILE *file = begin();
		char why[256] = "";
		int err;

		fprintf(file, "	%s\n%s	%s\n", table[i].before, function, table[i].behind);
		fprintf(file, "number: .uleb128 4; .byte 4\n");
		err = find(file, why, sizeof(why));
		if (err != table[i].err)
			fail_msg("%zu: %d, %s", i, err, why);
	}
}

/* Each function in as many parts as are looked at. */
static void parts_upon_parts(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	fprintf(file, "	.rept 160000\n	.uleb128 19; .long .debug_ranges\n	.endr\n");
	fprintf(file, "	.pushsection .debug_ranges\n	.rept 64\n	.quad 0, 1\n"
		      "	.endr\n	.quad 0, 0\n	.popsection\n");
	assert_int_equal(find(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "more entries or ranges"));
}

/* Of what is within a function that is passed over without looking at it. */
static void much_within_a_function(void **state)
{
	FILE *file = begin();
	char why[256] = "";

	(void)state;
	fprintf(file, "	.uleb128 16; .long next - begin; .quad f\n"
		      "	.fill 10000001, 1, 12\n	.byte 0\nnext: .byte 12\n");
	assert_int_equal(find_argument(file, why, sizeof(why)), -E2BIG);
	assert_non_null(strstr(why, "more entries or ranges"));
}

/* Lists of which no entry is where the function is entered: each is looked at for each parameter. */
static void locations_upon_locations(void **state)
{
	static const struct {
		int functions, parameters, locations, err;
	} table[] = { { 1, 60, 2000, -E2BIG },
		      { 2000, 1, 60, -E2BIG },
		      { 1, 1, 100001, -E2BIG },
		      { 10, 10, 900, -EINVAL } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		FILE *file = begin();
		char why[256] = "";
		int err;

		fprintf(file,
			"	.rept %d\n	.uleb128 15; .quad f\n	.rept %d\n"
			"	.uleb128 17; .long .debug_loc\n	.endr\n"
			"	.byte 0\n	.endr\n",
			table[i].functions, table[i].parameters);
		fprintf(file,
			"	.pushsection .debug_loc\n	.rept %d\n	.quad 100, 101\n"
			"	.2byte 1\n	.byte 0x55\n	.endr\n	.quad 0, 0\n"
			"	.popsection\n",
			table[i].locations);
		err = find_argument(file, why, sizeof(why));
		if (err != table[i].err)
			fail_msg("%zu: %d, %s", i, err, why);
	}
}

/* The last one is in arg1, those before it are nowhere. */
static void parameters_without_end(void **state)
{
#if defined(__x86_64__)
	static const int first = 0x55;
#else
	static const int first = 0x50;
#endif
	char why[256] = "";

	(void)state;
	for (int before = 63; before <= 64; before++) {
		FILE *file = begin();

		fprintf(file,
			"	.uleb128 15; .quad f\n	.rept %d\n"
			"	.uleb128 18; .uleb128 2; .byte 0x30, 0x9f\n	.endr\n"
			"	.uleb128 18; .uleb128 1; .byte %d\n	.byte 0\n",
			before, first);
		assert_int_equal(find_argument(file, why, sizeof(why)), before == 63 ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_that_is_next_as_well),
		cmocka_unit_test(ten_million_entries),
		cmocka_unit_test(ten_million_ranges),
		cmocka_unit_test(units_are_looked_at_once),
		cmocka_unit_test(an_enum_in_each_variant),
		cmocka_unit_test(much_within_a_member),
		cmocka_unit_test(values_upon_values),
		cmocka_unit_test(much_within_namespaces),
		cmocka_unit_test(functions_are_found_where_they_are),
		cmocka_unit_test(parts_upon_parts),
		cmocka_unit_test(much_within_a_function),
		cmocka_unit_test(locations_upon_locations),
		cmocka_unit_test(parameters_without_end),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
