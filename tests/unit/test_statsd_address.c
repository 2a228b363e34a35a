/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/statsd_address.h"

static void check(const char *text, const char *host, const char *port, size_t payload)
{
	struct statsd_address a;
	char why[300] = "";

	if (statsd_address_parse(&a, text, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(a.scheme, STATSD_UDP);
	assert_string_equal(a.host, host);
	assert_string_equal(a.port, port);
	assert_int_equal(a.payload, payload);
}

static void check_udp(const char *text, const char *host, const char *port)
{
	check(text, host, port, 1432);
}

static void check_local(const char *text, const char *host, const char *port)
{
	check(text, host, port, 3500);
}

static void udp_hosts_and_ports(void **state)
{
	(void)state;
	check_local("udp://127.0.0.1:8125", "127.0.0.1", "8125");
	check_local("udp://127.0.0.1", "127.0.0.1", "8125");
	check_local("udp://localhost:1", "localhost", "1");
	check_udp("udp://a-b_c.example.com:65535", "a-b_c.example.com", "65535");
	check_local("udp://[::1]:9", "::1", "9");
	check_local("udp://[::1]", "::1", "8125");
	check_udp("udp://[fe80::1%lo]:0009", "fe80::1%lo", "9");
	check_udp("udp://127.0.0.1.example", "127.0.0.1.example", "8125");
	check_udp("udp://128.0.0.1", "128.0.0.1", "8125");
	check_local("udp://127.9.8.7", "127.9.8.7", "8125");
	check_udp("udp://1and1.example", "1and1.example", "8125");
}

static void unix_paths(void **state)
{
	struct statsd_address a;
	char why[300], longest[200] = "unix:///";

	(void)state;
	assert_int_equal(statsd_address_parse(&a, "unixgram:///run/s.sock", why, sizeof(why)), 0);
	assert_int_equal(a.scheme, STATSD_UNIXGRAM);
	assert_string_equal(a.path, "/run/s.sock");
	assert_int_equal(a.payload, 8192);
	assert_int_equal(statsd_address_parse(&a, "unix:///s", why, sizeof(why)), 0);
	assert_int_equal(a.scheme, STATSD_UNIX);
	assert_string_equal(a.path, "/s");
	memset(longest + 8, 'p', 106);
	assert_int_equal(statsd_address_parse(&a, longest, why, sizeof(why)), 0);
	assert_int_equal(strlen(a.path), 107);
	longest[114] = 'p';
	assert_int_equal(statsd_address_parse(&a, longest, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "107"));
}

static void bad_addresses_say_what_would_help(void **state)
{
	static const struct {
		const char *text;
		const char *hint;
	} bad[] = {
		{ "", "begins with udp://" },
		{ "127.0.0.1:8125", "begins with udp://" },
		{ "tcp://127.0.0.1:8125", "begins with udp://" },
		{ "UDP://127.0.0.1", "begins with udp://" },
		{ "a\nb", "a?b" },
		{ "udp://", "host is missing" },
		{ "udp://:8125", "host is missing" },
		{ "udp://::1", "brackets" },
		{ "udp://::1:8125", "brackets" },
		{ "udp://[::1", "not closed" },
		{ "udp://[]:1", "missing" },
		{ "udp://[127.0.0.1]:1", "no IPv6" },
		{ "udp://[::1]8125", "only be a port" },
		{ "udp://300.0.0.1:1", "no host name" },
		{ "udp://127.1:1", "no host name" },
		{ "udp://127.0.0.1:1/x", "1 to 65535" },
		{ "udp://a/b:1", "no host name" },
		{ "udp://a b:1", "no host name" },
		{ "udp://a:", "1 to 65535" },
		{ "udp://a:0", "1 to 65535" },
		{ "udp://a:65536", "1 to 65535" },
		{ "udp://a:-1", "1 to 65535" },
		{ "udp://a:99999999999999999999", "1 to 65535" },
		{ "udp://a:statsd", "1 to 65535" },
		{ "unixgram://run/x", "three slashes" },
		{ "unixgram:///", "path is missing" },
		{ "unix://", "three slashes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct statsd_address a;
		char why[300] = "";

		if (statsd_address_parse(&a, bad[i].text, why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(why, bad[i].hint))
			fail_msg("'%s': '%s' does not say '%s'", bad[i].text, why, bad[i].hint);
		assert_null(strchr(why, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_hosts_and_ports),
		cmocka_unit_test(unix_paths),
		cmocka_unit_test(bad_addresses_say_what_would_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
