/* SPDX-License-Identifier: MIT */
/* Consumers, levels and edges. Shapes are told by what `text_of` writes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pipeline.h"

#define SIZE 1024

static void add_text(char text[SIZE], const char *before, uint64_t number)
{
	size_t used = strlen(text);

	snprintf(text + used, SIZE - used, "%s%llu", before, (unsigned long long)number);
}

/*
 * "1.0 2.1 3.1 1>2 1>3 | 4.0": two consumers; in order of the pipeline each step with its level, then
 * the edges.
 */
static const char *text_of(const struct model *m)
{
	static char text[SIZE];
	size_t count;
	const struct consumer_view *c = model_consumers(m, &count);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < c[i].step_count; k++) {
			add_text(text,
				 k   ? " "
				 : i ? " | "
				     : "",
				 c[i].steps[k]->record->key.instance);
			add_text(text, ".", c[i].steps[k]->level);
		}
		for (size_t k = 0; k < c[i].edge_count; k++) {
			add_text(text, " ", c[i].edges[k].from->record->key.instance);
			add_text(text, ">", c[i].edges[k].to->record->key.instance);
		}
	}
	return text;
}

/* Steps 1 to `count` of one process, with edges as "1>2 2>3". */
static const char *shape(struct model *m, int count, const char *edges, bool marks)
{
	struct record r[16];
	int from, to, length;

	for (int i = 0; i < count; i++) {
		r[i] = placed(1, (uint64_t)i + 1);
		r[i].marks = marks;
	}
	for (; sscanf(edges, " %d>%d%n", &from, &to, &length) == 2; edges += length)
		hands_on(&r[from - 1], PLACE(to), 0);
	drain_all(m, START + SEC, r, (size_t)count);
	return text_of(m);
}

struct shape {
	int steps;
	const char *edges, *text;
};

static void check_shapes(const struct shape *table, size_t count, bool marks)
{
	for (size_t i = 0; i < count; i++) {
		struct model *m = model_new();

		assert_non_null(m);
		assert_string_equal(shape(m, table[i].steps, table[i].edges, marks), table[i].text);
		model_free(m);
	}
}

static void test_shapes(void **state)
{
	static const struct shape table[] = {
		{ 1, "", "1.0" },
		{ 3, "1>2 2>3", "1.0 2.1 3.2 1>2 2>3" },
		/* As arroyo builds them: the last step first. */
		{ 3, "3>2 2>1", "3.0 2.1 1.2 3>2 2>1" },
		{ 2, "", "1.0 | 2.0" },
		/* Two consumers in one process, one within the other's ages. */
		{ 5, "1>5 3>4 5>2", "1.0 5.1 2.2 1>5 5>2 | 3.0 4.1 3>4" },
		/* Branches, one longer. */
		{ 5, "1>2 1>3 3>4 3>5", "1.0 2.1 3.1 4.2 5.2 1>2 1>3 3>4 3>5" },
		/* Shared by two, nearer to one of them. */
		{ 5, "1>2 1>4 2>3 3>4 4>5", "1.0 2.1 3.2 4.3 5.4 1>2 1>4 2>3 3>4 4>5" },
		/* Edges in the order of the pipeline, not of ages or first fires. */
		{ 4, "4>1 4>3 4>2 3>1 2>3", "4.0 2.1 3.2 1.3 4>2 4>3 4>1 2>3 3>1" },
		/* Two heads. */
		{ 4, "2>3 1>3 3>4", "1.0 2.0 3.1 4.2 1>3 2>3 3>4" },
		/* Never itself; not twice. */
		{ 2, "1>1 1>2 1>2", "1.0 2.1 1>2" },
		/* Not known. */
		{ 2, "1>9 1>2", "1.0 2.1 1>2" },
	};

	(void)state;
	check_shapes(table, sizeof(table) / sizeof(table[0]), false);
	check_shapes(table, sizeof(table) / sizeof(table[0]), true);
}

