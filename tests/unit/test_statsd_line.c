/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../userspace/statsd_line.h"

static void every_rate_is_read_back_exactly(void **state)
{
	(void)state;
	for (uint64_t n = 2; n <= STATSD_WEIGHT_MAX; n++) {
		char rate[STATSD_NUMBER_SIZE];

		statsd_rate(rate, n);
		assert_null(strpbrk(rate, "eE,+-"));
		assert_int_equal(strspn(rate, "0123456789."), strlen(rate));
		assert_memory_equal(rate, "0.", 2);

		double read = strtod(rate, NULL);

		if ((uint64_t)(1.0 / read) != n)
			fail_msg("weight %llu is written as %s and read as %.17g",
				 (unsigned long long)n, rate, 1.0 / read);
		/* Some servers add the inverse itself up: at most two roundings off. */
		assert_true(1.0 / read - (double)n <= (double)n * 4.5e-16);
	}
}

static void simple_rates_are_short(void **state)
{
	char rate[STATSD_NUMBER_SIZE];

	(void)state;
	statsd_rate(rate, 1);
	assert_string_equal(rate, "");
	statsd_rate(rate, 2);
	assert_string_equal(rate, "0.5");
	statsd_rate(rate, 3);
	assert_string_equal(rate, "0.33333333333333331");
	statsd_rate(rate, 10);
	assert_string_equal(rate, "0.1");
	statsd_rate(rate, 64);
	assert_string_equal(rate, "0.015625");
	statsd_rate(rate, 10000);
	assert_string_equal(rate, "0.0001");
}

static void check_ms(uint64_t ns, const char *expected)
{
	char text[STATSD_NUMBER_SIZE];

	statsd_ms(text, ns);
	assert_string_equal(text, expected);
}

static void ms_are_plain_decimals(void **state)
{
	(void)state;
	check_ms(0, "0");
	check_ms(1, "0.000001");
	check_ms(1000, "0.001");
	check_ms(1016, "0.001016");
	check_ms(250000, "0.25");
	check_ms(999999, "0.999999");
	check_ms(1000000, "1");
	check_ms(1000499, "1");
	check_ms(1000500, "1.001");
	check_ms(12345678, "12.346");
	check_ms(100000000, "100");
	check_ms(UINT64_C(7200000000000), "7200000");
	check_ms(UINT64_MAX, "18446744073709.552");
}

static void check_value(const char *from, const char *expected)
{
	char out[STATSD_TEXT_MAX + 1];

	assert_int_equal(statsd_value(out, sizeof(out), from), strlen(expected));
	assert_string_equal(out, expected);
}

static void values_cannot_break_out(void **state)
{
	(void)state;
	check_value("transform", "transform");
	check_value("a/b.c-d:e_F9", "a/b.c-d:e_F9");
	check_value("", "unknown");
	check_value("\n", "_");
	check_value("x:1|c\nadmin:1|c|#a,b@c;d=e", "x:1_c_admin:1_c__a_b_c_d_e");
	check_value("\xc3\xa9", "__");
	check_value("a b\tc\x7f\x01", "a_b_c__");
}

static void long_values_are_cut(void **state)
{
	char from[10001], out[STATSD_TEXT_MAX + 100], small[5];

	(void)state;
	memset(from, 'x', sizeof(from) - 1);
	from[sizeof(from) - 1] = '\0';
	assert_int_equal(statsd_value(out, sizeof(out), from), STATSD_TEXT_MAX);
	assert_int_equal(strlen(out), STATSD_TEXT_MAX);
	assert_int_equal(statsd_value(small, sizeof(small), from), 4);
	assert_string_equal(small, "xxxx");
	assert_int_equal(statsd_key(out, sizeof(out), from), STATSD_TEXT_MAX);
}

static void check_tag(const char *key, const char *value, const char *expected)
{
	char out[2 * STATSD_TEXT_MAX + 2];

	assert_int_equal(statsd_tag(out, sizeof(out), key, value), strlen(expected));
	assert_string_equal(out, expected);
}

static void tags_have_sane_keys(void **state)
{
	char out[8] = "x";

	(void)state;
	check_tag("service", "orders", "service:orders");
	check_tag("Service-Name", "a,b", "service_name:a_b");
	check_tag("host", "x", "tag_host:x");
	check_tag("UNITS", "x", "tag_units:x");
	check_tag("step", "x", "tag_step:x");
	check_tag("dd.internal.entity_id", "x", "tag_dd_internal_entity_id:x");
	check_tag("9lives", "", "tag_9lives:unknown");
	check_tag("_x", "y", "tag__x:y");
	check_tag("", "y", "unknown:y");
	check_tag("a:b|c\n", "y", "a_b_c_:y");
	assert_int_equal(statsd_tag(out, sizeof(out), "service", "orders"), -ENOSPC);
	assert_string_equal(out, "");
	assert_int_equal(statsd_tag(out, sizeof(out), "a", "bcdef"), 7);
	assert_int_equal(statsd_tag(out, sizeof(out), "a", "bcdefg"), -ENOSPC);
	assert_int_equal(statsd_own_tag(out, sizeof(out), "step", ""), -ENOSPC);
	assert_int_equal(statsd_own_tag(out, sizeof(out), "step", "b,"), 7);
	assert_string_equal(out, "step:b_");
}

