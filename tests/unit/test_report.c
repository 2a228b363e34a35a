/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "pipeline.h"
#include "recorder.h"
#include "report.h"
#include "report_strips.h"
#include "report_verdict.h"
#include "seed.h"

struct stand {
	struct model *m;
	struct recorder *r;
	uint64_t now;
	struct record records[RECORDER_STEPS];
	size_t count;
};

static int set_up(void **state)
{
	struct stand *s = calloc(1, sizeof(*s));

	s->m = model_new();
	s->now = START;
	s->r = recorder_new(START);
	model_begin(s->m, START);
	model_end(s->m);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct stand *s = *state;

	model_free(s->m);
	recorder_free(s->r);
	free(s);
	return 0;
}

static void drain(struct stand *s)
{
	s->now += SEC;
	model_begin(s->m, s->now);
	for (size_t i = 0; i < s->count; i++)
		model_record(s->m, &s->records[i], "");
	model_end(s->m);
	recorder_take(s->r, s->m, s->now, false);
	recorder_take_durations(s->r, s->m, s->now);
	model_next_interval(s->m);
}

/* A chain s1 -> s2 -> ... of one process. */
static void add_chain(struct stand *s, uint32_t tgid, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		struct record *r = &s->records[s->count++];

		*r = placed(tgid, i + 1);
		r->begun = s->now;
		if (i + 1 < length)
			hands_on(r, PLACE(i + 2), 1);
	}
}

static json_t *object_of(const struct stand *s, uint64_t last_s, size_t *size)
{
	json_t *agent = json_object();
	const struct report_options options = { .recorder = s->r,
						.agent = agent,
						.last_s = last_s };
	char *text;
	json_t *object;

	assert_int_equal(report_text(&options, &text), 0);
	*size = strlen(text);
	assert_null(strchr(text, '<'));
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	free(text);
	json_decref(agent);
	return object;
}

static json_int_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static json_int_t in_window(const json_t *object, const char *key)
{
	return number(json_object_get(object, "window"), key);
}

/* Each second of each step other than the one before: nothing that could be told in fewer words. */
static void an_hour(struct stand *s, struct seed *seed)
{
	for (int n = 0; n < 3600; n++) {
		for (size_t i = 0; i < s->count; i++) {
			struct record *r = &s->records[i];

			for (int c = 0; c < COUNTER_BUSY_TIME; c++)
				r->counter[c] += seed_below(seed, SEC);
			r->depth = (uint32_t)seed_below(seed, 1000);
			r->capacity = 1000;
			r->marks = true;
			if (n % 10 == 0)
				hist_add(&r->samples[n / 10 % 2], seed_log(seed, 43), 100);
		}
		drain(s);
		for (size_t i = 0; i < s->count; i++) {
			hist_free(&s->records[i].samples[0]);
			hist_free(&s->records[i].samples[1]);
		}
	}
}

static void a_busy_hour_is_small_and_says_that_it_is_merged(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state;
	size_t size;

	add_chain(s, 1, 10);
	an_hour(s, &seed);
	json_t *object = object_of(s, 0, &size);

	printf("10 steps: %zu bytes\n", size);
	assert_true(size < 600000);
	assert_int_equal(in_window(object, "seconds"), 3600);
	assert_true(in_window(object, "cell_s") == 6);
	assert_true(in_window(object, "cells") == 600);
	json_decref(object);
	/* Ten minutes are there second by second. */
	object = object_of(s, 600, &size);
	assert_int_equal(in_window(object, "cell_s"), 1);
	assert_int_equal(in_window(object, "cells"), 600);
	json_decref(object);
}

static void as_many_steps_as_there_can_be_stay_below_two_megabytes(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state;
	size_t size;

	for (uint32_t i = 0; i < RECORDER_STEPS / 8; i++)
		add_chain(s, i + 1, 8);
	an_hour(s, &seed);
	json_t *object = object_of(s, 0, &size);

	printf("%d steps: %zu bytes, cells of %d s\n", RECORDER_STEPS, size,
	       (int)in_window(object, "cell_s"));
	assert_true(size < 1950000);
	assert_true(recorder_bytes(s->r) < RECORDER_BYTES + (2u << 20));
	assert_true(in_window(object, "cell_s") > 6);
	json_decref(object);
}