/* Cut at the oldest, but where one comes to them from a head. */
static void test_cycles_of_steps_with_marks(void **state)
{
	static const struct shape table[] = {
		{ 2, "1>2 2>1", "1.0 2.1 1>2 2>1" },
		{ 3, "2>3 3>1 1>2", "1.0 2.1 3.2 1>2 2>3 3>1" },
		{ 4, "4>2 2>3 3>1 1>2", "4.0 2.1 3.2 1.3 4>2 2>3 3>1 1>2" },
		/* What is behind a cycle is behind it, though older. */
		{ 4, "2>3 3>2 3>1 1>4", "2.0 3.1 1.2 4.3 2>3 3>2 3>1 1>4" },
	};

	(void)state;
	check_shapes(table, sizeof(table) / sizeof(table[0]), true);
}

/* Who hands on to something without probes took its caller for its next step. */
static void test_false_edges_without_marks(void **state)
{
	static const struct shape table[] = {
		/* The last of a chain: inner ones return first. */
		{ 2, "2>1 1>2", "2.0 1.1 2>1" },
		{ 4, "4>3 3>2 2>1 1>4", "4.0 3.1 2.2 1.3 4>3 3>2 2>1" },
		/* In the middle: the step before it hands on to something watched and something not. */
		{ 3, "3>2 2>1 2>3", "3.0 2.1 1.2 3>2 2>1" },
		/* Two branches, both with such an end. */
		{ 3, "3>1 3>2 1>3 2>3", "3.0 1.1 2.1 3>1 3>2" },
		/* Shared by two, who take turns. */
		{ 3, "2>1 3>1 1>2 1>3", "2.0 3.0 1.1 2>1 3>1" },
		/* Another consumer's of the same process has no part in it. */
		{ 5, "2>1 1>2 3>4 4>5", "2.0 1.1 2>1 | 3.0 4.1 5.2 3>4 4>5" },
		/* What is behind a cycle is behind it, though younger. */
		{ 4, "2>1 1>2 1>3 3>4", "2.0 1.1 3.2 4.3 2>1 1>3 3>4" },
	};

	(void)state;
	check_shapes(table, sizeof(table) / sizeof(table[0]), false);
}

/* Marks that come late: until then such an edge was none. */
static void test_marks_that_come_late(void **state)
{
	struct model *m = *state;
	struct record r[2] = { placed(1, 1), placed(1, 2) };

	hands_on(&r[0], PLACE(2), 0);
	hands_on(&r[1], PLACE(1), 0);
	drain_all(m, START + SEC, r, 2);
	assert_string_equal(text_of(m), "2.0 1.1 2>1");
	r[0].marks = r[1].marks = true;
	drain_all(m, START + 2 * SEC, r, 2);
	assert_string_equal(text_of(m), "1.0 2.1 1>2 2>1");
}

/* A list ends with its first 0. */
static void test_what_is_behind_the_end_is_nothing(void **state)
{
	struct model *m = *state;
	struct record r[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };

	r[0].next[0].place = PLACE(2);
	r[0].next[2].place = PLACE(3);
	drain_all(m, START + SEC, r, 3);
	assert_string_equal(text_of(m), "1.0 2.1 1>2 | 3.0");
}

static void test_edges_stay_in_their_process(void **state)
{
	struct model *m = *state;
	struct record r[6] = { placed(2, 1), placed(2, 2), placed(1, 3),
			       placed(1, 4), placed(1, 5), placed(1, 6) };

	/* The same addresses in another process, and in another life of the same pid. */
	for (int i = 0; i < 6; i++)
		r[i].place = i % 2 ? PLACE(2) : PLACE(1);
	r[4].key.process.exec_id = r[5].key.process.exec_id = 1;
	for (int i = 0; i < 6; i += 2)
		hands_on(&r[i], PLACE(2), 0);
	drain_all(m, START + SEC, r, 6);
	assert_string_equal(text_of(m), "3.0 4.1 3>4 | 5.0 6.1 5>6 | 1.0 2.1 1>2");
	assert_int_equal(consumer_at(m, 0)->process.tgid, 1);
	assert_int_equal(consumer_at(m, 1)->process.exec_id, 1);
	assert_int_equal(consumer_at(m, 2)->process.tgid, 2);
	assert_string_equal(consumer_at(m, 2)->name, "consumer");
	assert_string_equal(consumer_at(m, 2)->tags, "");
}

