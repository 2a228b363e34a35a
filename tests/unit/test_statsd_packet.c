/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../userspace/statsd_packet.h"

static char directory[] = "/tmp/test_statsd_packet.XXXXXX";
static char path[64];

struct fixture {
	int server;
	struct statsd_socket *socket;
	struct statsd_outbox out;
};

static int open_server(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	unlink(path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) ? -1 : fd;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct statsd_address address;
	char text[100], why[300];

	strcpy(directory + sizeof(directory) - 7, "XXXXXX");
	*state = f;
	if (!f || !mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(text, sizeof(text), "unixgram://%s", path);
	if (statsd_address_parse(&address, text, why, sizeof(why)))
		return -1;
	f->server = open_server();
	f->socket = statsd_socket_new(&address);
	statsd_outbox_init(&f->out, f->socket, 100);
	return f->server < 0 || !f->socket;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	statsd_outbox_free(&f->out);
	statsd_socket_free(f->socket);
	close(f->server);
	free(f);
	unlink(path);
	return rmdir(directory);
}

static const struct statsd_line line_a = {
	.prefix = "",
	.name = "a",
	.suffix = "",
	.value = "1",
	.type = "c",
	.weight = 1,
	.tags = "",
};

static void check_received(struct fixture *f, const char *expected)
{
	char data[10000] = "";
	ssize_t got = recv(f->server, data, sizeof(data) - 1, 0);

	assert_int_equal(got, strlen(expected));
	assert_string_equal(data, expected);
}

static void check_nothing(struct fixture *f)
{
	char data[100];

	assert_int_equal(recv(f->server, data, sizeof(data), 0), -1);
}

/* Adds two lines, of `first` and `second` bytes, and closes the packet. */
static void add_lines(struct fixture *f, struct statsd_tally *tally, size_t first, size_t second)
{
	const size_t lengths[] = { first, second };

	for (int i = 0; i < 2; i++) {
		struct statsd_line line = line_a;
		char name[100] = "";

		memset(name, i ? 'y' : 'x', lengths[i] - strlen(":1|c"));
		line.name = name;
		statsd_outbox_line(&f->out, &line,
				   (struct statsd_item){ tally, 1, STATSD_COUNTER });
	}
	statsd_outbox_close(&f->out);
}

static void lines_share_a_packet_up_to_its_size(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };
	char data[200] = "";

	add_lines(f, &tally, 49, 50);
	assert_int_equal(recv(f->server, data, sizeof(data), 0), 100);
	assert_memory_equal(data + 44, "x:1|c\nyy", 8);
	assert_string_equal(data + 95, "y:1|c");
	check_nothing(f);
	add_lines(f, &tally, 50, 50);
	assert_int_equal(recv(f->server, data, sizeof(data), 0), 50);
	assert_int_equal(recv(f->server, data, sizeof(data), 0), 50);
	check_nothing(f);
	assert_int_equal(tally.sent, 4);
	assert_int_equal(f->out.stats.packets, 3);
	statsd_outbox_close(&f->out);
	check_nothing(f);
}

static void counters_go_out_as_differences_and_once_as_zero(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };

	statsd_outbox_counter(&f->out, line_a, &tally, 0);
	statsd_outbox_close(&f->out);
	check_nothing(f);
	statsd_outbox_counter(&f->out, line_a, &tally, 7);
	statsd_outbox_close(&f->out);
	check_received(f, "a:7|c");
	assert_int_equal(tally.sent, 7);
	statsd_outbox_counter(&f->out, line_a, &tally, 0);
	statsd_outbox_close(&f->out);
	check_received(f, "a:0|c");
	statsd_outbox_counter(&f->out, line_a, &tally, 0);
	statsd_outbox_close(&f->out);
	check_nothing(f);
	statsd_outbox_counter(&f->out, line_a, &tally, UINT64_MAX - 7);
	statsd_outbox_close(&f->out);
	check_received(f, "a:18446744073709551608|c");
	assert_int_equal(tally.sent, UINT64_MAX);
}

/* Of a refused packet the counters stay due, the rest is gone and counted. */
static void a_refused_packet_leaves_its_counters_due(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };
	struct statsd_told told = { 0 };
	struct statsd_line line = line_a;

	close(f->server);
	statsd_outbox_counter(&f->out, line_a, &tally, 7);
	statsd_outbox_gauge(&f->out, line_a, &told, 3, "3");
	line.type = "d";
	line.weight = 5;
	statsd_outbox_line(&f->out, &line, (struct statsd_item){ NULL, 5, STATSD_DURATION });
	statsd_outbox_close(&f->out);
	assert_int_equal(tally.sent, 0);
	assert_false(tally.told);
	assert_int_equal(told.at, 0);
	assert_int_equal(f->out.stats.packets, 0);
	assert_int_equal(f->out.stats.packets_dropped[STATSD_REFUSED], 1);
	assert_int_equal(f->out.stats.lines_dropped[STATSD_REFUSED], 2);
	assert_int_equal(f->out.stats.durations_dropped, 5);

	f->server = open_server();
	f->out.now = 12;
	statsd_outbox_gauge(&f->out, line_a, &told, 3, "3");
	statsd_outbox_line(&f->out, &line, (struct statsd_item){ NULL, 5, STATSD_DURATION });
	statsd_outbox_close(&f->out);
	check_received(f, "a:3|g\na:1|d|@0.2");
	assert_int_equal(told.value, 3);
	assert_int_equal(told.at, 12);
	statsd_outbox_gauge(&f->out, line_a, &told, 0, "0");
	statsd_outbox_close(&f->out);
	assert_int_equal(told.value, 0);
	assert_int_equal(f->out.stats.durations_dropped, 5);
}

