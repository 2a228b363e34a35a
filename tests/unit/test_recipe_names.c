/* SPDX-License-Identifier: MIT */
/* Names of variants among a recipe's values, and what a recipe with them says wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "recipe.h"

#define BEGIN "[target]\npath = /p\n[step s]\nsubmit = symbol f\ninstance = arg2\n"

static void test_usual_names(void **state)
{
	struct recipe_names n;
	char name[32];

	(void)state;
	recipe_names_init(&n);
	assert_int_equal(recipe_names_mean("Ok", &n), PUSHBACK_ACCEPTED);
	assert_int_equal(recipe_names_mean("MessageRejected", &n), PUSHBACK_REJECTED);
	assert_int_equal(recipe_names_mean("InvalidMessage", &n), PUSHBACK_INVALID);
	assert_int_equal(recipe_names_mean("Err", &n), -1);
	assert_int_equal(recipe_names_mean("O", &n), -1);
	assert_int_equal(recipe_names_mean("", &n), -1);
	assert_int_equal(n.unnamed, -1);
	assert_string_equal(recipe_names_first(&n, PUSHBACK_REJECTED, name, sizeof(name)),
			    "MessageRejected");
	recipe_names_free(&n);
}

static void test_names_are_taken_out(void **state)
{
	struct recipe_names n;
	char rest[64];

	(void)state;
	recipe_names_init(&n);
	assert_null(
		recipe_names_take(&n, "Taken, 3 , Done,0x10..0x20,  -4", PUSHBACK_ACCEPTED, rest));
	assert_string_equal(rest, " 3 ,0x10..0x20,  -4");
	assert_null(recipe_names_take(&n, "Full", PUSHBACK_REJECTED, rest));
	assert_string_equal(rest, "");
	assert_null(recipe_names_take(&n, "Late, other", PUSHBACK_INVALID, rest));
	assert_string_equal(rest, " other");
	assert_int_equal(n.unnamed, PUSHBACK_INVALID);
	assert_int_equal(recipe_names_mean("Done", &n), PUSHBACK_ACCEPTED);
	assert_int_equal(recipe_names_mean("Full", &n), PUSHBACK_REJECTED);
	/* The usual one of an outcome that has names is none of them. */
	assert_int_equal(recipe_names_mean("Ok", &n), -1);
	assert_int_equal(recipe_names_mean("InvalidMessage", &n), -1);
	recipe_names_free(&n);
}

/* What is said of a name goes before what it usually means. */
static void test_a_usual_name_can_mean_something_else(void **state)
{
	struct recipe_names n;
	char rest[64];

	(void)state;
	recipe_names_init(&n);
	assert_null(recipe_names_take(&n, "InvalidMessage", PUSHBACK_REJECTED, rest));
	assert_int_equal(recipe_names_mean("InvalidMessage", &n), PUSHBACK_REJECTED);
	assert_non_null(recipe_names_take(&n, "InvalidMessage", PUSHBACK_ACCEPTED, rest));
	recipe_names_free(&n);
}

static struct recipes *read_recipe(const char *text, int expected, char *why)
{
	char path[] = "/tmp/pushback-recipe-XXXXXX";
	struct recipes *recipes = recipes_new();
	int fd = mkstemp(path);

	*why = '\0';
	assert_true(fd >= 0 && recipes);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(recipes_read(recipes, path, why, 512), expected);
	unlink(path);
	return recipes;
}

static void test_recipes_that_are_right(void **state)
{
	struct recipes *r;
	char why[512];

	(void)state;
	r = read_recipe(BEGIN "result = dwarf\n", 0, why);
	assert_true(r->steps[0].dwarf && !r->steps[0].result.place && !r->steps[0].optional);
	recipes_free(r);
	r = read_recipe(BEGIN "result = dwarf else u32 *(arg1+8)\naccepted = Ok, 2\n"
			      "rejected = 0..1\nunknown = other\noptional = yes\n",
			0, why);
	assert_true(r->steps[0].dwarf && r->steps[0].optional && r->steps[0].result.memory);
	assert_int_equal(r->steps[0].result.offset, 8);
	assert_int_equal(r->steps[0].values.ranges_count, 2);
	assert_int_equal(r->steps[0].values.otherwise, PB_OUTCOME_UNKNOWN);
	recipes_free(r);
	r = read_recipe(BEGIN "result = dwarf else arg1\nmessage = arg3\n", 0, why);
	assert_true(r->steps[0].dwarf && r->steps[0].message.place);
	recipes_free(r);
}

static void test_recipes_that_are_wrong(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "result = dwarf\naccepted = Ok, 2\n", ":7: Ok, 2: numbers are of a value" },
		{ "result = dwarf else\n", "dwarf else: a value is" },
		{ "result = dwarfelse arg1\n", "; a result may be dwarf, or dwarf else VALUE" },
		{ "result = dwarf or arg1\n", "; a result may be dwarf, or dwarf else VALUE" },
		{ "result = dwarf else nowhere\n", "nowhere: a value is" },
		{ "result = dwarf\nmessage = arg3\n", "where it begins: \"dwarf else return\"" },
		{ "result = dwarf else u64 *arg1\naccepted = Ok\nrejected = 0\n",
		  "has not both accepted and rejected values" },
		{ "result = dwarf else u64 *arg1\n", "has not both accepted and rejected values" },
		{ "result = dwarf\naccepted = A\nrejected = A\n",
		  "A has a name that is accepted already" },
		{ "result = dwarf\naccepted = A,,B\n", "A,,B has a comma too many" },
		{ "result = dwarf\naccepted = A,\n", "A, has a comma too many" },
		{ "result = dwarf\naccepted = Result::Ok\n", "is not a number, nor \"other\"" },
		{ "result = s32 return\naccepted = Ok\n", "Ok is not a number, nor \"other\"" },
		{ "accepted = Ok\n", "result comes before what its values mean" },
		{ "result = dwarf\noptional = maybe\n", "maybe: it is no or yes" },
	};
	char text[512], why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), BEGIN "%s", cases[i].text);
		recipes_free(read_recipe(text, -EINVAL, why));
		if (!strstr(why, cases[i].said))
			fail_msg("%s says: %s", cases[i].text, why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_names),
		cmocka_unit_test(test_names_are_taken_out),
		cmocka_unit_test(test_a_usual_name_can_mean_something_else),
		cmocka_unit_test(test_recipes_that_are_right),
		cmocka_unit_test(test_recipes_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
