/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"
#include "verdict.h"

#define NOW   (5000 * SEC)
#define STEPS 4

/* A chain of all steps, at the levels of their numbers, in a second in which nothing happened. */
struct stand {
	struct record record[STEPS];
	struct step_view step[STEPS];
	const struct step_view *steps[STEPS];
	struct edge_view edge[STEPS];
	struct consumer_view consumer;
	char text[400];
};

static struct stand stand;

static int setup(void **state)
{
	static const char *const names[STEPS] = { "source", "parse", "batch", "sink" };

	*state = &stand;
	stand = (struct stand){ 0 };
	for (size_t i = 0; i < STEPS; i++) {
		stand.record[i] = record_of(1, i + 1, names[i]);
		stand.step[i] = (struct step_view){ .record = &stand.record[i], .level = i };
		stand.steps[i] = &stand.step[i];
		if (i + 1 < STEPS)
			stand.edge[i] = (struct edge_view){ .from = &stand.step[i],
							    .to = &stand.step[i + 1] };
	}
	stand.consumer = (struct consumer_view){ .name = "consumer",
						 .steps = stand.steps,
						 .step_count = STEPS,
						 .edges = stand.edge,
						 .edge_count = STEPS - 1,
						 .judged = true,
						 .driven_at = NOW - SEC };
	stand.step[0].rate[COUNTER_ACCEPTED] = 1;
	return 0;
}

/* What it says, and what kind it is. */
static const char *says(struct stand *s, enum verdict_kind kind)
{
	struct verdict v = verdict_of(&s->consumer, NOW, 0);

	verdict_text(&v, NOW, s->text, sizeof(s->text));
	assert_int_equal(v.kind, kind);
	return s->text;
}

static void refuses(struct stand *s, size_t i, double share, double self)
{
	s->step[i].share[PUSHBACK_SEND] = share;
	s->step[i].self_share = self;
	if (i)
		s->step[i - 1].share[PUSHBACK_RECEIVE] = share;
}

/* All have enter marks then. */
static void busy(struct stand *s, size_t i, double share)
{
	for (size_t k = 0; k < STEPS; k++)
		s->step[k].marks = true;
	s->step[i].state[MODEL_BUSY] = share;
}

/* Since the drain at NOW - quiet_ns. */
static void quiet(struct stand *s, uint64_t quiet_ns)
{
	for (size_t i = 0; i < STEPS; i++)
		memset(s->step[i].rate, 0, sizeof(s->step[i].rate));
	s->consumer.driven_at = NOW - quiet_ns;
}

static void marks(struct stand *s, size_t count)
{
	for (size_t i = 0; i < STEPS; i++)
		s->step[i].marks = i < count;
}

static void test_nothing_is_submitted(void **state)
{
	struct stand *s = *state;

	marks(s, STEPS);
	quiet(s, SEC);
	assert_string_equal(says(s, VERDICT_NOTHING), "nothing has been submitted for 1.0s");
	marks(s, STEPS - 1);
	quiet(s, 72 * SEC);
	assert_string_equal(says(s, VERDICT_NOTHING),
			    "nothing has been submitted for 1m12s; idle or inside a call: not all "
			    "steps have enter marks");
	for (int i = 0; i < 4; i++) {
		static const enum counter signs[] = { COUNTER_ACCEPTED, COUNTER_SEND,
						      COUNTER_FORWARDED, COUNTER_RECEIVE };

		s->step[2].rate[signs[i]] = 0.5;
		says(s, VERDICT_FLOWING);
		s->step[2].rate[signs[i]] = 0;
	}
	busy(s, 1, 0.5);
	says(s, VERDICT_BUSIEST);
	s->consumer.step_count = 0;
	says(s, VERDICT_NOTHING);
}

/* What was open when it was last driven goes on to count, and says nothing of who is at fault now. */
static void test_nobody_drives_what_refused(void **state)
{
	struct stand *s = *state;
	struct verdict v;

	marks(s, STEPS);
	refuses(s, 3, 1, 1);
	refuses(s, 2, 1, 0);
	quiet(s, 2 * SEC);
	says(s, VERDICT_BOTTLENECK); /* tries again every now and then, it may be */
	v = verdict_of(&s->consumer, NOW, 'S');
	assert_int_equal(v.kind, VERDICT_BOTTLENECK);
	quiet(s, 12 * SEC);
	assert_string_equal(says(s, VERDICT_NOTHING),
			    "nothing has been submitted for 12s (what refused then still counts as "
			    "refusing)");
	v = verdict_of(&s->consumer, NOW, 0);
	for (size_t i = 0; i < STEPS; i++)
		assert_false(verdict_accuses(&v, &s->step[i]));
	busy(s, 3, 1);
	assert_string_equal(says(s, VERDICT_BUSIEST),
			    "nothing has been submitted for 12s (what refused then still counts as "
			    "refusing); busiest is sink: inside it 100 % of the time");
}