static void check_refused(int (*check)(const char *, char *, size_t), const char *text,
			  const char *hint)
{
	char why[300] = "";

	if (check(text, why, sizeof(why)) != -EINVAL)
		fail_msg("'%s' was not refused", text);
	assert_non_null(strstr(why, hint));
	assert_null(strchr(why, '\n'));
}

static void bad_tags_are_refused_with_a_reason(void **state)
{
	static const char *const reserved[] = {
		"host:a", "units:a",    "name:a",        "family:a",
		"le:a",   "quantile:a", "metric_type:a", "dd.internal.card:a",
		"Host:a", "step:a",     "process:a",     "reason:a",
	};
	char why[300], longest[STATSD_TEXT_MAX + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		check_refused(statsd_check_tag, reserved[i], "choose another key");
	check_refused(statsd_check_tag, "env", "key:value");
	check_refused(statsd_check_tag, "env:", "key:value");
	check_refused(statsd_check_tag, ":prod", "key:value");
	check_refused(statsd_check_tag, "", "key:value");
	check_refused(statsd_check_tag, "a\nb:c", "letters");
	check_refused(statsd_check_tag, "1a:c", "letter");
	check_refused(statsd_check_tag, "a b:c", "letters");
	check_refused(statsd_check_key, "", "letter");
	assert_int_equal(statsd_check_tag("env:prod", why, sizeof(why)), 0);
	assert_int_equal(statsd_check_tag("Env:http://x|y", why, sizeof(why)), 0);
	assert_int_equal(statsd_check_tag("hosts:a", why, sizeof(why)), 0);

	memset(longest, 'k', sizeof(longest));
	strcpy(longest + STATSD_TEXT_MAX, ":v");
	assert_int_equal(statsd_check_tag(longest, why, sizeof(why)), 0);
	strcpy(longest + STATSD_TEXT_MAX, "k:v");
	check_refused(statsd_check_tag, longest, "at most 200");
}

static void bad_prefixes_are_refused_with_a_reason(void **state)
{
	char why[300], longest[122];

	(void)state;
	assert_int_equal(statsd_check_prefix("", why, sizeof(why)), 0);
	assert_int_equal(statsd_check_prefix("streams.pipeline", why, sizeof(why)), 0);
	check_refused(statsd_check_prefix, "streams.", "not ending");
	check_refused(statsd_check_prefix, "a:b", "letters");
	check_refused(statsd_check_prefix, "a\n", "letters");
	check_refused(statsd_check_prefix, "9", "letter");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[121] = '\0';
	check_refused(statsd_check_prefix, longest, "at most 120");
	longest[120] = '\0';
	assert_int_equal(statsd_check_prefix(longest, why, sizeof(why)), 0);
}

static void lines_have_the_rate_before_the_tags(void **state)
{
	struct statsd_line line = {
		.prefix = "streams.pipeline.",
		.name = "send_backpressure_duration",
		.suffix = "",
		.value = "12.5",
		.type = "d",
		.weight = 4,
		.tags = "step:a,process:b",
	};
	char out[200];
	const char *expected = "streams.pipeline.send_backpressure_duration:12.5|d|@0.25|#step:a,"
			       "process:b";

	(void)state;
	assert_int_equal(statsd_line(out, sizeof(out), &line), strlen(expected));
	assert_string_equal(out, expected);
	line = (struct statsd_line){ "", "a", ".count", "1", "c", 1, "" };
	assert_int_equal(statsd_line(out, sizeof(out), &line), 11);
	assert_string_equal(out, "a.count:1|c");
	assert_int_equal(statsd_line(out, 5, &line), 11);
}

/* Whatever the bytes, a line stays one line with the fields that it was given. */
static void random_bytes_stay_in_their_place(void **state)
{
	unsigned int seed = (unsigned int)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		char key[8], value[24], tag[2 * STATSD_TEXT_MAX + 2];
		size_t key_length = (size_t)rand() % sizeof(key);
		size_t value_length = (size_t)rand() % sizeof(value);

		for (size_t i = 0; i < key_length; i++)
			key[i] = (char)(rand() % 255 + 1);
		for (size_t i = 0; i < value_length; i++)
			value[i] = (char)(rand() % 255 + 1);
		key[key_length ? key_length - 1 : 0] = '\0';
		value[value_length ? value_length - 1 : 0] = '\0';
		assert_true(statsd_tag(tag, sizeof(tag), key, value) > 0);

		size_t k = strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789_");

		assert_true(k > 0 && tag[k] == ':' && tag[k + 1]);
		assert_null(strpbrk(tag, "|#,@=;\n\r []{}<>\"'"));
		for (size_t i = 0; tag[i]; i++)
			assert_true(tag[i] > ' ' && tag[i] < 127);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rate_is_read_back_exactly),
		cmocka_unit_test(simple_rates_are_short),
		cmocka_unit_test(ms_are_plain_decimals),
		cmocka_unit_test(values_cannot_break_out),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(tags_have_sane_keys),
		cmocka_unit_test(bad_tags_are_refused_with_a_reason),
		cmocka_unit_test(bad_prefixes_are_refused_with_a_reason),
		cmocka_unit_test(lines_have_the_rate_before_the_tags),
		cmocka_unit_test(random_bytes_stay_in_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
