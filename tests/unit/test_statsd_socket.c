/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../userspace/statsd_socket.h"

#define SECOND UINT64_C(1000000000)

static char directory[] = "/tmp/test_statsd_socket.XXXXXX";
static char path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct statsd_socket *open_to(const char *text)
{
	struct statsd_address address;
	char why[300];

	if (statsd_address_parse(&address, text, why, sizeof(why)))
		fail_msg("%s", why);

	struct statsd_socket *s = statsd_socket_new(&address);

	assert_non_null(s);
	return s;
}

static struct statsd_socket *open_path(const char *scheme)
{
	char text[100];

	snprintf(text, sizeof(text), "%s://%s", scheme, path);
	return open_to(text);
}

static int listen_unix(int type)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);

	unlink(path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* A UDP server on `*port`, or on a free one where that is 0. */
static int listen_udp(in_port_t *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(*port),
	};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void check_received(int fd, const char *expected)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char data[100] = "";

	assert_int_equal(poll(&readable, 1, 2000), 1);
	assert_int_equal(recv(fd, data, sizeof(data), 0), strlen(expected));
	assert_string_equal(data, expected);
}

static void check_send(struct statsd_socket *s, const char *payload, enum statsd_reason expected)
{
	enum statsd_reason reason = statsd_socket_send(s, payload, strlen(payload));

	if (reason != expected)
		fail_msg("'%s' ended as %s, not as %s", payload, statsd_reason_name(reason),
			 statsd_reason_name(expected));
}

static void every_reason_has_its_name(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < STATSD_REASONS; i++) {
		assert_non_null(statsd_reason_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(statsd_reason_name(i), statsd_reason_name(j));
	}
}

/* Each refused payload is known as refused, none is taken for sent. */
static void udp_server_that_comes_late_and_restarts(void **state)
{
	in_port_t port = 0;
	char text[64];

	(void)state;
	close(listen_udp(&port));
	snprintf(text, sizeof(text), "udp://127.0.0.1:%d", port);

	struct statsd_socket *s = open_to(text);

	for (int i = 0; i < 5; i++)
		check_send(s, "early", STATSD_REFUSED);

	int server = listen_udp(&port);

	check_send(s, "one", STATSD_SENT);
	check_received(server, "one");
	close(server);
	check_send(s, "lost", STATSD_REFUSED);
	check_send(s, "lost", STATSD_REFUSED);
	server = listen_udp(&port);
	check_send(s, "two", STATSD_SENT);
	check_received(server, "two");
	close(server);
	statsd_socket_free(s);
}

static void ipv6_and_names(void **state)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t size = sizeof(at);
	int server = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	in_port_t port = 0;
	char text[64];

	(void)state;
	if (server < 0 || bind(server, (struct sockaddr *)&at, size))
		skip();
	getsockname(server, (struct sockaddr *)&at, &size);
	snprintf(text, sizeof(text), "udp://[::1]:%d", ntohs(at.sin6_port));

	struct statsd_socket *s = open_to(text);

	check_send(s, "six", STATSD_SENT);
	check_received(server, "six");
	close(server);
	check_send(s, "six", STATSD_REFUSED);
	statsd_socket_free(s);

	/* localhost may be ::1 first: the server is found on 127.0.0.1 all the same. */
	server = listen_udp(&port);
	snprintf(text, sizeof(text), "udp://localhost:%d", port);
	s = open_to(text);
	check_send(s, "name", STATSD_UNRESOLVED);
	statsd_socket_tick(s, SECOND);
	assert_true(statsd_socket_wait(s, 5000));
	check_send(s, "name", STATSD_SENT);
	check_received(server, "name");
	statsd_socket_free(s);
	close(server);
}

/* A label of 64 characters: no name server is even asked. */
static void name_that_does_not_resolve(void **state)
{
	char text[100] = "udp://";

	(void)state;
	memset(text + 6, 'x', 64);

	struct statsd_socket *s = open_to(strcat(text, ".invalid"));

	for (uint64_t now = 0; now < 40 * SECOND; now += SECOND) {
		statsd_socket_tick(s, now);
		check_send(s, "x", STATSD_UNRESOLVED);
	}
	assert_int_equal(statsd_socket_fd(s), -1);
	/* Freed while a lookup may be under way. */
	statsd_socket_free(s);
}

static void unixgram_server_that_comes_late_and_restarts(void **state)
{
	struct statsd_socket *s = open_path("unixgram");

	(void)state;
	unlink(path);
	check_send(s, "x", STATSD_NO_SOCKET);

	int server = listen_unix(SOCK_DGRAM);

	check_send(s, "one", STATSD_SENT);
	check_received(server, "one");
	close(server);
	check_send(s, "x", STATSD_REFUSED);
	server = listen_unix(SOCK_DGRAM);
	check_send(s, "two", STATSD_SENT);
	check_received(server, "two");

	/* Rebound with nothing sent in between: the old connection fails, a new one is made. */
	close(server);
	server = listen_unix(SOCK_DGRAM);
	check_send(s, "three", STATSD_SENT);
	check_received(server, "three");
	close(server);
	statsd_socket_free(s);
}

