/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/openmetrics_text.h"
#include "pushback_abi.h"

static const struct openmetrics_style new_style = { "p_", true };
static const struct openmetrics_style old_style = { "p_", false };

/* What a buffer holds, terminated; empties it. */
static const char *text_of(struct buffer *b)
{
	static char text[16384];

	assert_false(b->failed);
	assert_true(b->length < sizeof(text));
	if (b->length)
		memcpy(text, b->data, b->length);
	text[b->length] = '\0';
	buffer_free(b);
	return text;
}

static void check_label(const char *value, const char *expected)
{
	struct buffer b = { 0 };
	char whole[512];

	openmetrics_label(&b, "k", value);
	snprintf(whole, sizeof(whole), "k=\"%s\"", expected);
	assert_string_equal(text_of(&b), whole);
}

#define BAD "\xef\xbf\xbd"

static void a_value_stays_inside_its_quotes(void **state)
{
	(void)state;
	check_label("plain", "plain");
	check_label("", "unknown");
	check_label("a\"} 1\nb 2", "a\\\"} 1\\nb 2");
	check_label("\\", "\\\\");
	check_label("\\\"", "\\\\\\\"");
	check_label("\r\x01\x1b[2J\x7f\t", BAD BAD BAD "[2J" BAD BAD);
	check_label("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9", BAD BAD BAD); /* ends of lines to some */
}

static void what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	check_label("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	check_label("\x80", BAD);
	check_label("\xc3", BAD);
	check_label("\xc3\"", BAD "\\\"");                /* does not swallow the quote */
	check_label("\xe2\x82\n", BAD BAD "\\n");         /* nor the newline */
	check_label("\xc0\xa2", BAD BAD);                 /* an overlong quote */
	check_label("\xe0\x80\xa2", BAD BAD BAD);         /* and another */
	check_label("\xed\xa0\x80", BAD BAD BAD);         /* half a surrogate pair */
	check_label("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
	check_label("\xff\xfe\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD BAD BAD);
	check_label("\xf4\x8f\xbf\xbf\xed\x9f\xbf", "\xf4\x8f\xbf\xbf\xed\x9f\xbf");
}

static void every_byte_alone_ends_no_label(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char value[] = { (char)c, '\0' };
		struct buffer b = { 0 };
		const char *text;

		openmetrics_label(&b, "k", value);
		text = text_of(&b);
		assert_null(strchr(text, '\n'));
		assert_null(strchr(text, '\r'));
		/* The quotes of its own, and a third one only behind a backslash. */
		for (const char *at = text + 3; at[1]; at++)
			assert_true(*at != '"' || at[-1] == '\\');
	}
}

static void a_key_stands_once(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	openmetrics_label(&b, "step", "x,env=\"y");
	openmetrics_tags(&b, "env:prod,a:1,env:dev,a:2,step:no,vv:a:b,v:c");
	assert_string_equal(text_of(&b),
			    "step=\"x,env=\\\"y\",env=\"prod\",a=\"1\",vv=\"a:b\",v=\"c\"");
	openmetrics_tags(&b, "");
	assert_string_equal(text_of(&b), "");
}

/* The quote that closes it follows, as if that began a label. */
static void a_value_that_ends_like_a_key_takes_no_label(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	openmetrics_label(&b, "step", "a\",process=\"b,process=");
	openmetrics_label(&b, "process", "c");
	openmetrics_label(&b, "process", "d");
	assert_string_equal(text_of(&b), "step=\"a\\\",process=\\\"b,process=\",process=\"c\"");
}

/* Tags that were kept may have any key. */
static void what_is_no_key_is_left_out(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	openmetrics_tags(&b, "a=b:c,d:e,9:x,f\"g:h,-:i,j.k:l,D9_:m,\xc3\xa4:n");
	openmetrics_label(&b, "", "x");
	assert_string_equal(text_of(&b), "d=\"e\",D9_=\"m\"");
}

static void prefixes(void **state)
{
	char out[OPENMETRICS_PREFIX_SIZE], longest[400];

	(void)state;
	openmetrics_prefix(out, "streams.pipeline");
	assert_string_equal(out, "streams_pipeline_");
	openmetrics_prefix(out, "");
	assert_string_equal(out, "");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	openmetrics_prefix(out, longest);
	assert_int_equal(strlen(out), OPENMETRICS_PREFIX_SIZE - 1);
}

static void check_sample(const struct openmetrics_family *family, uint64_t value,
			 const char *expected)
{
	struct buffer b = { 0 };

	openmetrics_sample(&b, &new_style, family, "", value);
	assert_string_equal(text_of(&b), expected);
}

static void numbers_are_exact(void **state)
{
	const struct openmetrics_family count = { "n", OPENMETRICS_COUNTER, false, "" };
	const struct openmetrics_family time = { "t", OPENMETRICS_GAUGE, true, "" };

	(void)state;
	check_sample(&count, 0, "p_n_total 0\n");
	check_sample(&count, UINT64_MAX, "p_n_total 18446744073709551615\n");
	check_sample(&time, 0, "p_t_seconds 0\n");
	check_sample(&time, 1, "p_t_seconds 0.000000001\n");
	check_sample(&time, 1500000000, "p_t_seconds 1.5\n");
	check_sample(&time, 2000000000, "p_t_seconds 2\n");
	check_sample(&time, 1000000010, "p_t_seconds 1.00000001\n");
	check_sample(&time, UINT64_MAX, "p_t_seconds 18446744073.709551615\n");
}

static void heads_of_either_format(void **state)
{
	struct openmetrics_family count = openmetrics_counter(COUNTER_SEND);
	struct openmetrics_family time = openmetrics_counter(COUNTER_SEND_TIME);
	struct buffer b = { 0 };

	(void)state;
	openmetrics_head(&b, &new_style, &count);
	assert_string_equal(text_of(&b), "# TYPE p_send_backpressure counter\n"
					 "# HELP p_send_backpressure Attempts that the step "
					 "refused.\n");
	openmetrics_head(&b, &new_style, &time);
	assert_non_null(strstr(text_of(&b),
			       "# TYPE p_send_backpressure_time_seconds counter\n"
			       "# UNIT p_send_backpressure_time_seconds seconds\n# HELP "));
	openmetrics_head(&b, &old_style, &time);
	assert_non_null(strstr(text_of(&b),
			       "# TYPE p_send_backpressure_time_seconds_total counter\n"
			       "# HELP p_send_backpressure_time_seconds_total "));
	openmetrics_end(&b, &new_style);
	assert_string_equal(text_of(&b), "# EOF\n");
	openmetrics_end(&b, &old_style);
	assert_string_equal(text_of(&b), "");
}

static void every_metric_has_its_help(void **state)
{
	(void)state;
	for (unsigned int c = 0; c < COUNTERS; c++)
		assert_non_null(openmetrics_counter(c).help);
	for (unsigned int g = 0; g < GAUGES; g++)
		assert_non_null(openmetrics_gauge(g).help);
	for (unsigned int d = 0; d < 2; d++)
		assert_non_null(openmetrics_duration(d).help);
}

static void durations_find_their_buckets(void **state)
{
	static const struct {
		uint64_t ns, count;
		size_t bucket;
	} cases[] = {
		{ 1, 1, 0 },
		{ 10000, 2, 0 },
		{ 10001, 4, 1 },
		{ 20000, 8, 1 },
		{ 999999, 16, 6 },
		{ 1000000, 32, 6 },
		{ 1000001, 64, 7 },
		{ 500000000000, 5, 23 },
		{ 500000000001, 7, 24 },
		{ UINT64_MAX, 11, 24 },
	};
	struct openmetrics_histogram h = { 0 }, expected = { 0 };
	struct hist durations = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(hist_add(&durations, cases[i].ns, cases[i].count), 0);
		expected.bucket[cases[i].bucket] += cases[i].count;
		expected.count += cases[i].count;
	}
	openmetrics_count_durations(&h, &durations);
	assert_memory_equal(h.bucket, expected.bucket, sizeof(h.bucket));
	assert_int_equal(h.count, expected.count);
	assert_true(h.sum_ns == UINT64_MAX); /* it does not wrap */
	openmetrics_count_durations(&h, &durations);
	assert_int_equal(h.count, 2 * expected.count);
	hist_free(&durations);
}

