/* SPDX-License-Identifier: MIT */
/* What the kernel says about itself: lockdown, numbers, capabilities, configuration */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "doctor_parse.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_lockdown(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"none integrity confidentiality\n",
		"[none",
		"]none[",
		"[]",
		"[nonee]",
		"[integrity",
		"[ none]",
		"[secrecy] none",
	};
	enum lockdown lockdown;

	(void)state;
	assert_int_equal(doctor_parse_lockdown("[none] integrity confidentiality\n", &lockdown), 0);
	assert_int_equal(lockdown, LOCKDOWN_NONE);
	assert_int_equal(doctor_parse_lockdown("none [integrity] confidentiality\n", &lockdown), 0);
	assert_int_equal(lockdown, LOCKDOWN_INTEGRITY);
	assert_int_equal(doctor_parse_lockdown("none integrity [confidentiality]", &lockdown), 0);
	assert_int_equal(lockdown, LOCKDOWN_CONFIDENTIALITY);
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(doctor_parse_lockdown(bad[i], &lockdown), -EINVAL);
	}
}

static void test_number(void **state)
{
	static const char *const bad[] = {
		"", "\n", "two\n", "2 3\n", "2x", "0x2", "2\n\n", "99999999999999999999\n",
	};
	long value = 7;

	(void)state;
	assert_int_equal(doctor_parse_number("2\n", &value), 0);
	assert_int_equal(value, 2);
	assert_int_equal(doctor_parse_number("-1\n", &value), 0);
	assert_int_equal(value, -1);
	assert_int_equal(doctor_parse_number("0", &value), 0);
	assert_int_equal(value, 0);
	value = 7;
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(doctor_parse_number(bad[i], &value), -EINVAL);
		assert_int_equal(value, 7);
	}
}

static void test_capabilities(void **state)
{
	static const char *const bad[] = {
		"",
		"CapEff:\t000001ffffffffff\n", /* the first line is the name, a process's choice */
		"Name:\tCapEff:\t1\nCapPrm:\t1\n",
		"Name:\tx\nCapEff:\t\n",
		"Name:\tx\nCapEff:\t 1\n",
		"Name:\tx\nCapEff:\t-1\n",
		"Name:\tx\nCapEff:\t1g\n",
		"Name:\tx\nCapEff:\t1",
		"Name:\tx\nCapEff:\t11111111111111111\n",
	};
	uint64_t effective = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(doctor_parse_capabilities(bad[i], &effective), -EINVAL);
		assert_true(effective == 7);
	}
	assert_int_equal(doctor_parse_capabilities("Name:\tx\nCapInh:\t0000000000000001\n"
						   "CapPrm:\t0000000000000002\n"
						   "CapEff:\t000001fffeffffff\n"
						   "CapBnd:\t0000000000000004\n",
						   &effective),
			 0);
	assert_true(effective == 0x1fffeffffffu);
}

static void test_config(void **state)
{
	static const struct {
		const char *line;
		char value;
	} lines[] = {
		{ "CONFIG_EXT4_DEBUG=y\n", 'y' },
		{ "CONFIG_EXT4_DEBUG=m\n", 'm' },
		{ "CONFIG_EXT4_DEBUG=y", 'y' },
		{ "# CONFIG_EXT4_DEBUG is not set\n", 'n' },
		{ "CONFIG_EXT4_DEBUG_MORE=y\n", 0 },
		{ "# CONFIG_EXT4_DEBUG_MORE is not set\n", 0 },
		{ "CONFIG_EXT4=y\n", 0 },
		{ "# CONFIG_EXT4_DEBUG\n", 0 },
		{ "#CONFIG_EXT4_DEBUG is not set\n", 0 },
		{ "XCONFIG_EXT4_DEBUG=y\n", 0 },
		{ "CONFIG_EXT4_DEBUG=\n", 0 },
		{ "CONFIG_EXT4_DEBUG", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		print_message("%s\n", lines[i].line);
		assert_int_equal(doctor_parse_config(lines[i].line, "CONFIG_EXT4_DEBUG"),
				 lines[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lockdown),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
