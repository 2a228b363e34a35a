/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/http_request.h"

/* In memory of just its size, so that a reader past its end is found out. */
static enum http_status parse(struct http_request *r, const char *head)
{
	size_t length = strlen(head);
	char *exact = malloc(length ? length : 1);
	enum http_status status;

	assert_non_null(exact);
	memcpy(exact, head, length);
	status = http_request_parse(r, exact, length, "/metrics");
	free(exact);
	return status;
}

static void heads_end_with_an_empty_line(void **state)
{
	static const struct {
		const char *data;
		size_t length;
	} cases[] = {
		{ "", 0 },
		{ "GET / HTTP/1.1\r\n", 0 },
		{ "GET / HTTP/1.1\r\n\r", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "GET / HTTP/1.1\n\nmore", 16 },
		{ "GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n", 24 },
		{ "\r\n", 0 },
		{ "\r\nGET / HTTP/1.1\r\n\r\n", 20 },
		{ "\r\n\r\n", 4 }, /* one before it, and no request */
		{ "no newline at all", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(http_head_length(cases[i].data, strlen(cases[i].data)),
				 cases[i].length);
}

static void what_is_answered(void **state)
{
	static const struct {
		const char *head;
		enum http_status status;
	} cases[] = {
		{ "GET /metrics HTTP/1.1\r\n\r\n", HTTP_OK },
		{ "GET /metrics HTTP/1.0\n\n", HTTP_OK },
		{ "\r\nGET /metrics HTTP/1.1\r\n\r\n", HTTP_OK },
		{ "HEAD /metrics?name[]=x HTTP/1.1\r\n\r\n", HTTP_OK },
		{ "GET http://host:9000/metrics HTTP/1.1\r\n\r\n", HTTP_OK },
		{ "GET http://host/metrics?a=http://b/c HTTP/1.1\r\n\r\n", HTTP_OK },
		{ "POST /metrics HTTP/1.1\r\n\r\n", HTTP_METHOD_NOT_ALLOWED },
		{ "get /metrics HTTP/1.1\r\n\r\n", HTTP_METHOD_NOT_ALLOWED },
		{ "GET / HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET /metrics/ HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET /metric HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET http://metrics HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET http:/metrics HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET * HTTP/1.1\r\n\r\n", HTTP_NOT_FOUND },
		{ "GET /metrics HTTP/2.0\r\n\r\n", HTTP_VERSION_NOT_SUPPORTED },
		{ "PRI * HTTP/2.0\r\n\r\n", HTTP_VERSION_NOT_SUPPORTED },
		{ "GET /metrics HTTP/1.11\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET /metrics  HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET /met rics HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET  HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST },
		{ " /metrics HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET /metrics\r\n\r\n", HTTP_BAD_REQUEST },
		{ "\r\n\r\n", HTTP_BAD_REQUEST },
		{ "\n\n", HTTP_BAD_REQUEST },
		{ "\x16\x03\x01\x02\n\n", HTTP_BAD_REQUEST }, /* TLS */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request r;
		enum http_status status = parse(&r, cases[i].head);

		if (status != cases[i].status)
			fail_msg("%d for '%s'", status, cases[i].head);
	}
}

static void methods_and_versions(void **state)
{
	struct http_request r;

	(void)state;
	parse(&r, "HEAD /metrics HTTP/1.0\r\n\r\n");
	assert_true(r.is_head && r.is_1_0);
	parse(&r, "GET /metrics HTTP/1.1\r\n\r\n");
	assert_false(r.is_head || r.is_1_0);
	parse(&r, "HEAD /nothing HTTP/1.1\r\n\r\n"); /* no body of an error either */
	assert_true(r.is_head);
}

#define OM "application/openmetrics-text"

static void the_format_is_what_the_client_likes(void **state)
{
	static const struct {
		const char *headers;
		bool wants;
	} cases[] = {
		{ "", false },
		{ "Accept: */*\r\n", false },
		{ "Accept: text/plain\r\n", false },
		{ "Accept: " OM "\r\n", true },
		{ "aCCept:" OM "\r\n", true },
		{ "Accept: Application/OpenMetrics-Text; Version=1.0.0 ; charset=utf-8\r\n", true },
		{ "Accept: " OM "; version=\"1.0.0\"\r\n", true },
		{ "Accept: " OM ";version=0.0.1\r\n", false },
		{ "Accept: " OM ";version=2.0.0,*/*\r\n", false },
		{ "Accept: " OM ";q=0\r\n", false },
		{ "Accept: " OM ";q=0.000\r\n", false },
		{ "Accept: " OM ";q=0.5,text/plain;q=0.5\r\n", true },
		{ "Accept: " OM ";q=0.5,text/plain\r\n", false },
		{ "Accept: " OM ";q=0.499, text/plain;q=0.5\r\n", false },
		{ "Accept: text/plain;q=0.2, */*;q=0.9," OM ";q=0.3\r\n", true },
		{ "Accept: text/*;q=0.2, */*;q=0.9," OM ";q=0.3\r\n", true },
		{ "Accept: text/plain;q=0.9\r\nHost: x\r\nAccept: " OM "\r\n", true },
		{ "Accepts: " OM "\r\n", false },
		{ "X: Accept: " OM "\r\n", false },
		{ "Accept " OM "\r\n", false },
		{ "Accept: " OM "x\r\n", false },
		{ "Accept: ,;,=;q=,;q=2,\r\nAccept: " OM ";q=nonsense\r\n", true },
		/* Prometheus 2.42 and 3.0 */
		{ "Accept: " OM ";version=1.0.0," OM
		  ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
		  true },
		{ "Accept: " OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM
		  ";version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
		  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n",
		  true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request r;
		char head[1024];

		snprintf(head, sizeof(head), "GET /metrics HTTP/1.1\r\n%s\r\n", cases[i].headers);
		assert_int_equal(parse(&r, head), HTTP_OK);
		if (r.wants_openmetrics != cases[i].wants)
			fail_msg("%d for '%s'", r.wants_openmetrics, cases[i].headers);
	}
}

/* Any cut of a head, and any byte of it another one: an answer, and no read past its end. */
static void nothing_is_read_past_the_end(void **state)
{
	static const char whole[] =
		"GET http://h:1/metrics?x HTTP/1.1\r\nAccept: a/b;q=0.5;version="
		"\"1.0.0\", " OM ";q=1\r\n\r\n";
	struct http_request r;
	char head[sizeof(whole)];

	(void)state;
	for (size_t length = 0; length < sizeof(whole); length++) {
		memcpy(head, whole, length);
		head[length] = '\0';
		parse(&r, head);
	}
	for (size_t at = 0; at + 1 < sizeof(whole); at++) {
		for (int c = 1; c < 256; c++) {
			memcpy(head, whole, sizeof(whole));
			head[at] = (char)c;
			assert_in_range(parse(&r, head), HTTP_OK, HTTP_VERSION_NOT_SUPPORTED);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_end_with_an_empty_line),
		cmocka_unit_test(what_is_answered),
		cmocka_unit_test(methods_and_versions),
		cmocka_unit_test(the_format_is_what_the_client_likes),
		cmocka_unit_test(nothing_is_read_past_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