static void path_that_becomes_another_server(void **state)
{
	int old = listen_unix(SOCK_DGRAM);
	struct statsd_socket *s = open_path("unixgram");

	(void)state;
	statsd_socket_tick(s, SECOND);
	check_send(s, "one", STATSD_SENT);
	check_received(old, "one");

	int new = listen_unix(SOCK_DGRAM);

	statsd_socket_tick(s, 2 * SECOND);
	check_send(s, "two", STATSD_SENT);
	check_received(new, "two");

	/* The path alone gone: the server is still there. */
	unlink(path);
	statsd_socket_tick(s, 3 * SECOND);
	check_send(s, "three", STATSD_SENT);
	check_received(new, "three");
	close(old);
	close(new);
	statsd_socket_free(s);
}

static void unixgram_server_that_does_not_read(void **state)
{
	int server = listen_unix(SOCK_DGRAM), sent = 0;
	struct statsd_socket *s = open_path("unixgram");
	enum statsd_reason reason;

	(void)state;
	while ((reason = statsd_socket_send(s, "x", 1)) == STATSD_SENT)
		assert_true(++sent < 10000);
	assert_int_equal(reason, STATSD_BUSY);
	assert_false(statsd_socket_wait(s, 1));
	check_received(server, "x");
	assert_true(statsd_socket_wait(s, 1000));
	check_send(s, "x", STATSD_SENT);
	assert_int_equal(statsd_socket_connections(s), 1);
	close(server);
	statsd_socket_free(s);
}

static void check_send_many(struct statsd_socket *s, const struct iovec *payloads, size_t count,
			    size_t sent, enum statsd_reason expected)
{
	enum statsd_reason reason;

	assert_int_equal(statsd_socket_send_many(s, payloads, count, &reason), sent);
	assert_string_equal(statsd_reason_name(reason), statsd_reason_name(expected));
}

/* Of several at once, too, none is taken for sent that was refused, and none goes out twice. */
static void several_to_a_udp_server(void **state)
{
	const struct iovec few[] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
	struct iovec many[STATSD_BATCH + 8];
	in_port_t port = 0;
	int server = listen_udp(&port);
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);
	for (size_t i = 0; i < STATSD_BATCH + 8; i++)
		many[i] = few[0];
	close(server);

	struct statsd_socket *s = open_to(text);

	for (int round = 0; round < 3; round++) {
		check_send_many(s, few, 3, 0, STATSD_REFUSED);
		check_send_many(s, few, 1, 0, STATSD_REFUSED);
		server = listen_udp(&port);
		check_send_many(s, few, 3, 3, STATSD_SENT);
		check_received(server, "one");
		check_received(server, "two");
		check_received(server, "three");
		check_send_many(s, many, STATSD_BATCH + 8, STATSD_BATCH, STATSD_SENT);
		for (int i = 0; i < STATSD_BATCH; i++)
			check_received(server, "one");
		assert_int_equal(recv(server, text, sizeof(text), 0), -1);
		close(server);
	}
	statsd_socket_free(s);
}

/* The system keeps word of these in the same place as of refusals. */
static void one_of_several_is_too_big(void **state)
{
	static char big[70000];
	const struct iovec payloads[] = { { "one", 3 }, { big, sizeof(big) }, { "two", 3 } };
	in_port_t port = 0;
	int server = listen_udp(&port);
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);

	struct statsd_socket *s = open_to(text);

	check_send_many(s, payloads, 3, 1, STATSD_SENT);
	check_send_many(s, payloads + 1, 2, 0, STATSD_TOO_BIG);
	check_send_many(s, payloads + 2, 1, 1, STATSD_SENT);
	check_received(server, "one");
	check_received(server, "two");
	assert_int_equal(recv(server, text, sizeof(text), 0), -1);
	close(server);
	statsd_socket_free(s);
}

static void several_to_one_that_does_not_read(void **state)
{
	int server = listen_unix(SOCK_DGRAM);
	struct statsd_socket *s = open_path("unixgram");
	struct iovec payloads[STATSD_BATCH];
	enum statsd_reason reason = STATSD_SENT;
	size_t sent = 0, received = 0;
	char data[10];

	(void)state;
	for (size_t i = 0; i < STATSD_BATCH; i++)
		payloads[i] = (struct iovec){ "x", 1 };
	while (reason == STATSD_SENT && sent < 100000)
		sent += statsd_socket_send_many(s, payloads, STATSD_BATCH, &reason);
	assert_int_equal(reason, STATSD_BUSY);
	while (recv(server, data, sizeof(data), 0) == 1)
		received++;
	assert_int_equal(received, sent);
	close(server);
	check_send_many(s, payloads, STATSD_BATCH, 0, STATSD_REFUSED);
	statsd_socket_free(s);
}