/* What merging does to a strip does not change what it adds up to. */
static void numbers_are_those_of_the_seconds(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state;
	uint64_t accepted = 0, refusing = 0, from;
	struct report_strips strips;

	add_chain(s, 1, 1);
	for (int n = 0; n < 1000; n++) {
		uint64_t more = seed_below(&seed, 1000), ms = seed_below(&seed, 1001);

		s->records[0].counter[COUNTER_ACCEPTED] += more;
		s->records[0].counter[COUNTER_SEND_TIME] += ms * MS;
		accepted += n >= 100 ? more : 0;
		refusing += n >= 100 ? ms * 1000 : 0;
		drain(s);
	}
	assert_int_equal(report_strips_new(&strips, s->r, 900, 70), 0);
	from = strips.from;
	assert_int_equal(strips.until - from, 900);
	assert_int_equal(strips.width, 13);
	assert_int_equal(strips.cell_count, 70);
	assert_int_equal(report_cell_seconds(&strips, 69), 900 - 69 * 13);
	assert_int_equal(strips.steps[0].all.accepted, accepted);
	assert_int_equal(strips.steps[0].all.refusing, refusing);
	for (size_t i = 0; i < strips.cell_count; i++) {
		accepted -= strips.steps[0].cells[i].accepted;
		refusing -= strips.steps[0].cells[i].refusing;
	}
	assert_int_equal(accepted, 0);
	assert_int_equal(refusing, 0);
	report_strips_free(&strips);
}

/* ---- Who was at fault ---- */

static void second(struct stand *s, size_t step, bool pressed)
{
	for (size_t i = 0; i < s->count; i++) {
		struct record *r = &s->records[i];

		r->counter[COUNTER_ACCEPTED] += 10;
		if (!pressed || i > step)
			continue;
		r->counter[COUNTER_SEND_TIME] += 900 * MS;
		if (i == step)
			r->counter[COUNTER_SEND_SELF_TIME] += 900 * MS;
		else
			r->counter[COUNTER_RECEIVE_TIME] += 900 * MS;
	}
	drain(s);
}

static struct report_verdict judge(struct report_strips *strips, const struct stand *s)
{
	struct report_verdict v;

	assert_int_equal(report_strips_new(strips, s->r, 0, REPORT_CELLS), 0);
	assert_int_equal(strips->consumer_count, 1);
	assert_int_equal(report_judge(strips, &strips->consumers[0], &v), 0);
	return v;
}

static void an_incident_in_a_quiet_time_is_named(void **state)
{
	struct stand *s = *state;
	struct report_strips strips;
	struct report_verdict v;

	add_chain(s, 1, 3);
	for (int i = 0; i < 300; i++)
		second(s, 1, i == 50 || (i >= 100 && i < 110));
	v = judge(&strips, s);
	assert_int_equal(v.kind, VERDICT_BOTTLENECK);
	assert_string_equal(v.text, "s2 is the bottleneck: 90 % self time");
	assert_int_equal(v.pressed_s, 11);
	assert_int_equal(v.judged_s, 11);
	assert_int_equal(v.stretches, 2);
	assert_int_equal(v.longest, 100);
	assert_int_equal(v.longest_count, 10);
	assert_true(!v.accused[0] && v.accused[1] && !v.accused[2]);
	free(v.accused);
	report_strips_free(&strips);
}

static void nothing_refused(void **state)
{
	struct stand *s = *state;
	struct report_strips strips;
	struct report_verdict v;

	add_chain(s, 1, 2);
	for (int i = 0; i < 10; i++)
		second(s, 0, false);
	v = judge(&strips, s);
	assert_int_equal(v.kind, VERDICT_FLOWING);
	assert_int_equal(v.pressed_s, 0);
	assert_int_equal(v.judged_s, 10);
	assert_string_equal(v.text, "nothing refuses; who is busy is not known: no enter marks");
	assert_true(!v.accused[0] && !v.accused[1]);
	free(v.accused);
	report_strips_free(&strips);
}

static void stuck_without_a_single_return(void **state)
{
	struct stand *s = *state;
	struct report_strips strips;
	struct report_verdict v;

	add_chain(s, 1, 1);
	for (int i = 0; i < 10; i++) {
		s->records[0].counter[COUNTER_SEND_TIME] += SEC;
		s->records[0].counter[COUNTER_SEND_SELF_TIME] += SEC;
		drain(s);
	}
	v = judge(&strips, s);
	assert_int_equal(v.kind, VERDICT_NOTHING);
	assert_non_null(strstr(v.text, "nothing has been submitted for 10s"));
	free(v.accused);
	report_strips_free(&strips);
}

static void nobody_was_there(void **state)
{
	struct stand *s = *state;
	const struct report_options options = { .recorder = s->r };
	char *text;

	drain(s);
	assert_int_equal(report_text(&options, &text), -ENODATA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_busy_hour_is_small_and_says_that_it_is_merged),
		TEST(as_many_steps_as_there_can_be_stay_below_two_megabytes),
		TEST(numbers_are_those_of_the_seconds),
		TEST(an_incident_in_a_quiet_time_is_named),
		TEST(nothing_refused),
		TEST(stuck_without_a_single_return),
		TEST(nobody_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