static void test_order_is_learned_as_it_shows(void **state)
{
	struct model *m = *state;
	struct record r[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };

	drain_all(m, START + SEC, &r[1], 2);
	assert_string_equal(text_of(m), "2.0 | 3.0");
	hands_on(&r[1], PLACE(3), 0);
	drain_all(m, START + 2 * SEC, &r[1], 1);
	assert_string_equal(text_of(m), "2.0 3.1 2>3");
	hands_on(&r[0], PLACE(2), 0);
	drain_all(m, START + 3 * SEC, r, 3);
	assert_string_equal(text_of(m), "1.0 2.1 3.2 1>2 2>3");
	/* Nothing new: as it was. During a drain there is nothing to see. */
	model_begin(m, START + 4 * SEC);
	assert_string_equal(text_of(m), "");
	model_end(m);
	assert_string_equal(text_of(m), "1.0 2.1 3.2 1>2 2>3");
}

/* New instances under the same names, at the same places or at others; the old ones die. */
static void test_rebalance(void **state)
{
	struct model *m = *state;
	struct record old[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };
	struct record new[3] = { placed(1, 4), placed(1, 5), placed(1, 6) };

	for (int i = 0; i < 3; i++) {
		strcpy(new[i].name, old[i].name);
		new[i].place = PLACE(i == 1 ? 2 : i + 4);
	}
	hands_on(&old[0], PLACE(2), 0);
	hands_on(&old[1], PLACE(3), 0);
	hands_on(&new[0], PLACE(2), 0);
	hands_on(&new[1], PLACE(6), 0);
	drain_all(m, START + SEC, old, 3);
	assert_string_equal(text_of(m), "1.0 2.1 3.2 1>2 2>3");
	for (int i = 0; i < 3; i++)
		old[i].dead = true;
	model_begin(m, START + 2 * SEC);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(model_record(m, &new[i], ""), 0);
		assert_int_equal(model_record(m, &old[i], ""), 0);
	}
	model_end(m);
	assert_string_equal(text_of(m), "4.0 5.1 6.2 4>5 5>6");
}

/* While both are known, messages go to the newer one. */
static void test_the_newest_at_a_place(void **state)
{
	struct model *m = *state;
	struct record r[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };

	hands_on(&r[0], PLACE(2), 0);
	r[2].place = PLACE(2);
	drain_all(m, START + SEC, r, 3);
	assert_string_equal(text_of(m), "1.0 3.1 1>3 | 2.0");
	r[2].dead = true;
	drain_all(m, START + 2 * SEC, &r[2], 1);
	assert_string_equal(text_of(m), "1.0 2.1 1>2");
	r[1].place = PLACE(7);
	drain_all(m, START + 3 * SEC, &r[1], 1);
	assert_string_equal(text_of(m), "1.0 | 2.0");
}

static void test_consumers_split_when_a_step_dies(void **state)
{
	struct model *m = *state;
	struct record r[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };

	hands_on(&r[0], PLACE(2), 0);
	hands_on(&r[1], PLACE(3), 0);
	drain_all(m, START + SEC, r, 3);
	r[1].dead = true;
	drain_all(m, START + 2 * SEC, &r[1], 1);
	assert_string_equal(text_of(m), "1.0 | 3.0");
}

/* A chain as long as a process may have steps: neither the stack nor the time ends first. */
static void test_the_longest_chain(void **state)
{
	struct model *m = *state;

	model_begin(m, START + SEC);
	for (uint64_t i = PB_MAX_PROCESS_STEPS; i > 0; i--) {
		struct record r = placed(1, i);

		strcpy(r.name, "step");
		for (uint64_t k = 1; k <= PB_MAX_NEXT; k++)
			hands_on(&r, PLACE(i + k), 0);
		assert_int_equal(model_record(m, &r, ""), 0);
	}
	model_end(m);
	assert_int_equal(consumer_count(m), 1);
	assert_int_equal(step_numbered(m, PB_MAX_PROCESS_STEPS)->level, PB_MAX_PROCESS_STEPS - 1);
	assert_int_equal(consumer_at(m, 0)->edge_count,
			 PB_MAX_NEXT * PB_MAX_PROCESS_STEPS - PB_MAX_NEXT * (PB_MAX_NEXT + 1) / 2);
}

/* ---- refusals on edges ---- */

