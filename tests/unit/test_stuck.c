/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"
#include "stuck.h"

#define START (10000 * SEC)
#define STEPS 3

/* Steps of one process, and all that was said of them. */
struct stand {
	struct model *m;
	struct stuck *stuck;
	uint64_t now;
	struct record record[STEPS];
	char said[1024];
};

static int setup(void **state)
{
	static struct stand stand;

	stand = (struct stand){ .m = model_new(), .stuck = stuck_new(3 * SEC), .now = START };
	for (uint32_t i = 0; i < STEPS; i++)
		stand.record[i] = record_of(1, i + 1, (const char *[]){ "a", "b", "c" }[i]);
	model_begin(stand.m, START);
	model_end(stand.m);
	*state = &stand;
	return 0;
}

static int teardown(void **state)
{
	struct stand *s = *state;

	model_free(s->m);
	stuck_free(s->stuck);
	return 0;
}

static void take(const struct stuck_news *news, void *context)
{
	struct stand *s = context;
	size_t used = strlen(s->said);

	snprintf(s->said + used, sizeof(s->said) - used, "%s%s %s%s for %u; ",
		 news->gone    ? "gone "
		 : news->ended ? "ended "
			       : "",
		 news->step, news->held_up ? "held up" : "stuck", *news->tags ? " tagged" : "",
		 (unsigned int)(news->ns / SEC));
}

/* A second, all of which a step is in backpressure or none of it; what was said in it. */
static const char *pass(struct stand *s, const char *refusing, const char *blocked)
{
	s->now += SEC;
	s->said[0] = '\0';
	model_begin(s->m, s->now);
	for (int i = 0; i < STEPS; i++) {
		if (strchr(refusing, *s->record[i].name))
			s->record[i].counter[COUNTER_SEND_TIME] += SEC;
		if (strchr(blocked, *s->record[i].name))
			s->record[i].counter[COUNTER_RECEIVE_TIME] += SEC;
		if (s->record[i].key.instance)
			assert_int_equal(model_record(s->m, &s->record[i], "k:v"), 0);
	}
	model_end(s->m);
	stuck_look(s->stuck, s->m, take, s);
	return s->said;
}

static void told_once_and_at_its_end(void **state)
{
	struct stand *s = *state;

	assert_string_equal(pass(s, "", ""), "");
	assert_string_equal(pass(s, "a", ""), "");
	assert_string_equal(pass(s, "a", ""), "");
	assert_string_equal(pass(s, "a", ""), "a stuck tagged for 3; ");
	assert_string_equal(pass(s, "a", ""), "");
	assert_string_equal(pass(s, "", ""), "ended a stuck tagged for 4; ");
	assert_string_equal(pass(s, "", ""), "");
}

static void told_anew_the_next_time(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 2; i++) {
		pass(s, "", "");
		pass(s, "b", "");
		pass(s, "b", "");
		assert_string_equal(pass(s, "b", ""), "b stuck tagged for 3; ");
		assert_string_equal(pass(s, "", ""), "ended b stuck tagged for 3; ");
	}
}

static void where_to_look_comes_first(void **state)
{
	struct stand *s = *state;

	pass(s, "", "");
	pass(s, "abc", "ab");
	pass(s, "abc", "ab");
	assert_string_equal(pass(s, "abc", "ab"), "c stuck tagged for 3; a held up tagged for 3; "
						  "b held up tagged for 3; ");
}

/* One direction after the other is one matter. */
static void it_goes_on_in_the_other_direction(void **state)
{
	struct stand *s = *state;

	pass(s, "", "");
	pass(s, "", "a");
	pass(s, "", "a");
	assert_string_equal(pass(s, "a", "a"), "a held up tagged for 3; ");
	assert_string_equal(pass(s, "a", ""), "");
	assert_string_equal(pass(s, "a", ""), "");
	assert_string_equal(pass(s, "", ""), "ended a held up tagged for 3; ");
}

static void one_that_ends_is_gone(void **state)
{
	struct stand *s = *state;

	pass(s, "", "");
	pass(s, "a", "");
	pass(s, "a", "");
	assert_string_equal(pass(s, "a", ""), "a stuck tagged for 3; ");
	s->record[0].dead = true;
	assert_string_equal(pass(s, "", ""), "gone a stuck tagged for 3; ");
	s->record[0].key.instance = 0;
	model_next_interval(s->m);
	assert_string_equal(pass(s, "", ""), "");
}

/* The model has forgotten the series before we looked again. */
static void one_that_is_forgotten_is_gone(void **state)
{
	struct stand *s = *state;

	pass(s, "", "");
	pass(s, "a", "");
	pass(s, "a", "");
	pass(s, "a", "");
	s->record[0].dead = true;
	model_begin(s->m, s->now += SEC);
	assert_int_equal(model_record(s->m, &s->record[0], "k:v"), 0);
	model_end(s->m);
	model_next_interval(s->m);
	s->record[0].key.instance = 0;
	assert_string_equal(pass(s, "", ""), "gone a stuck tagged for 3; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(told_once_and_at_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(told_anew_the_next_time, setup, teardown),
		cmocka_unit_test_setup_teardown(where_to_look_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(it_goes_on_in_the_other_direction, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_ends_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_forgotten_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
