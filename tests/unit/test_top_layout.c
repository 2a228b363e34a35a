/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "top_layout.h"
#include "top_made.h"

#define SEC  1000000000ull
#define WIDE 400

static struct made made;
static struct top_row rows[MADE_STEPS_MAX];

static void begin(void)
{
	made_begin(&made);
	made_consumer(&made, 4711, "consumer");
}

static struct top_step *add(const char *name)
{
	struct top_step *step = made_step(&made, name);

	rows[made.s.step_count - 1] = (struct top_row){ made.consumers, step };
	return step;
}

static struct top_layout layout(const struct top_view *view, size_t width)
{
	struct top_layout l;

	top_layout_make(&l, rows, made.s.step_count, view, width, true);
	return l;
}

/* Cells as they stand in a line, without the blanks at its end. */
static const char *line(const struct top_layout *l, const struct top_row *row)
{
	static char text[TOP_TEXT_SIZE(WIDE)];
	char cell[TOP_CELL_SIZE];

	text[0] = '\0';
	for (size_t i = 0; i < l->count; i++) {
		while (top_text_width(text, true) < top_layout_offset(l, i))
			strcat(text, " ");
		assert_int_equal(top_text_width(text, true), top_layout_offset(l, i));
		if (row)
			top_layout_cell(l, i, row, cell);
		else
			top_layout_title(l, i, cell);
		assert_int_equal(top_text_width(cell, true), l->columns[i].width);
		strcat(text, cell);
	}
	assert_int_equal(top_text_width(text, true), top_layout_offset(l, l->count));
	for (size_t end = strlen(text); end && text[end - 1] == ' '; end--)
		text[end - 1] = '\0';
	return text;
}

static struct top_step *add_stuck(void)
{
	struct top_step *step = add("sink");

	step->state = TOP_REFUSING;
	step->at_fault = true;
	step->self = 0.981;
	step->rate[COUNTER_ACCEPTED] = 998;
	step->rate[COUNTER_SEND] = 6100000;
	step->rate[COUNTER_RECEIVE] = 12;
	step->since_ns = 62 * SEC;
	step->side[PUSHBACK_SEND] = (struct top_side){ .share = 0.982,
						       .p50 = 1000000,
						       .p99 = 1200000,
						       .longest = 75 * SEC,
						       .at_least = true };
	step->side[PUSHBACK_RECEIVE].share = 0.004;
	return step;
}

/* What is promised: all that matters in less than 80 columns. */
static void test_under_80(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;

	(void)state;
	begin();
	add("decode");
	add_stuck();
	l = layout(&view, 79);
	assert_string_equal(line(&l, NULL), " STEP     STATE    SINCE REF% BLK% SELF% ACC/s REJ/s "
					    "EPI/s   P50   P99    MAX");
	assert_string_equal(line(&l, &rows[0]),
			    " decode   flowing      -    0    0     0     0     0"
			    "     0     -     -      -");
	assert_string_equal(line(&l, &rows[1]),
			    "*sink     refusing 1m02s   98   <1    98   998 6.10M"
			    "     0 1.0ms 1.2ms >1m15s");
}

static void test_under_80_with_queues(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;
	struct top_step *step;

	(void)state;
	begin();
	step = add("batch");
	step->has_depth = true;
	step->depth = 12;
	step->capacity = 64;
	l = layout(&view, 79);
	assert_string_equal(line(&l, NULL),
			    " STEP     STATE    SINCE REF% BLK% SELF% ACC/s REJ/s   "
			    "P50   P99    MAX   QUEUE");
	assert_string_equal(line(&l, &rows[0]),
			    " batch    flowing      -    0    0     0     0     0"
			    "     -     -      -   12/64");
	step->capacity = 0;
	assert_non_null(strstr(line(&l, &rows[0]), "      12"));
	step->has_depth = false;
	assert_non_null(strstr(line(&l, &rows[0]), "       -"));
	step->has_depth = true;
	step->capacity = 64;
	l = layout(&view, 120);
	assert_non_null(strstr(line(&l, &rows[0]), "12/64 [|     ]"));
}

static void test_blocked_side(void **state)
{
	struct top_view view = { .side = PUSHBACK_RECEIVE };
	struct top_layout l;

	(void)state;
	begin();
	add_stuck();
	l = layout(&view, 79);
	assert_non_null(strstr(line(&l, NULL), "BLK/s"));
	assert_string_equal(line(&l, &rows[0]),
			    "*sink     refusing 1m02s   98   <1    98   998    12"
			    "     0     -     -      -");
}