static void wrong_type_of_socket(void **state)
{
	int server = listen_unix(SOCK_DGRAM);
	struct statsd_socket *s = open_path("unix");

	(void)state;
	check_send(s, "x", STATSD_WRONG_TYPE);
	close(server);
	statsd_socket_free(s);

	server = listen_unix(SOCK_STREAM);
	s = open_path("unixgram");
	check_send(s, "x", STATSD_WRONG_TYPE);
	close(server);
	statsd_socket_free(s);
}

static void too_big(void **state)
{
	int server = listen_unix(SOCK_DGRAM), size = 0;
	struct statsd_socket *s = open_path("unixgram");
	char data[8000];

	(void)state;
	memset(data, 'x', sizeof(data));
	check_send(s, "x", STATSD_SENT);
	assert_int_equal(
		setsockopt(statsd_socket_fd(s), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(statsd_socket_send(s, data, sizeof(data)), STATSD_TOO_BIG);
	check_send(s, "y", STATSD_SENT);
	close(server);
	statsd_socket_free(s);
}

static int accept_one(int server)
{
	struct pollfd readable = { .fd = server, .events = POLLIN };

	assert_int_equal(poll(&readable, 1, 2000), 1);

	int fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void stream_has_length_prefixes(void **state)
{
	int server = listen_unix(SOCK_STREAM);
	struct statsd_socket *s = open_path("unix");
	char data[20];

	(void)state;
	check_send(s, "a:1|c", STATSD_SENT);
	check_send(s, "b:2|c", STATSD_SENT);

	int fd = accept_one(server);

	assert_int_equal(recv(fd, data, sizeof(data), 0), 18);
	assert_memory_equal(data, "\5\0\0\0a:1|c\5\0\0\0b:2|c", 18);

	/* The server closes this connection only: the next payload goes over a new one. */
	close(fd);
	check_send(s, "c:3|c", STATSD_SENT);
	fd = accept_one(server);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 9);
	close(fd);
	close(server);
	check_send(s, "d:4|c", STATSD_REFUSED);
	assert_int_equal(statsd_socket_fd(s), -1);
	statsd_socket_free(s);
}

/* What the server read is whole payloads, then at most a cut one and the end. */
static void check_whole_then_cut(int fd, unsigned int whole)
{
	unsigned char *data = malloc(1 << 22);
	size_t have = 0, at = 0;
	ssize_t got;

	while ((got = recv(fd, data + have, (1 << 22) - have, 0)) > 0)
		have += (size_t)got;
	assert_int_equal(got, 0);
	for (; whole; whole--, at += 4 + 8000) {
		assert_true(at + 4 + 8000 <= have);
		assert_memory_equal(data + at, "\x40\x1f\0\0", 4);
	}
	assert_true(have > at && have - at < 4 + 8000);
	free(data);
}

static void partial_write_closes_the_stream(void **state)
{
	int server = listen_unix(SOCK_STREAM), size = 0;
	struct statsd_socket *s = open_path("unix");
	unsigned int sent = 0;
	enum statsd_reason reason;
	char data[8000];

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_int_equal(statsd_socket_send(s, data, sizeof(data)), STATSD_SENT);
	sent++;
	setsockopt(statsd_socket_fd(s), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

	int fd = accept_one(server);

	while ((reason = statsd_socket_send(s, data, sizeof(data))) == STATSD_SENT)
		assert_true(++sent < 10000);
	if (reason == STATSD_BUSY) {
		/* Room for less than a payload. */
		assert_int_equal(recv(fd, (char[2000]){ 0 }, 2000, MSG_PEEK), 2000);
		while (reason == STATSD_BUSY) {
			size += 1000;
			setsockopt(statsd_socket_fd(s), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
			reason = statsd_socket_send(s, data, sizeof(data));
		}
	}
	assert_int_equal(reason, STATSD_PARTIAL);
	assert_int_equal(statsd_socket_fd(s), -1);
	check_whole_then_cut(fd, sent);
	close(fd);
	close(server);
	statsd_socket_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_name),
		cmocka_unit_test(udp_server_that_comes_late_and_restarts),
		cmocka_unit_test(ipv6_and_names),
		cmocka_unit_test(name_that_does_not_resolve),
		cmocka_unit_test(unixgram_server_that_comes_late_and_restarts),
		cmocka_unit_test(path_that_becomes_another_server),
		cmocka_unit_test(unixgram_server_that_does_not_read),
		cmocka_unit_test(several_to_a_udp_server),
		cmocka_unit_test(one_of_several_is_too_big),
		cmocka_unit_test(several_to_one_that_does_not_read),
		cmocka_unit_test(wrong_type_of_socket),
		cmocka_unit_test(too_big),
		cmocka_unit_test(stream_has_length_prefixes),
		cmocka_unit_test(partial_write_closes_the_stream),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