static void test_stopped(void **state)
{
	struct stand *s = *state;
	struct verdict v;

	refuses(s, 3, 1, 1);
	busy(s, 3, 1);
	assert_false(verdict_is_quiet(&s->consumer));
	v = verdict_of(&s->consumer, NOW, 'T');
	assert_int_equal(v.kind, VERDICT_BOTTLENECK);
	quiet(s, 2 * SEC);
	assert_true(verdict_is_quiet(&s->consumer));
	v = verdict_of(&s->consumer, NOW, 'T');
	assert_int_equal(v.kind, VERDICT_STOPPED);
	assert_false(verdict_accuses(&v, &s->step[3]));
	verdict_text(&v, NOW, s->text, sizeof(s->text));
	assert_string_equal(s->text,
			    "the process is stopped (state T): nothing has been submitted for 2.0s "
			    "(what refused then still counts as refusing)");
	assert_int_equal(verdict_of(&s->consumer, NOW, 't').kind, VERDICT_STOPPED);
}

static void test_measuring(void **state)
{
	struct stand *s = *state;

	refuses(s, 3, 1, 1);
	s->consumer.judged = false;
	assert_string_equal(says(s, VERDICT_MEASURING), "measuring the first second");
}

static void test_flowing(void **state)
{
	struct stand *s = *state;
	struct verdict v;

	assert_string_equal(says(s, VERDICT_FLOWING),
			    "nothing refuses; who is busy is not known: no enter marks");
	marks(s, STEPS);
	assert_string_equal(says(s, VERDICT_FLOWING),
			    "nothing refuses; no step is seen to be busy");
	busy(s, 1, 0.49);
	busy(s, 2, 0.12);
	assert_string_equal(says(s, VERDICT_FLOWING),
			    "nothing refuses; busiest is parse: inside it 49 % of the time");
	v = verdict_of(&s->consumer, NOW, 0);
	assert_false(verdict_accuses(&v, &s->step[1]));
	refuses(s, 3, 0.019, 0.019);
	assert_string_equal(
		says(s, VERDICT_FLOWING),
		"hardly anything refuses; busiest is parse: inside it 49 % of the time");
	s->step[0].marks = false;
	refuses(s, 3, 0, 0);
	assert_string_equal(
		says(s, VERDICT_FLOWING),
		"nothing refuses; busiest of those with enter marks is parse: inside it "
		"49 % of the time");
}

static void test_bottleneck(void **state)
{
	struct stand *s = *state;
	struct verdict v;

	for (size_t i = 0; i < STEPS; i++) {
		/* All before it are refused, and so refuse. */
		for (size_t k = 0; k <= i; k++)
			refuses(s, k, 0.98, k == i ? 0.97 : 0.01);
		for (size_t k = i; k < STEPS; k++)
			s->step[k].share[PUSHBACK_RECEIVE] = 0;
		v = verdict_of(&s->consumer, NOW, 0);
		assert_int_equal(v.kind, VERDICT_BOTTLENECK);
		assert_ptr_equal(v.step, &s->step[i]);
		assert_null(v.other);
		assert_true(v.share == 0.97);
	}
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "sink is the bottleneck: 97 % self time");
	/* A little is enough, where there is nothing else. */
	for (size_t i = 0; i < STEPS; i++)
		refuses(s, i, 0, 0);
	refuses(s, 3, 0.021, 0.021);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "sink is the bottleneck: 2 % self time");
}