static void a_count_does_not_wrap(void **state)
{
	struct openmetrics_histogram h = { .count = UINT64_MAX - 3, .bucket[0] = UINT64_MAX - 3 };
	struct hist durations = { 0 };

	(void)state;
	assert_int_equal(hist_add(&durations, 1, 2), 0);
	assert_int_equal(hist_add(&durations, 50000, 5), 0);
	openmetrics_count_durations(&h, &durations);
	assert_true(h.count == UINT64_MAX);
	assert_true(h.bucket[0] == UINT64_MAX - 1 && h.bucket[2] == 1);
	hist_free(&durations);
}

static void a_histogram_is_cumulative(void **state)
{
	struct openmetrics_family family = openmetrics_duration(PUSHBACK_SEND);
	struct openmetrics_histogram h = { .count = 7, .sum_ns = 2500000000 };
	struct buffer b = { 0 };
	const char *text;
	size_t lines = 0;

	(void)state;
	h.bucket[0] = 1;
	h.bucket[15] = 2;
	h.bucket[24] = 4;
	openmetrics_histogram(&b, &new_style, &family, "a=\"b\"", &h);
	text = text_of(&b);
#define NAME "p_send_backpressure_duration_seconds"
	assert_memory_equal(text, NAME "_bucket{a=\"b\",le=\"1e-05\"} 1\n", 50);
	assert_non_null(strstr(text, "_bucket{a=\"b\",le=\"0.5\"} 1\n"));
	assert_non_null(strstr(text, "_bucket{a=\"b\",le=\"1.0\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{a=\"b\",le=\"500.0\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{a=\"b\",le=\"+Inf\"} 7\n" NAME
				     "_count{a=\"b\"} 7\n" NAME "_sum{a=\"b\"} 2.5\n"));
	for (; *text; text++)
		lines += *text == '\n';
	assert_int_equal(lines, OPENMETRICS_BUCKETS + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_stays_inside_its_quotes),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(every_byte_alone_ends_no_label),
		cmocka_unit_test(a_key_stands_once),
		cmocka_unit_test(a_value_that_ends_like_a_key_takes_no_label),
		cmocka_unit_test(what_is_no_key_is_left_out),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(heads_of_either_format),
		cmocka_unit_test(every_metric_has_its_help),
		cmocka_unit_test(durations_find_their_buckets),
		cmocka_unit_test(a_count_does_not_wrap),
		cmocka_unit_test(a_histogram_is_cumulative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
