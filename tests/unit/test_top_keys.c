/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "top_keys.h"
#include "top_made.h"

#define PAGE 4

static struct made made;
static struct top_row rows[64];
static size_t count;
static struct top_keys keys;

/* Two consumers of five steps each, in pipeline order: rows 0 and 6 are the consumers' own. */
static void begin(void)
{
	made_begin(&made);
	memset(&keys, 0, sizeof(keys));
	count = 0;
	for (uint32_t c = 0; c < 2; c++) {
		made_consumer(&made, 100 + c, "consumer");
		rows[count++] = (struct top_row){ .consumer = &made.consumers[c] };
		for (int i = 0; i < 5; i++) {
			char name[8] = { 's', 't', 'e', 'p', (char)('0' + i), '\0' };

			rows[count++] =
				(struct top_row){ &made.consumers[c], made_step(&made, name) };
		}
	}
}

static void press(const char *letters)
{
	for (; *letters; letters++) {
		char one[2] = { *letters, '\0' };

		top_keys_press(&keys, TOP_KEY_TEXT, one, rows, count, PAGE);
	}
}

static void special(enum top_key key)
{
	top_keys_press(&keys, key, "", rows, count, PAGE);
}

static size_t at(void)
{
	size_t i = top_keys_place(&keys, rows, count, PAGE);

	if (i < count)
		assert_true(i >= keys.scroll && i < keys.scroll + PAGE);
	return i;
}

static void test_toggles(void **state)
{
	(void)state;
	begin();
	press("p");
	assert_true(keys.paused);
	press(" ");
	assert_false(keys.paused);
	press("d");
	assert_int_equal(keys.view.side, PUSHBACK_RECEIVE);
	press("d");
	assert_int_equal(keys.view.side, PUSHBACK_SEND);
	press("m");
	assert_true(keys.view.merge);
	press("s");
	assert_int_equal(keys.view.sort, TOP_BY_SELF);
	press("SS");
	assert_int_equal(keys.view.sort, TOP_BY_NAME);
	press("s");
	assert_int_equal(keys.view.sort, TOP_BY_PIPELINE);
	press("x\x01");
	assert_false(keys.quit);
	press("q");
	assert_true(keys.quit);
}

static void test_help(void **state)
{
	(void)state;
	begin();
	press("h");
	assert_true(keys.help);
	press("p");
	assert_false(keys.help || keys.paused || keys.quit);
	press("?q");
	assert_true(keys.quit);
}

/* Longer than the screen it is walked through, and other keys leave it; shorter, all do. */
static void test_help_scrolls(void **state)
{
	(void)state;
	begin();
	press("h");
	assert_int_equal(top_keys_place_help(&keys, 20, PAGE), 0);
	press("j");
	special(TOP_KEY_DOWN);
	assert_int_equal(top_keys_place_help(&keys, 20, PAGE), 2);
	special(TOP_KEY_PAGE_DOWN);
	press(" ");
	assert_int_equal(keys.help_first, 2 + 2 * PAGE);
	special(TOP_KEY_END);
	press("j");
	assert_int_equal(top_keys_place_help(&keys, 20, PAGE), 20 - PAGE);
	press("k");
	special(TOP_KEY_PAGE_UP);
	assert_int_equal(keys.help_first, 20 - PAGE - 1 - PAGE);
	/* A larger screen shows its end, a smaller one goes on from there. */
	assert_int_equal(top_keys_place_help(&keys, 20, 18), 2);
	assert_int_equal(top_keys_place_help(&keys, 20, PAGE), 2);
	special(TOP_KEY_HOME);
	special(TOP_KEY_UP);
	special(TOP_KEY_PAGE_UP);
	assert_int_equal(keys.help_first, 0);
	assert_true(keys.help);
	assert_false(keys.cursor.on);
	press("x");
	assert_false(keys.help);
	press("h");
	top_keys_place_help(&keys, PAGE, PAGE);
	press("j");
	assert_false(keys.help || keys.cursor.on);
}

static void test_filter(void **state)
{
	(void)state;
	begin();
	press("/sqd");
	assert_true(keys.editing);
	assert_false(keys.quit);
	top_keys_press(&keys, TOP_KEY_TEXT, "\xc3\xa9", rows, count, PAGE);
	assert_string_equal(keys.view.filter, "sqd\xc3\xa9");
	special(TOP_KEY_BACKSPACE);
	assert_string_equal(keys.view.filter, "sqd");
	special(TOP_KEY_BACKSPACE);
	special(TOP_KEY_ENTER);
	assert_false(keys.editing);
	assert_string_equal(keys.view.filter, "sq");
	press("/");
	/* What there was is gone: one types what one wants. */
	assert_string_equal(keys.view.filter, "");
	for (int i = 0; i < 200; i++)
		press("x");
	assert_int_equal(strlen(keys.view.filter), TOP_FILTER_SIZE - 1);
	special(TOP_KEY_ESCAPE);
	assert_false(keys.editing);
	assert_string_equal(keys.view.filter, "");
	special(TOP_KEY_BACKSPACE);
	press("/");
	special(TOP_KEY_BACKSPACE);
	assert_string_equal(keys.view.filter, "");
}

static void test_moves(void **state)
{
	(void)state;
	begin();
	assert_int_equal(at(), count);
	special(TOP_KEY_DOWN);
	assert_int_equal(at(), 0);
	press("jj");
	special(TOP_KEY_DOWN);
	assert_int_equal(at(), 3);
	press("k");
	assert_int_equal(at(), 2);
	special(TOP_KEY_PAGE_DOWN);
	assert_int_equal(at(), 6);
	special(TOP_KEY_END);
	assert_int_equal(at(), 11);
	special(TOP_KEY_DOWN);
	assert_int_equal(at(), 11);
	special(TOP_KEY_PAGE_UP);
	assert_int_equal(at(), 7);
	special(TOP_KEY_HOME);
	special(TOP_KEY_UP);
	special(TOP_KEY_PAGE_UP);
	assert_int_equal(at(), 0);
	special(TOP_KEY_ESCAPE);
	assert_int_equal(at(), count);
}

/* With no row at all there is nothing to select. */
static void test_empty(void **state)
{
	(void)state;
	begin();
	count = 0;
	special(TOP_KEY_DOWN);
	special(TOP_KEY_END);
	press("jk");
	assert_int_equal(at(), 0);
	assert_false(keys.cursor.on);
	assert_int_equal(keys.scroll, 0);
}

static void test_selection_follows_its_step(void **state)
{
	struct top_row moved;

	(void)state;
	begin();
	press("jjj");
	assert_int_equal(at(), 2);
	moved = rows[2];
	rows[2] = rows[9];
	rows[9] = moved;
	assert_int_equal(at(), 9);
	rows[9] = rows[10]; /* it has ended */
	assert_int_equal(at(), count);
	assert_false(keys.cursor.on);
}

/* The same name in another process is another row, merged it is one. */
static void test_selection_merged(void **state)
{
	(void)state;
	begin();
	special(TOP_KEY_END);
	assert_int_equal(at(), 11);
	press("m");
	count = 6;
	assert_int_equal(at(), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toggles),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_scrolls),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_selection_follows_its_step),
		cmocka_unit_test(test_selection_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