/* As the row has it, to the digit. */
static void test_since_when(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} table[] = {
		{ 950 * MS, ", for 950ms" },   { 2960 * MS, ", for 3.0s" },
		{ 12 * SEC, ", for 12s" },     { 60 * SEC, ", for 1m00s" },
		{ 192 * SEC, ", for 3m12s" },  { 3599 * SEC, ", for 59m" },
		{ 3600 * SEC, ", for 1h00m" },
	};
	struct stand *s = *state;
	char due[200];

	refuses(s, 3, 0.97, 0.97);
	/* It refuses for longer than it is at fault. */
	s->step[3].spell[MODEL_SPELL_SEND].since = NOW - 7200 * SEC;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		s->step[3].fault.since = NOW - table[i].ns;
		snprintf(due, sizeof(due), "sink is the bottleneck: 97 %% self time%s",
			 table[i].text);
		assert_string_equal(says(s, VERDICT_BOTTLENECK), due);
	}
	s->step[3].fault = (struct spell){ NOW - 12 * SEC, true };
	assert_string_equal(says(s, VERDICT_BOTTLENECK),
			    "sink is the bottleneck: 97 % self time, for at least 12s");
	s->step[3].fault.since = NOW + 1;
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "sink is the bottleneck: 97 % self time");
	s->step[3].fault.since = 0;
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "sink is the bottleneck: 97 % self time");
}

static void test_no_clear_culprit(void **state)
{
	struct stand *s = *state;

	refuses(s, 1, 0.48, 0.48);
	refuses(s, 3, 0.45, 0.45);
	assert_string_equal(
		says(s, VERDICT_UNCLEAR),
		"no clear culprit between parse (48 % self time) and sink (45 % self time)");
	refuses(s, 1, 0.64, 0.64);
	refuses(s, 3, 0.33, 0.33);
	says(s, VERDICT_UNCLEAR);
	refuses(s, 1, 0.67, 0.67);
	says(s, VERDICT_BOTTLENECK);
	/* Three. */
	refuses(s, 1, 0.3, 0.3);
	refuses(s, 2, 0.3, 0.3);
	refuses(s, 3, 0.31, 0.31);
	assert_string_equal(
		says(s, VERDICT_UNCLEAR),
		"no clear culprit between sink (31 % self time) and parse (30 % self time)");
}

static void test_busiest(void **state)
{
	struct stand *s = *state;

	busy(s, 1, 0.05);
	busy(s, 3, 0.93);
	assert_string_equal(says(s, VERDICT_BUSIEST),
			    "nothing refuses; busiest is sink: inside it 93 % of the time");
	s->step[3].spell[MODEL_SPELL_BUSY] = (struct spell){ NOW - 59 * SEC, false };
	assert_string_equal(
		says(s, VERDICT_BUSIEST),
		"nothing refuses; busiest is sink: inside it 93 % of the time, for 59s");
	s->step[3].spell[MODEL_SPELL_BUSY].since = 0;
	/* A slot that is full for a moment does not hide it. */
	refuses(s, 1, 0.05, 0.05);
	assert_string_equal(says(s, VERDICT_BUSIEST),
			    "hardly anything refuses; busiest is sink: inside it 93 % of the time");
	/* Nor does what refuses only because the thread does not come back. */
	refuses(s, 1, 0.3, 0.3);
	assert_string_equal(says(s, VERDICT_BUSIEST),
			    "sink is busy: inside it 93 % of the time; what refuses waits for it");
	refuses(s, 1, 0.11, 0.11);
	refuses(s, 0, 1, 0);
	says(s, VERDICT_BUSIEST);
}

/* A step refuses and one behind it blocks, with the thread that would drive the first. */
static void test_refusing_or_blocking(void **state)
{
	struct stand *s = *state;

	refuses(s, 0, 1, 0);
	refuses(s, 1, 0.04, 0.04);
	s->step[0].share[PUSHBACK_RECEIVE] = 1;
	busy(s, 2, 0.97);
	/* The source's last offer was refused: by parse, which is watched. */
	assert_string_equal(says(s, VERDICT_BUSIEST),
			    "batch is busy: inside it 97 % of the time; what refuses waits for it");
	refuses(s, 1, 0.37, 0.37);
	busy(s, 2, 0.6);
	assert_string_equal(
		says(s, VERDICT_UNCLEAR),
		"no clear culprit between parse (37 % self time) and batch (busy 60 %)");
	busy(s, 2, 0.3);
	says(s, VERDICT_BOTTLENECK);
	/* It refuses all the time, the thread spins. */
	refuses(s, 1, 0.9, 0.9);
	busy(s, 2, 0.95);
	says(s, VERDICT_BOTTLENECK);
}

