/* SPDX-License-Identifier: MIT */
/* Episodes as a Trace Event file: valid JSON whatever there is in names */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "trace_chrome.h"

#define MS 1000000ull

static const struct trace_episode usual = {
	.key = { .process = { .tgid = 4711 }, .instance = 1 },
	.direction = PUSHBACK_SEND,
	.began_ns = 123456789012345678,
	.ns = 12 * MS + 1,
	.counted = true,
	.rejections = 312,
	.self_ns = 5 * MS,
	.folded = 4,
	.folded_ns = 8 * MS,
	.process = "consumer",
	.name = "sink",
};

static json_t *load(char *text)
{
	json_t *all = json_loads(text, 0, NULL), *events;

	assert_non_null(all);
	events = json_incref(json_object_get(all, "traceEvents"));
	json_decref(all);
	free(text);
	return events;
}

/* The events of these episodes. */
__attribute__((noinline)) static json_t *events_of(const struct trace_episode *e, size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct trace_chrome *c = trace_chrome_new(out);

	for (size_t i = 0; i < count; i++)
		trace_chrome_slice(c, &e[i]);
	trace_chrome_end(c, 0);
	trace_chrome_free(c);
	fclose(out);
	return load(text);
}

static void is_event(const json_t *events, size_t at, const char *right)
{
	char *text = json_dumps(json_array_get(events, at), JSON_COMPACT | JSON_REAL_PRECISION(17));

	assert_non_null(text);
	assert_string_equal(text, right);
	free(text);
}

static void none_is_valid(void **state)
{
	json_t *events = events_of(NULL, 0);

	(void)state;
	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
}

static void a_slice_and_its_track(void **state)
{
	json_t *events = events_of(&usual, 1);

	(void)state;
	assert_int_equal(json_array_size(events), 4);
	is_event(events, 0,
		 "{\"ph\":\"M\",\"pid\":4711,\"tid\":5000000,\"name\":\"process_name\","
		 "\"args\":{\"name\":\"consumer\"}}");
	is_event(events, 1,
		 "{\"ph\":\"M\",\"pid\":4711,\"tid\":5000000,\"name\":\"thread_name\","
		 "\"args\":{\"name\":\"sink refusing\"}}");
	is_event(events, 2,
		 "{\"ph\":\"M\",\"pid\":4711,\"tid\":5000000,\"name\":\"thread_sort_index\","
		 "\"args\":{\"sort_index\":0}}");
	is_event(events, 3,
		 "{\"ph\":\"X\",\"pid\":4711,\"tid\":5000000,\"ts\":123456789012345.67,"
		 "\"dur\":12000.001,\"name\":\"refusing\",\"cat\":\"closed\",\"args\":{\"end\":"
		 "\"closed\",\"rejections\":312,\"self_us\":5000.0,\"folded_before\":4,"
		 "\"folded_before_us\":8000.0}}");
	json_decref(events);
}

static void each_instance_and_state_has_a_track(void **state)
{
	struct trace_episode e[] = { usual, usual, usual, usual };
	const int tracks[] = { 0, 1, 2, 0 };
	json_t *events, *event;
	size_t i, slices = 0;

	(void)state;
	e[1].direction = PUSHBACK_RECEIVE;
	e[2].key.instance = 2;
	events = events_of(e, 4);
	json_array_foreach(events, i, event)
	{
		if (strcmp(json_string_value(json_object_get(event, "ph")), "X"))
			continue;
		assert_int_equal(json_integer_value(json_object_get(event, "tid")),
				 5000000 + tracks[slices++]);
	}
	assert_int_equal(slices, 4);
	json_decref(events);
}

static void what_is_not_known_is_left_out(void **state)
{
	struct trace_episode e = usual;
	json_t *events;

	(void)state;
	e.counted = false;
	e.folded = 0;
	e.at_least = true;
	e.untold = 3;
	e.end = TRACE_OPEN;
	e.began_ns = 1;
	e.ns = 2;
	e.direction = PUSHBACK_RECEIVE;
	events = events_of(&e, 1);
	is_event(events, 3,
		 "{\"ph\":\"X\",\"pid\":4711,\"tid\":5000000,\"ts\":0.001,\"dur\":0.002,\"name\":"
		 "\"blocked\",\"cat\":\"open\",\"args\":{\"end\":\"open\",\"at_least\":true,"
		 "\"untold_before\":3}}");
	json_decref(events);
}

static void any_name_is_a_name(void **state)
{
	static const struct {
		const char *name, *shown;
	} names[] = {
		{ "", "(no name) refusing" },
		{ "\"},{\\\x01\n", "\"},{\\\x01\n refusing" },
		{ "\xff", "\xef\xbf\xbd refusing" },
		{ "%s%n", "%s%n refusing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct trace_episode e = usual;
		json_t *events, *args;

		strcpy(e.name, names[i].name);
		events = events_of(&e, 1);
		args = json_object_get(json_array_get(events, 1), "args");
		assert_string_equal(json_string_value(json_object_get(args, "name")),
				    names[i].shown);
		json_decref(events);
	}
}

static void tracks_are_bounded(void **state)
{
	FILE *out = fopen("/dev/null", "w");
	struct trace_chrome *c = trace_chrome_new(out);
	struct trace_episode e = usual;

	(void)state;
	for (e.key.instance = 0; e.key.instance < TRACE_CHROME_TRACKS + 5; e.key.instance++)
		trace_chrome_slice(c, &e);
	e.key.instance = 0;
	trace_chrome_slice(c, &e);
	assert_int_equal(trace_chrome_left_out(c), 5);
	trace_chrome_free(c);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_valid),
		cmocka_unit_test(a_slice_and_its_track),
		cmocka_unit_test(each_instance_and_state_has_a_track),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(any_name_is_a_name),
		cmocka_unit_test(tracks_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
