/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "keep.h"

static const uint64_t numbers[] = { 0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX };
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int set_up(void **state)
{
	static struct keep_writer w;

	w = (struct keep_writer){ 0 };
	keep_begin(&w, "first");
	keep_numbers(&w, numbers, NUMBERS);
	keep_text(&w, "a text");
	keep_text(&w, "");
	keep_end(&w);
	keep_begin(&w, "empty");
	keep_end(&w);
	keep_begin(&w, "last");
	keep_bytes(&w, "raw", 3);
	keep_number(&w, 3);
	keep_bytes(&w, "abc", 3);
	keep_end(&w);
	*state = &w;
	return keep_finish(&w);
}

static int tear_down(void **state)
{
	keep_free(*state);
	return 0;
}

static void open_all(struct keep_reader *r, const struct keep_writer *w)
{
	assert_int_equal(keep_open(r, w->data, w->size), 0);
}

static void test_what_was_written_is_read(void **state)
{
	struct keep_reader all, r;
	uint64_t have[NUMBERS];
	char raw[3];

	open_all(&all, *state);
	assert_true(keep_find(&all, "last", &r));
	keep_read_bytes(&r, raw, 3);
	assert_memory_equal(raw, "raw", 3);
	assert_int_equal(keep_read_count(&r), 3);
	assert_int_equal(keep_result(&r), 0);
	assert_true(keep_find(&all, "first", &r));
	keep_read_numbers(&r, have, NUMBERS);
	assert_memory_equal(have, numbers, sizeof(numbers));
	assert_string_equal(keep_read_text(&r), "a text");
	assert_string_equal(keep_read_text(&r), "");
	assert_int_equal(keep_result(&r), 0);
	assert_true(keep_find(&all, "empty", &r));
	assert_int_equal(r.size, 0);
	assert_false(keep_find(&all, "las", &r));
	assert_false(keep_find(&all, "lastly", &r));
}

static void test_no_read_leaves_its_section(void **state)
{
	struct keep_reader all, r;
	char bytes[8] = "before.";

	open_all(&all, *state);
	assert_true(keep_find(&all, "empty", &r));
	assert_int_equal(keep_read(&r), 0);
	assert_int_equal(keep_result(&r), -EBADMSG);
	assert_true(keep_find(&all, "last", &r));
	keep_read_bytes(&r, bytes, 8);
	assert_memory_equal(bytes, "\0\0\0\0\0\0\0", 8);
	assert_int_equal(keep_result(&r), -EBADMSG);
	/* From then on nothing is good. */
	assert_int_equal(keep_read(&r), 0);
	assert_string_equal(keep_read_text(&r), "");
}

/* As a section whose bytes are these. */
static struct keep_reader reader_of(const char *bytes, size_t size)
{
	return (struct keep_reader){ .data = (const unsigned char *)bytes, .size = size };
}

static void test_what_cannot_have_been_written(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} texts[] = {
		{ "\0", 1 },    { "\3ab", 3 },   { "\3abc", 4 },
		{ "\3a\0", 4 }, { "\377", 1 },   { "\377\377\377\377\377\377\377\377\377\377", 10 },
		{ "", 0 },      { "\4a\0b", 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct keep_reader r = reader_of(texts[i].bytes, texts[i].size);

		assert_string_equal(keep_read_text(&r), "");
		assert_int_equal(keep_result(&r), -EBADMSG);
	}
	for (char count = 4; count; count = (char)(count * 2 & 0x7f)) {
		char bytes[] = { count, 1, 2, 3 };
		struct keep_reader r = reader_of(bytes, sizeof(bytes));

		assert_int_equal(keep_read_count(&r), 0);
		assert_int_equal(keep_result(&r), -EBADMSG);
	}
}

static void test_what_is_spoilt_is_refused(void **state)
{
	const struct keep_writer *w = *state;
	unsigned char *copy = malloc(w->size + 16);
	struct keep_reader r;

	assert_non_null(copy);
	/* Whatever comes behind it is no part of it. */
	memset(copy, 0x5a, w->size + 16);
	memcpy(copy, w->data, w->size);
	assert_int_equal(keep_open(&r, copy, w->size + 16), 0);
	for (size_t size = 0; size < w->size; size++)
		assert_int_equal(keep_open(&r, copy, size), -EBADMSG);
	for (size_t bit = 0; bit < 8 * w->size; bit++) {
		int err;

		copy[bit / 8] ^= 1 << bit % 8;
		err = keep_open(&r, copy, w->size);
		/* The version's bits say that it is another one. */
		assert_int_equal(err, bit / 32 == 2 ? -EPROTO : -EBADMSG);
		copy[bit / 8] ^= 1 << bit % 8;
	}
	free(copy);
}

static void test_a_writer_is_used_again(void **state)
{
	struct keep_writer *w = *state;
	struct keep_reader all, r;

	keep_clear(w);
	keep_begin(w, "other");
	keep_number(w, 7);
	keep_end(w);
	assert_int_equal(keep_finish(w), 0);
	open_all(&all, w);
	assert_false(keep_find(&all, "first", &r));
	assert_true(keep_find(&all, "other", &r));
	assert_int_equal(keep_read(&r), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_written_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_read_leaves_its_section, set_up, tear_down),
		cmocka_unit_test(test_what_cannot_have_been_written),
		cmocka_unit_test_setup_teardown(test_what_is_spoilt_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_writer_is_used_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
