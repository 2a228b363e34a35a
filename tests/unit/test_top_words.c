/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "top_made.h"
#include "top_words.h"

static struct made made;

static void assert_says(const struct top_view *view, const char *beginning)
{
	const char *text = top_words_empty(&made.s, view);

	assert_int_equal(strncmp(text, beginning, strlen(beginning)), 0);
}

/* What is said where there are no rows is true then. */
static void test_empty(void **state)
{
	struct top_view view = { 0 };

	(void)state;
	made_begin(&made);
	made.s.any_ever = false;
	assert_says(&view, "No step has returned since this began");
	made.s.now = 0;
	assert_says(&view, "Measuring the first second.");
	made.s.any_ever = true;
	made.s.now = 1;
	assert_says(&view, "No consumer is left");
	strcpy(view.filter, "x");
	assert_says(&view, "No consumer is left");
	made_consumer(&made, 1, "c");
	made_step(&made, "sink");
	assert_says(&view, "No step, process or pid matches");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