/* Refusals on the edge, with a sign before it if estimated. */
static int64_t on_edge(const struct model *m, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < consumer_count(m); i++) {
		const struct consumer_view *c = consumer_at(m, i);

		for (size_t k = 0; k < c->edge_count; k++)
			if (c->edges[k].from->record->key.instance == from &&
			    c->edges[k].to->record->key.instance == to)
				return c->edges[k].estimated ? -(int64_t)c->edges[k].refused
							     : (int64_t)c->edges[k].refused;
	}
	fail_msg("no such edge");
	return 0;
}

static void test_the_only_edge_has_all_refusals(void **state)
{
	struct model *m = *state;
	struct record r[2] = { placed(1, 1), placed(1, 2) };

	hands_on(&r[0], PLACE(2), 3);
	r[0].counter[COUNTER_RECEIVE] = 100;
	r[1].counter[COUNTER_SEND] = 70;
	drain_all(m, START + SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), 100);
	r[0].counter[COUNTER_RECEIVE] = 150;
	drain_all(m, START + 2 * SEC, r, 1);
	assert_int_equal(on_edge(m, 1, 2), 150);
}

/* 1 hands on to 2, and to something that nobody watches. */
static void test_the_only_edge_that_is_known(void **state)
{
	struct model *m = *state;
	struct record r[2] = { placed(1, 1), placed(1, 2) };

	hands_on(&r[0], PLACE(2), 0);
	r[0].counter[COUNTER_FORWARDED] = 1000;
	r[1].counter[COUNTER_ACCEPTED] = 500;
	drain_all(m, START + 10 * SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), 0);
	/* 2 has refused as much, but has not been handed all. */
	r[0].counter[COUNTER_RECEIVE] = r[1].counter[COUNTER_SEND] = 100;
	drain_all(m, START + 11 * SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), -100);
	r[1].counter[COUNTER_ACCEPTED] = 900;
	drain_all(m, START + 12 * SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), 100);
	/* More than 2 has made; it can have handed them through. */
	r[0].counter[COUNTER_RECEIVE] = 1000;
	drain_all(m, START + 13 * SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), -100);
	r[1].counter[COUNTER_RECEIVE] = 850;
	drain_all(m, START + 14 * SEC, r, 2);
	assert_int_equal(on_edge(m, 1, 2), 1000);
}

/* 1 hands on to 2 and 3, of which 3 hands on to 4. */
static void test_a_branch_has_what_it_refused(void **state)
{
	struct model *m = *state;
	struct record r[4] = { placed(1, 1), placed(1, 2), placed(1, 3), placed(1, 4) };

	hands_on(&r[0], PLACE(2), 900);
	hands_on(&r[0], PLACE(3), 100);
	hands_on(&r[2], PLACE(4), 1);
	r[0].counter[COUNTER_RECEIVE] = 70;
	r[1].counter[COUNTER_SEND] = 50;
	r[2].counter[COUNTER_SEND] = 20;
	drain_all(m, START + SEC, r, 4);
	assert_int_equal(on_edge(m, 1, 2), 50);
	assert_int_equal(on_edge(m, 1, 3), 20);
	/* 4 refuses, 3 hands it through: 2 cannot have. Whatever the probes saw. */
	r[0].counter[COUNTER_RECEIVE] = 100;
	r[2].counter[COUNTER_RECEIVE] = r[3].counter[COUNTER_SEND] = 30;
	drain_all(m, START + 2 * SEC, r, 4);
	assert_int_equal(on_edge(m, 1, 2), 50);
	assert_int_equal(on_edge(m, 1, 3), -50);
	assert_int_equal(on_edge(m, 3, 4), 30);
	/* Both can have. */
	r[1].counter[COUNTER_RECEIVE] = 30;
	drain_all(m, START + 3 * SEC, r, 4);
	assert_int_equal(on_edge(m, 1, 2), -(50 + 27));
	assert_int_equal(on_edge(m, 1, 3), -(20 + 3));
	/* Nothing was seen at the probes. */
	r[0].next[0].refusals = r[0].next[1].refusals = 0;
	drain_all(m, START + 4 * SEC, r, 4);
	assert_int_equal(on_edge(m, 1, 2), -(50 + 15));
	assert_int_equal(on_edge(m, 1, 3), -(20 + 15));
	/* None can have: by what was seen, and without that alike. */
	r[0].counter[COUNTER_RECEIVE] = 80;
	r[0].next[0].refusals = 1;
	r[0].next[1].refusals = 4;
	for (int i = 1; i < 3; i++)
		r[i].dead = true;
	drain_all(m, START + 5 * SEC, r, 3);
	for (int i = 1; i < 3; i++) {
		r[i] = placed(1, (uint64_t)i + 10);
		r[i].place = PLACE(i + 1);
	}
	r[0].counter[COUNTER_RECEIVE] = 110;
	drain_all(m, START + 6 * SEC, r, 3);
	assert_int_equal(on_edge(m, 1, 11), -22);
	assert_int_equal(on_edge(m, 1, 12), -88);
}