static void test_two_that_block(void **state)
{
	struct stand *s = *state;
	struct verdict v;

	busy(s, 1, 0.59);
	busy(s, 2, 0.4);
	assert_string_equal(says(s, VERDICT_UNCLEAR),
			    "no clear culprit between parse (busy 59 %) and batch (busy 40 %)");
	v = verdict_of(&s->consumer, NOW, 0);
	assert_true(verdict_accuses(&v, &s->step[1]) && verdict_accuses(&v, &s->step[2]));
	busy(s, 1, 0.7);
	busy(s, 2, 0.29);
	says(s, VERDICT_BUSIEST);
	/* Little work, evenly spread, is no fault of two. */
	busy(s, 1, 0.3);
	says(s, VERDICT_FLOWING);
}

/* A queue refuses in place of the step behind it, which has a thread of its own and blocks. */
static void test_busy_behind_the_bottleneck(void **state)
{
	struct stand *s = *state;

	refuses(s, 1, 0.97, 0.97);
	busy(s, 0, 0.99);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "parse is the bottleneck: 97 % self time");
	busy(s, 0, 0);
	busy(s, 3, 0.96);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "parse is the bottleneck: 97 % self time; "
							 "behind it sink is busy 96 % of the time");
	/* As of a thread that spins through all of them. */
	busy(s, 3, 0.7);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "parse is the bottleneck: 97 % self time");
	/* What closes a cycle leads to what is before it. */
	s->edge[3] = (struct edge_view){ .from = &s->step[1], .to = &s->step[0] };
	s->consumer.edge_count = STEPS;
	busy(s, 3, 0);
	busy(s, 0, 0.96);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "parse is the bottleneck: 97 % self time");
	busy(s, 0, 0);
	/* On another branch it is not behind it. */
	busy(s, 3, 0.96);
	s->edge[2].from = &s->step[0];
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "parse is the bottleneck: 97 % self time");
}

/* Refused by something that has no probes. */
static void test_blocked_by_what_is_not_watched(void **state)
{
	struct stand *s = *state;

	for (size_t i = 0; i < STEPS; i++) {
		refuses(s, i, 0.97 - 0.01 * (double)i, 0.001);
		s->step[i].share[PUSHBACK_RECEIVE] = 0.97 - 0.01 * (double)i;
	}
	assert_string_equal(
		says(s, VERDICT_BEHIND),
		"sink is blocked 94 % of the time by something behind it that is not watched");
	s->step[3].spell[MODEL_SPELL_RECEIVE] = (struct spell){ NOW - 5 * SEC, true };
	assert_string_equal(says(s, VERDICT_BEHIND),
			    "sink is blocked 94 % of the time by something behind it that is not "
			    "watched, for at least 5.0s");
	s->step[3].share[PUSHBACK_RECEIVE] = 0.1;
	assert_string_equal(
		says(s, VERDICT_BEHIND),
		"batch is blocked 94 % of the time by something behind it that is not watched");
}

static void test_names_are_safe_and_cut(void **state)
{
	struct stand *s = *state;
	char tiny[12];
	struct verdict v;

	refuses(s, 3, 1, 1);
	strcpy(s->record[3].name, "\x1b[2Ja\nb\x7f\xc3\xa9");
	assert_string_equal(says(s, VERDICT_BOTTLENECK),
			    "?[2Ja?b??? is the bottleneck: 100 % self time");
	s->record[3].name[0] = '\0';
	assert_string_equal(says(s, VERDICT_BOTTLENECK),
			    "(no name) is the bottleneck: 100 % self time");
	memset(s->record[3].name, 'x', sizeof(s->record[3].name) - 1);
	assert_string_equal(says(s, VERDICT_BOTTLENECK), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
							 " is the bottleneck: 100 % self time");
	v = verdict_of(&s->consumer, NOW, 0);
	memset(tiny, '#', sizeof(tiny));
	verdict_text(&v, NOW, tiny, 5);
	assert_memory_equal(tiny, "xxxx\0##", 7);
	verdict_text(&v, NOW, tiny, 0);
	assert_memory_equal(tiny, "xxxx\0##", 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	static const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_submitted),
		TEST(test_nobody_drives_what_refused),
		TEST(test_stopped),
		TEST(test_measuring),
		TEST(test_flowing),
		TEST(test_bottleneck),
		TEST(test_since_when),
		TEST(test_no_clear_culprit),
		TEST(test_busiest),
		TEST(test_refusing_or_blocking),
		TEST(test_two_that_block),
		TEST(test_busy_behind_the_bottleneck),
		TEST(test_blocked_by_what_is_not_watched),
		TEST(test_names_are_safe_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
