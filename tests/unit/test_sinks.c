/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../userspace/sinks.h"

#define COUNT 3

/* A sink that waits for pipes and counts its turns. */
struct piped {
	struct sink sink;
	size_t pipes;
	int pipe[SINK_FDS][2];
	unsigned int polled, drained;
};

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	const struct piped *p = (const struct piped *)sink;

	for (size_t i = 0; i < p->pipes; i++)
		fds[i] = (struct pollfd){ .fd = p->pipe[i][0], .events = POLLIN };
	return p->pipes;
}

static void poll_one(struct sink *sink, uint64_t now)
{
	((struct piped *)sink)->polled += now == 7;
}

static void drained(struct sink *sink, const struct model *m, uint64_t now)
{
	((struct piped *)sink)->drained += !m && now == 7;
}

static const struct sink_ops with_all = { .fds = fds_of, .poll = poll_one, .drained = drained };
static const struct sink_ops without_fds = { .poll = poll_one };
static const struct sink_ops without_any = { .name = "idle" };

/* Two with pipes, as many as one may have and one; between them, one that waits for nothing. */
static void only_who_is_woken_has_its_turn(void **state)
{
	struct piped p[COUNT] = {
		{ .sink.ops = &with_all, .pipes = SINK_FDS },
		{ .sink.ops = &without_fds },
		{ .sink.ops = &with_all, .pipes = 1 },
	};
	struct sink *sinks[COUNT] = { &p[0].sink, &p[1].sink, &p[2].sink };
	struct sinks_wakers wakers;
	struct pollfd fds[SINKS_FDS];
	unsigned int expected[COUNT] = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		for (size_t k = 0; k < p[i].pipes; k++)
			assert_int_equal(pipe(p[i].pipe[k]), 0);
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t k = 0; k < p[i].pipes; k++) {
			char byte;
			size_t used = sinks_gather(&wakers, sinks, COUNT, fds);

			assert_int_equal(used, SINK_FDS + 1);
			assert_int_equal(write(p[i].pipe[k][1], "x", 1), 1);
			assert_int_equal(poll(fds, used, 0), 1);
			sinks_poll_woken(&wakers, sinks, COUNT, fds, 7);
			assert_int_equal(read(p[i].pipe[k][0], &byte, 1), 1);
			expected[i]++;
			for (size_t j = 0; j < COUNT; j++)
				assert_int_equal(p[j].polled, expected[j]);
		}
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t k = 0; k < p[i].pipes; k++)
			assert_int_equal(close(p[i].pipe[k][0]) + close(p[i].pipe[k][1]), 0);
}

static void all_have_their_turn_that_want_one(void **state)
{
	struct piped p[COUNT] = {
		{ .sink.ops = &with_all },
		{ .sink.ops = &without_any },
		{ .sink.ops = &without_fds },
	};
	struct sink *sinks[COUNT] = { &p[0].sink, &p[1].sink, &p[2].sink };

	(void)state;
	sinks_poll(sinks, COUNT, 7);
	sinks_drained(sinks, COUNT, NULL, 7);
	assert_int_equal(p[0].polled + p[2].polled, 2);
	assert_int_equal(p[1].polled, 0);
	assert_int_equal(p[0].drained, 1);
	assert_int_equal(p[1].drained + p[2].drained, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_is_woken_has_its_turn),
		cmocka_unit_test(all_have_their_turn_that_want_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