/* 1 and 2 both hand on to 3, and 1 to 4. What 3 refused was not all for 1. */
static void test_a_shared_step_by_weights(void **state)
{
	struct model *m = *state;
	struct record r[4] = { placed(1, 1), placed(1, 2), placed(1, 3), placed(1, 4) };

	hands_on(&r[0], PLACE(3), 1);
	hands_on(&r[0], PLACE(4), 1000);
	hands_on(&r[1], PLACE(3), 1);
	r[0].counter[COUNTER_RECEIVE] = 60;
	r[1].counter[COUNTER_RECEIVE] = 45;
	r[2].counter[COUNTER_SEND] = 95;
	r[3].counter[COUNTER_SEND] = 10;
	drain_all(m, START + SEC, r, 4);
	assert_int_equal(on_edge(m, 1, 3), -50);
	assert_int_equal(on_edge(m, 1, 4), 10);
	assert_int_equal(on_edge(m, 2, 3), 45);
}

/* The next steps were seen before the one that hands on to them: they refused more than it knows. */
static void test_more_than_there_were_is_cut_down(void **state)
{
	struct model *m = *state;
	struct record r[3] = { placed(1, 1), placed(1, 2), placed(1, 3) };

	hands_on(&r[0], PLACE(2), 0);
	hands_on(&r[0], PLACE(3), 0);
	r[0].counter[COUNTER_RECEIVE] = 10;
	r[1].counter[COUNTER_SEND] = 45;
	r[2].counter[COUNTER_SEND] = 5;
	drain_all(m, START + SEC, r, 3);
	assert_int_equal(on_edge(m, 1, 2), -9);
	assert_int_equal(on_edge(m, 1, 3), -1);
	/* Nothing overflows. */
	r[0].counter[COUNTER_RECEIVE] = INT64_MAX;
	r[1].counter[COUNTER_SEND] = r[2].counter[COUNTER_SEND] = UINT64_MAX;
	drain_all(m, START + SEC, r, 3);
	assert_true((uint64_t)-on_edge(m, 1, 2) + (uint64_t)-on_edge(m, 1, 3) == INT64_MAX);
	r[1] = placed(1, 4);
	r[2] = placed(1, 5);
	r[1].place = PLACE(2);
	r[2].place = PLACE(3);
	r[0].next[0].refusals = r[0].next[1].refusals = UINT64_MAX;
	r[1].counter[COUNTER_RECEIVE] = r[2].counter[COUNTER_RECEIVE] = 1;
	drain_all(m, START + 2 * SEC, r, 3);
	assert_true((uint64_t)-on_edge(m, 1, 4) + (uint64_t)-on_edge(m, 1, 5) == INT64_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begun_setup, begun_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_shapes),
		TEST(test_cycles_of_steps_with_marks),
		TEST(test_false_edges_without_marks),
		TEST(test_marks_that_come_late),
		TEST(test_what_is_behind_the_end_is_nothing),
		TEST(test_edges_stay_in_their_process),
		TEST(test_order_is_learned_as_it_shows),
		TEST(test_rebalance),
		TEST(test_the_newest_at_a_place),
		TEST(test_consumers_split_when_a_step_dies),
		TEST(test_the_longest_chain),
		TEST(test_the_only_edge_has_all_refusals),
		TEST(test_the_only_edge_that_is_known),
		TEST(test_a_branch_has_what_it_refused),
		TEST(test_a_shared_step_by_weights),
		TEST(test_more_than_there_were_is_cut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
