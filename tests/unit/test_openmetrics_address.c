/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/openmetrics_address.h"

static void check(const char *text, const char *expected)
{
	char why[300] = "", written[OPENMETRICS_ADDRESS_SIZE];
	struct openmetrics_address a;

	if (openmetrics_address_parse(&a, text, why, sizeof(why)))
		fail_msg("%s", why);
	openmetrics_address_text(written, &a.socket, a.size);
	assert_string_equal(written, expected);
}

static void good_addresses(void **state)
{
	(void)state;
	check("9000", "127.0.0.1:9000");
	check("0", "127.0.0.1:0");
	check("65535", "127.0.0.1:65535");
	check("127.0.0.1:9000", "127.0.0.1:9000");
	check("localhost:9000", "127.0.0.1:9000");
	check("0.0.0.0:9000", "0.0.0.0:9000");
	check("192.0.2.255:1", "192.0.2.255:1");
	check("[::1]:9000", "[::1]:9000");
	check("[::]:9000", "[::]:9000");
	check("[2001:db8::1]:9000", "[2001:db8::1]:9000");
}

static void bad_addresses_say_what_would_help(void **state)
{
	static const struct {
		const char *text;
		const char *hint;
	} bad[] = {
		{ "", "write a port" },
		{ "metrics", "write a port" },
		{ "65536", "write a port" },
		{ "-1", "write a port" },
		{ "0x50", "write a port" },
		{ "99999999999999999999", "write a port" },
		{ ":9000", "address is missing" },
		{ "[]:9000", "address is missing" },
		{ "127.0.0.1:", "1 to 65535" },
		{ "127.0.0.1:x", "1 to 65535" },
		{ "127.0.0.1:70000", "1 to 65535" },
		{ "127.0.0.1", "write a port" },
		{ "127.1:9000", "no address" },
		{ "010.0.0.1:9000", "no address" },
		{ "example.com:9000", "not looked up" },
		{ "*:9000", "no address" },
		{ "::1", "brackets" },
		{ "::1:9000", "brackets" },
		{ "[::1]", "brackets" },
		{ "[::1]9000", "brackets" },
		{ "[::1:9000", "brackets" },
		{ "[::1]:[9000", "1 to 65535" },
		{ "[127.0.0.1]:9000", "no address" },
		{ "[::g]:9000", "no address" },
		{ "http://127.0.0.1:9000", "brackets" },
		{ "127.0.0.1:9000/metrics", "1 to 65535" },
		{ "a\nb", "a?b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct openmetrics_address a;
		char why[300] = "";

		if (openmetrics_address_parse(&a, bad[i].text, why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(why, bad[i].hint))
			fail_msg("'%s': '%s' does not say '%s'", bad[i].text, why, bad[i].hint);
		assert_null(strchr(why, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_addresses),
		cmocka_unit_test(bad_addresses_say_what_would_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
