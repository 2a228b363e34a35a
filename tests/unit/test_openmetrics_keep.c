/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/openmetrics_series.h"
#include "kept.h"

#define SECOND 1000000000ull
#define LABELS "step=\"sink\",process=\"p\",env=\"a\""

struct stand {
	struct series series[2];
	struct openmetrics_table table;
	struct keep_writer w;
	struct keep_reader r;
};

static void update(struct openmetrics_table *t, const struct series *series, size_t count,
		   uint64_t seconds)
{
	const struct series *const shown[] = { &series[0], &series[1] };

	openmetrics_table_update(t, shown, count, seconds * SECOND, true);
}

/* Two series, of which the second has ended; the first has had 10 messages and 3 durations. */
static void stand(struct stand *s)
{
	*s = (struct stand){ .table = { .max = 100, .tags = "env:a" } };
	s->series[0] = (struct series){ .id = 5, .step = "sink", .process = "p", .tags = "" };
	s->series[1] = (struct series){ .id = 9, .step = "gone", .process = "p", .tags = "" };
	s->series[0].counter[COUNTER_ACCEPTED] = 10;
	s->series[1].counter[COUNTER_SEND] = 4;
	assert_int_equal(hist_add(&s->series[0].durations[0], 15000000, 3), 0);
	update(&s->table, s->series, 2, 1000);
	hist_clear(&s->series[0].durations[0]);
	update(&s->table, s->series, 1, 1001);
	keep_begin(&s->w, "test");
	openmetrics_table_save(&s->table, &s->w);
	keep_end(&s->w);
	s->r = kept(&s->w);
}

static void fall(struct stand *s)
{
	openmetrics_table_free(&s->table);
	hist_free(&s->series[0].durations[0]);
	keep_free(&s->w);
}

static void test_scrapes_go_on(void **state)
{
	struct openmetrics_table after = { .max = 100, .tags = "env:a" };
	const struct openmetrics_line *line;
	struct stand s;

	(void)state;
	stand(&s);
	assert_int_equal(openmetrics_table_load(&after, &s.r), 0);
	assert_int_equal(s.r.at, s.r.size);
	assert_int_equal(after.count, 2);
	assert_true(after.at[1]->has_counter[COUNTER_SEND]);
	assert_int_equal(after.at[1]->counter[COUNTER_SEND], 4);
	assert_int_equal(after.at[1]->ended, 1001 * SECOND);

	/* What a loaded model shows, and more. */
	s.series[0].counter[COUNTER_ACCEPTED] = 12;
	hist_add(&s.series[0].durations[0], 15000000, 2);
	update(&after, s.series, 1, 1010);
	line = after.at[0];
	assert_string_equal(line->labels, LABELS);
	assert_int_equal(line->counter[COUNTER_ACCEPTED], 12);
	assert_int_equal(line->durations[0].count, 5);
	assert_int_equal(line->durations[0].sum_ns, 75000000);
	assert_memory_not_equal(&line->durations[0].bucket, &line->durations[1].bucket,
				sizeof(line->durations[0].bucket));
	/* The one that had ended is kept for as long as it would have been. */
	update(&after, s.series, 1, 1001 + OPENMETRICS_KEEP_NS / SECOND);
	assert_int_equal(after.count, 1);
	openmetrics_table_free(&after);
	fall(&s);
}

static void test_a_new_line_is_numbered_on(void **state)
{
	struct openmetrics_table after = { .max = 100, .tags = "env:a" };
	struct stand s;

	(void)state;
	stand(&s);
	assert_int_equal(openmetrics_table_load(&after, &s.r), 0);
	s.series[1] = (struct series){ .id = 11, .step = "new", .process = "p", .tags = "" };
	update(&after, s.series, 2, 1010);
	assert_int_equal(after.count, 3);
	assert_true(after.at[2]->number > after.at[1]->number);
	openmetrics_table_free(&after);
	fall(&s);
}

static void test_other_tags_are_other_lines(void **state)
{
	struct openmetrics_table after = { .max = 100, .tags = "env:b" };
	struct stand s;

	(void)state;
	stand(&s);
	assert_int_equal(openmetrics_table_load(&after, &s.r), 0);
	assert_int_equal(after.count, 0);
	update(&after, s.series, 1, 1010);
	assert_int_equal(after.at[0]->counter[COUNTER_ACCEPTED], 10);
	assert_int_equal(after.at[0]->durations[0].count, 0);
	openmetrics_table_free(&after);
	fall(&s);
}

/* One more would be none, or the first. */
static void test_no_id_is_the_last_there_can_be(void **state)
{
	struct openmetrics_table after = { .max = 100, .tags = "env:a" };
	struct stand s;

	(void)state;
	stand(&s);
	keep_clear(&s.w);
	s.series[1].id = UINT64_MAX;
	update(&s.table, s.series, 2, 1002);
	keep_begin(&s.w, "test");
	openmetrics_table_save(&s.table, &s.w);
	keep_end(&s.w);
	s.r = kept(&s.w);
	assert_int_equal(openmetrics_table_load(&after, &s.r), -EBADMSG);
	openmetrics_table_free(&after);
	fall(&s);
}

static void load_one(struct keep_reader *r, void *context)
{
	struct openmetrics_table t = { .max = 100, .tags = "env:a" };
	int err = openmetrics_table_load(&t, r);

	(void)context;
	assert_true(!err || err == -EBADMSG || err == -EPROTO);
	openmetrics_table_free(&t);
}

static void test_spoilt(void **state)
{
	struct stand s;

	(void)state;
	stand(&s);
	load_spoilt(&s.r, load_one, NULL);
	fall(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scrapes_go_on),
		cmocka_unit_test(test_a_new_line_is_numbered_on),
		cmocka_unit_test(test_other_tags_are_other_lines),
		cmocka_unit_test(test_no_id_is_the_last_there_can_be),
		cmocka_unit_test(test_spoilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
