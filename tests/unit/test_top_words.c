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

static const char *lost(uint64_t torn, uint64_t cut)
{
	static char text[256];
	struct agent_stats stats = { 0 };
	size_t used = 0;

	stats.lost[used].reason = "note_dead";
	stats.lost[used++].count = 9;
	if (cut) {
		stats.lost[used].reason = "name_cut";
		stats.lost[used++].count = cut;
	}
	if (torn) {
		stats.lost[used].reason = "torn";
		stats.lost[used++].count = torn;
	}
	top_words_lost(&stats, text, sizeof(text));
	return text;
}

/* With a name that is cut, the numbers are complete. */
static void test_lost(void **state)
{
	(void)state;
	assert_string_equal(lost(0, 0), "");
	assert_string_equal(lost(1, 0), "lost: 1 torn (these numbers are not complete)");
	assert_string_equal(lost(0, 2), "names cut: 2");
	assert_string_equal(lost(1, 2),
			    "lost: 1 torn (these numbers are not complete); names cut: 2");
}

/* What has ended is not being measured any more. */
static void test_last(void **state)
{
	struct top_consumer c = { .kind = VERDICT_MEASURING, .verdict = "measuring" };

	(void)state;
	assert_string_equal(top_words_last(&c), "ended before a full second was measured");
	c.kind = VERDICT_UNCLEAR;
	assert_string_equal(top_words_last(&c), "measuring");
}

static void assert_title(const struct top_keys *k, size_t width, const char *expected)
{
	char text[256];

	top_words_title(k, &made.s, "15:13:19", width, true, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* What is chosen stays to be seen where it gets narrow. */
static void test_title(void **state)
{
	struct top_keys k = { .view.merge = true };

	(void)state;
	made_begin(&made);
	made_consumer(&made, 1, "c");
	made_step(&made, "sink");
	assert_title(&k, 132, "pushback top  15:13:19  1 consumer, 1 step, merged");
	assert_title(&k, 40, "pushback top  15:13:19  merged");
	k.paused = true;
	assert_title(&k, 38, "pushback top  PAUSED  15:13:19  merged");
	assert_title(&k, 37, "top  PAUSED  15:13:19  merged");
	k.view.sort = TOP_BY_SELF;
	assert_title(&k, 40, "top  PAUSED  by self time, merged");
	k.view.side = PUSHBACK_RECEIVE;
	assert_title(&k, 40, "top PAUSED merged blocked by self time ");
	strcpy(k.view.filter, "transform");
	assert_title(&k, 40, "PAUSED merged blocked by self time 'transform'");
	assert_title(&k, 132,
		     "pushback top  PAUSED  filter 'transform'  15:13:19  1 consumer, 1 step, "
		     "by self time, blocked side, merged");
}

static void assert_keys(const struct top_keys *k, size_t width, const char *expected)
{
	char text[256];

	top_words_keys(k, width, true, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_keys(void **state)
{
	struct top_keys k = { .paused = false };

	(void)state;
	assert_keys(&k, 80, "q quit  s sort  / filter  p pause  d blocked side  m merge  h help");
	assert_keys(&k, 60, "q quit  s sort  / filter  p pause  d side  m merge  h help");
	assert_keys(&k, 40, "q quit  h help  p pause  m merge  s / d");
	k.paused = k.view.merge = true;
	assert_keys(&k, 40, "q quit  h help  p go on  m split  s / d");
	assert_keys(&k, 20, "q quit  h help");
}

/* Of a filter that does not fit, its end is seen. */
static void test_filter_being_typed(void **state)
{
	struct top_keys k = { .editing = true, .view.filter = "a\xc3\xa4-0123456789" };

	(void)state;
	assert_keys(&k, 80, "filter: a\xc3\xa4-0123456789_  (enter keeps it, escape: none)");
	assert_keys(&k, 40, "filter: a\xc3\xa4-0123456789_");
	assert_keys(&k, 20, "filter: -0123456789_");
	assert_keys(&k, 12, "filter: 789_");
	assert_keys(&k, 3, "filter: _");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty), cmocka_unit_test(test_lost),
		cmocka_unit_test(test_last),  cmocka_unit_test(test_title),
		cmocka_unit_test(test_keys),  cmocka_unit_test(test_filter_being_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
