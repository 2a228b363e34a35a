/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "log_text.h"
#include "statsd_event.h"

#define MS 1000000ull

static struct hist durations(void)
{
	struct hist h = { 0 };

	assert_int_equal(hist_add(&h, 3 * MS, 3), 0);
	assert_int_equal(hist_add(&h, 250 * MS, 1), 0);
	return h;
}

static void a_step_that_refuses(void **state)
{
	struct hist h = durations();
	struct log_step step = {
		.process = "ingest", .step = "sink", .tags = "", .ns = 30001 * MS
	};
	char text[LOG_TEXT_SIZE];

	(void)state;
	step.counter[COUNTER_SEND] = 1234;
	step.counter[COUNTER_ACCEPTED] = 66;
	step.counter[COUNTER_SEND_TIME] = 21304 * MS + 999999;
	step.counter[COUNTER_SEND_SELF_TIME] = 20 * MS;
	step.counter[COUNTER_SEND_EPISODES] = 4;
	step.durations[0] = &h;
	log_text_step(text, &step);
	assert_string_equal(text, "ingest sink: in 30.001 s it refused 1234 of 1300 submits, for "
				  "21.304 s, by itself for 0.020 s (4 episodes, median 3.0ms, "
				  "longest 250ms)");
	hist_free(&h);
}

static void a_step_that_is_blocked(void **state)
{
	struct log_step step = { .process = "", .step = "", .tags = "pid:7", .ns = 1000 * MS };
	char text[LOG_TEXT_SIZE];

	(void)state;
	step.counter[COUNTER_RECEIVE_TIME] = 5 * MS;
	step.counter[COUNTER_RECEIVE_EPISODES] = 1;
	log_text_step(text, &step);
	assert_string_equal(text,
			    "(no name) (no name) (pid:7): in 1.000 s it was blocked for 0.005 s "
			    "(1 episode)");
	step.counter[COUNTER_SEND] = 1;
	log_text_step(text, &step);
	assert_string_equal(text,
			    "(no name) (no name) (pid:7): in 1.000 s it refused 1 of 1 submits, "
			    "for 0.000 s, by itself for 0.000 s (0 episodes), and was blocked "
			    "for 0.005 s (1 episode)");
}

/* The longest that a consumer can name, and the largest numbers. */
static void it_always_fits(void **state)
{
	char name[PUSHBACK_NAME_SIZE], tags[2000], text[LOG_TEXT_SIZE];
	struct log_step step = {
		.process = "0123456789abcde", .step = name, .tags = tags, .ns = UINT64_MAX
	};
	struct hist h = durations();

	(void)state;
	memset(name, '\n', sizeof(name) - 1);
	memset(tags, 'x', sizeof(tags) - 1);
	name[sizeof(name) - 1] = tags[sizeof(tags) - 1] = '\0';
	for (int i = 0; i < COUNTERS; i++)
		step.counter[i] = UINT64_MAX / 2;
	step.durations[0] = step.durations[1] = &h;
	memset(text, 'z', sizeof(text));
	log_text_step(text, &step);
	assert_null(strchr(text, '\n'));
	assert_int_equal(text[strlen(text) - 1], ')');
	hist_free(&h);
}

static void an_event_s_lengths_are_right(void **state)
{
	struct stuck_news news = {
		.process = "a|b\n", .step = "s k", .tags = "", .ns = 61005 * MS
	};
	char text[STATSD_EVENT_SIZE];
	size_t size;

	(void)state;
	size = statsd_event(text, &news, "step:s_k,process:a_b");
	assert_int_equal(size, strlen(text));
	assert_string_equal(text,
			    "_e{18,68}:a_b_: s_k is stuck|It refused what was submitted, most of "
			    "the time for 61.005 s by now.|k:pushback a_b_ s_k|t:warning"
			    "|#step:s_k,process:a_b");
	news.held_up = news.ended = news.gone = true;
	statsd_event(text, &news, "");
	assert_string_equal(text,
			    "_e{30,78}:a_b_: s_k is no longer held up|What is behind it refused, "
			    "most of the time for about 61.005 s until it ended.|k:pushback a_b_ "
			    "s_k|t:info");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_that_refuses),
		cmocka_unit_test(a_step_that_is_blocked),
		cmocka_unit_test(it_always_fits),
		cmocka_unit_test(an_event_s_lengths_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