static void packets_wait_for_a_busy_receiver_in_order(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };
	unsigned int packets = 50, seen = 0;
	char expected[30];

	for (unsigned int i = 1; i <= packets; i++) {
		statsd_outbox_counter(&f->out, line_a, &tally, i);
		statsd_outbox_close(&f->out);
	}
	assert_non_null(f->out.head);
	assert_true(f->out.queued > 0);
	assert_false(statsd_outbox_drain(&f->out, 5, 1));
	for (; seen < packets; seen++) {
		snprintf(expected, sizeof(expected), "a:%u|c", seen + 1);
		check_received(f, expected);
		statsd_outbox_drain(&f->out, 0, 0);
	}
	assert_null(f->out.head);
	assert_int_equal(f->out.queued, 0);
	assert_int_equal(tally.sent, packets * (packets + 1) / 2);
	assert_int_equal(f->out.stats.packets, packets);
}

static void what_waits_is_bounded_and_can_be_given_up(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };
	uint64_t rounds = 0;

	while (!f->out.stats.packets_dropped[STATSD_LATE]) {
		assert_true(++rounds < 1000000);
		statsd_outbox_counter(&f->out, line_a, &tally, 1);
		statsd_outbox_close(&f->out);
	}
	assert_in_range(f->out.queued, STATSD_QUEUE_MAX, STATSD_QUEUE_MAX + 10000);

	uint64_t sent = f->out.stats.packets;

	assert_in_range(sent, 1, 1000);
	statsd_outbox_discard(&f->out, STATSD_LATE);
	assert_null(f->out.head);
	assert_int_equal(f->out.queued, 0);
	assert_int_equal(f->out.stats.packets_dropped[STATSD_LATE], rounds - sent);
	assert_int_equal(tally.sent, sent);
	/* Counters come again, so they are no lost lines. */
	assert_int_equal(f->out.stats.lines_dropped[STATSD_LATE], 0);
}

static void a_line_longer_than_a_packet_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tally = { 0 };
	struct statsd_line line = line_a;
	char tags[200] = "", expected[220];

	memset(tags, 't', 94);
	line.tags = tags;
	statsd_outbox_counter(&f->out, line, &tally, 3);
	statsd_outbox_counter(&f->out, line, &tally, 3);
	statsd_outbox_close(&f->out);
	check_nothing(f);
	assert_int_equal(f->out.stats.lines_too_long, 2);
	assert_int_equal(tally.sent, 6);
	assert_false(tally.told);

	/* One byte less just fits. */
	tags[93] = '\0';
	statsd_outbox_counter(&f->out, line, &tally, 3);
	statsd_outbox_close(&f->out);
	snprintf(expected, sizeof(expected), "a:3|c|#%s", tags);
	assert_int_equal(strlen(expected), 100);
	check_received(f, expected);
}

static void too_big_makes_the_next_packets_smaller(void **state)
{
	struct fixture *f = *state;
	struct statsd_tally tallies[400];
	char data[10000];
	int size = 0;
	unsigned int packets = 0;

	memset(tallies, 0, sizeof(tallies));
	statsd_outbox_init(&f->out, f->socket, STATSD_UNIX_PAYLOAD);
	statsd_outbox_counter(&f->out, line_a, &tallies[0], 1);
	statsd_outbox_close(&f->out);
	setsockopt(statsd_socket_fd(f->socket), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (unsigned int i = 0; i < 400; i++) {
		struct statsd_line line = line_a;

		line.tags = "step:some,process:other,with:enough,tags:to,fill:a,packet:soon";
		statsd_outbox_counter(&f->out, line, &tallies[i], 1);
		while (recv(f->server, data, sizeof(data), 0) > 0)
			packets++;
	}
	statsd_outbox_close(&f->out);
	for (bool all = false; !all;) { /* the socket's buffer is for one */
		all = statsd_outbox_drain(&f->out, 0, 0);
		while (recv(f->server, data, sizeof(data), 0) > 0)
			packets++;
	}
	assert_true(packets > 3);
	assert_int_equal(f->out.stats.packets_dropped[STATSD_TOO_BIG], 1);
	assert_in_range(f->out.payload, 3000, 4100);

	/* Another connection, another chance. */
	close(f->server);
	f->server = open_server();
	statsd_outbox_counter(&f->out, line_a, &tallies[0], 1);
	statsd_outbox_close(&f->out);
	assert_int_equal(f->out.payload, STATSD_UNIX_PAYLOAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_share_a_packet_up_to_its_size),
		TEST(counters_go_out_as_differences_and_once_as_zero),
		TEST(a_refused_packet_leaves_its_counters_due),
		TEST(packets_wait_for_a_busy_receiver_in_order),
		TEST(what_waits_is_bounded_and_can_be_given_up),
		TEST(a_line_longer_than_a_packet_is_given_up),
		TEST(too_big_makes_the_next_packets_smaller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