/* What is at least so long is cut to what fits, and is true. */
static void test_since_at_least(void **state)
{
	static const struct {
		uint64_t s;
		const char *text;
	} table[] = {
		{ 12, "  >12s" },   { 67, "   >1m" },   { 599, "   >9m" },
		{ 3540, "  >59m" }, { 3700, "   >1h" }, { 360000, "   >4d" },
	};
	struct top_view view = { 0 };
	struct top_step *step;

	(void)state;
	begin();
	step = add_stuck();
	step->since_at_least = true;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct top_layout l = layout(&view, 79);

		step->since_ns = table[i].s * SEC;
		assert_non_null(strstr(line(&l, &rows[0]), table[i].text));
	}
}

/* The four of one measure, which add up. */
static void test_split(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;
	struct top_step *step;

	(void)state;
	begin();
	add("sink")->marks = true;
	step = add("decode");
	l = layout(&view, 200);
	assert_non_null(strstr(line(&l, NULL), " BUSY+BLK+REF+IDLE "));
	step->split[MODEL_BUSY] = 0.25;
	step->split[MODEL_REFUSING] = 0.746;
	step->split[MODEL_IDLE] = 0.004;
	assert_non_null(strstr(line(&l, &rows[1]), "   ?+  0+ 75+  ?"));
	step->marks = true;
	l = layout(&view, 200);
	assert_non_null(strstr(line(&l, &rows[1]), "  25+  0+ 75+ <1"));
}

/* Before a second has passed nothing is known, and that is not 0. */
static void test_not_measured(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;

	(void)state;
	begin();
	add("decode")->judged = false;
	l = layout(&view, 79);
	assert_string_equal(line(&l, &rows[0]),
			    " decode   -            -    -    -     -     -     -"
			    "     -     -     -      -");
}

static void test_busy_is_unknown_without_marks(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;

	(void)state;
	begin();
	add("decode")->marks = true;
	add("sink");
	l = layout(&view, 120);
	for (size_t i = 0; i < l.count; i++) {
		char title[TOP_CELL_SIZE], cell[TOP_CELL_SIZE];

		top_layout_title(&l, i, title);
		if (strcmp(title, "BUSY%"))
			continue;
		top_layout_cell(&l, i, &rows[0], cell);
		assert_string_equal(cell, "    0");
		top_layout_cell(&l, i, &rows[1], cell);
		assert_string_equal(cell, "    ?");
		return;
	}
	fail_msg("no column BUSY%%");
}

/* Any width, any view: nothing is wider than it may be, and a wider screen shows no less. */
static void test_widths(void **state)
{
	static const char *const names[] = { "sink", "transform_and_forward_to_another_topic",
					     "\xe6\xb5\x81\xe6\xb0\xb4\xe7\xba\xbf", "" };
	size_t last = 0;

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(names[i])->has_depth = true;
	rows[0].step = add_stuck();
	for (int s = 0; s < TOP_SORTS; s++) {
		for (int merge = 0; merge < 2; merge++) {
			struct top_view view = { .sort = (enum top_sort)s, .merge = merge };

			last = 0;
			for (size_t width = 24; width <= WIDE; width++) {
				struct top_layout l = layout(&view, width);

				assert_true(top_layout_offset(&l, l.count) <= width);
				assert_true(l.count >= last);
				last = l.count;
				for (size_t i = 0; i < 4; i++)
					line(&l, &rows[i]);
			}
		}
	}
}

static void test_40_and_200(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;

	(void)state;
	begin();
	add("a_step_with_a_long_name");
	add_stuck();
	l = layout(&view, 40);
	assert_string_equal(line(&l, NULL), " STEP     STATE    SINCE REF% BLK% SELF%");
	assert_string_equal(line(&l, &rows[0]),
			    " a_step_\xe2\x80\xa6 flowing      -    0    0     0");
	assert_string_equal(line(&l, &rows[1]), "*sink     refusing 1m02s   98   <1    98");
	l = layout(&view, 200);
	assert_string_equal(
		line(&l, NULL),
		" STEP                    STATE    SINCE REF% BLK% SELF% ACC/s REJ/s EPI/s"
		"   P50   P99    MAX ACCEPTED REJECTED");
}

static void test_flat(void **state)
{
	struct top_view view = { .sort = TOP_BY_SELF };
	struct top_layout l;

	(void)state;
	begin();
	add_stuck();
	l = layout(&view, 79);
	/* One process: its name says nothing. */
	assert_string_equal(
		line(&l, &rows[0]),
		"*   4711 sink     refusing 1m02s   98   <1    98   998 6.10M 1.0ms 1.2ms "
		">1m15s");
	made_consumer(&made, 4712, "other-consumer");
	rows[1] = (struct top_row){ &made.consumers[1], made_step(&made, "") };
	l = layout(&view, 79);
	assert_string_equal(line(&l, &rows[0]),
			    "*   4711 consumer    sink      refusing 1m02s   98   <1    98   998 "
			    "6.10M 1.2ms");
	assert_string_equal(
		line(&l, &rows[1]),
		"    4712 other-cons\xe2\x80\xa6 (no name) flowing      -    0    0     0     "
		"0     0     -");
	l = layout(&view, 120);
	assert_non_null(strstr(line(&l, &rows[1]), " 4712 other-consumer (no name) "));
	for (size_t i = 0; i < l.count; i++) {
		char title[TOP_CELL_SIZE];

		top_layout_title(&l, i, title);
		assert_int_equal(top_layout_is_sorted(&l, i), !strcmp(title, "SELF%"));
	}
}

/* Whatever has to go, not what they are sorted by. */
static void test_what_is_sorted_by_is_there(void **state)
{
	(void)state;
	begin();
	add_stuck()->has_depth = true;
	made_consumer(&made, 4712, "other");
	rows[1] = (struct top_row){ &made.consumers[1], made_step(&made, "step") };
	for (int s = TOP_BY_SELF; s < TOP_SORTS; s++) {
		struct top_view view = { .sort = (enum top_sort)s };

		for (size_t width = 50; width < 120; width++) {
			struct top_layout l = layout(&view, width);
			size_t sorted = 0;

			for (size_t i = 0; i < l.count; i++)
				sorted += top_layout_is_sorted(&l, i);
			assert_int_equal(sorted, 1);
		}
	}
}

static void test_merged_rows_are_told_apart(void **state)
{
	struct top_view view = { .sort = TOP_BY_SELF, .merge = true };
	struct top_layout l;

	(void)state;
	begin();
	add("step");
	made_consumer(&made, 4712, "other");
	rows[1] = (struct top_row){ &made.consumers[1], made_step(&made, "step") };
	l = layout(&view, 40);
	assert_string_equal(line(&l, &rows[0]), " consumer step        1 flowing      0");
	assert_string_equal(line(&l, &rows[1]), " other    step        1 flowing      0");
}

static void test_consumer(void **state)
{
	struct top_view view = { 0 };
	struct top_layout l;
	struct top_consumer *c = made.consumers;
	char out[TOP_TEXT_SIZE(79)];

	(void)state;
	begin();
	add("sink");
	c->some_share = 1;
	c->full_share = 0.5;
	c->some[MODEL_AVG10] = 0.98;
	c->some[MODEL_AVG300] = 1;
	c->full[MODEL_AVG60] = 0.001;
	l = layout(&view, 79);
	top_layout_consumer(&l, c, 79, out);
	assert_string_equal(out, "consumer[4711]  some 100  98   0 100  full  50   0  <1   0  % of "
				 "1/10/60/300 s");
	top_layout_consumer(&l, c, 60, out);
	assert_string_equal(out, "consumer[4711]  some 100  98   0 100  full  50   0  <1   0");
	top_layout_consumer(&l, c, 20, out);
	assert_true(top_text_width(out, true) <= 20);
	c->sibling = 2;
	top_layout_name(&l, c, out);
	assert_string_equal(out, "consumer[4711]/2");
	l.view.merge = true;
	c->merged = 20;
	strcpy(c->name, "\x1b[2J");
	top_layout_name(&l, c, out);
	assert_string_equal(out, "?[2J x20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_under_80),
		cmocka_unit_test(test_under_80_with_queues),
		cmocka_unit_test(test_blocked_side),
		cmocka_unit_test(test_not_measured),
		cmocka_unit_test(test_since_at_least),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_busy_is_unknown_without_marks),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_40_and_200),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_what_is_sorted_by_is_there),
		cmocka_unit_test(test_merged_rows_are_told_apart),
		cmocka_unit_test(test_consumer),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
