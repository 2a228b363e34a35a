/* SPDX-License-Identifier: MIT */
/* What a check adds up and doubts, and what of a draft is still to be filled in */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "recipe_sums.h"
#include "recipe_todo.h"

static const struct hit_cost cost = { .ns = { [PB_HIT_OWN] = 1,
					      [PB_HIT_EMULATED] = 10,
					      [PB_HIT_STEPPED] = 100,
					      [PB_HIT_RETURN] = 1000 } };

static void costs(void **state)
{
	static const struct {
		struct recipe_site site;
		uint64_t ns;
	} table[] = {
		{ { .hit = RECIPE_ENTER, .cost = INSN_EMULATED }, 10 },
		{ { .hit = RECIPE_ENTER, .cost = INSN_STEPPED }, 100 },
		{ { .hit = RECIPE_LEAVE, .cost = INSN_STEPPED }, 100 },
		{ { .hit = RECIPE_ALL, .cost = INSN_EMULATED }, 10 },
		{ { .hit = RECIPE_LEAVE_RETURN, .cost = INSN_EMULATED }, 1000 },
		{ { .hit = RECIPE_LEAVE_RETURN, .cost = INSN_STEPPED }, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(hit_cost_of(&cost, &table[i].site), table[i].ns);
}

/* ---- Sums ---- */

static void add_rule(struct recipe_sites *s, enum pb_rule_kind kind, uint32_t step)
{
	struct pb_rule *rule = &s->rules[s->rules_count++].rule;

	rule->kind = kind;
	rule->step = step;
	snprintf(rule->name, sizeof(rule->name), "step%u", step);
}

static void add_site(struct recipe_sites *s, enum recipe_hit hit, enum insn_cost how)
{
	s->sites[s->sites_count++] = (struct recipe_site){ .hit = hit,
							   .rule = (uint32_t)s->rules_count - 1,
							   .cost = how };
}

/* Step 3 with two submits and a poll, step 1 with a site and an end. */
static struct recipe_sites *made(void)
{
	struct recipe_sites *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	add_rule(s, PB_RULE_SUBMIT, 3);
	add_site(s, RECIPE_ENTER, INSN_EMULATED);
	add_site(s, RECIPE_LEAVE, INSN_STEPPED);
	add_site(s, RECIPE_LEAVE, INSN_STEPPED);
	add_rule(s, PB_RULE_SUBMIT, 3);
	add_site(s, RECIPE_ENTER, INSN_STEPPED);
	add_site(s, RECIPE_LEAVE_RETURN, INSN_STEPPED);
	add_rule(s, PB_RULE_POLL, 3);
	add_site(s, RECIPE_ENTER, INSN_EMULATED);
	add_site(s, RECIPE_LEAVE, INSN_STEPPED);
	add_rule(s, PB_RULE_SUBMIT, 1);
	add_site(s, RECIPE_ALL, INSN_EMULATED);
	add_rule(s, PB_RULE_END, 1);
	add_site(s, RECIPE_ENTER, INSN_STEPPED);
	return s;
}

static void sums(void **state)
{
	struct pb_tally tallies[] = {
		{ .hits = 7 },
		{ .hits = 3, .outcomes = { 1, 1, 1, 0 } },
		{ .hits = 4, .outcomes = { 0, 0, 0, 2 }, .unread = 1, .unknown = 1 },
		{ .hits = 2 },
		{ .hits = 2, .outcomes = { 2, 0, 0, 0 } },
		{ .hits = 5, .unread = 2 },
		{ .hits = 3, .outcomes = { 2, 1, 0, 0 } },
		{ .hits = 9, .outcomes = { 8, 1, 0, 0 } },
		{ .hits = 6 },
	};
	struct checked_file file = { .sites = made(), .tallies = tallies };
	struct checked_step steps[RECIPE_RULES_MAX], *s = steps;

	(void)state;
	assert_int_equal(recipe_sums(&file, &cost, steps), 2);
	assert_string_equal(s->name, "step3");
	assert_int_equal(s->hits, 7 + 3 + 4 + 2 + 2 + 5 + 3);
	assert_int_equal(s->calls[PB_RULE_SUBMIT], 9);
	assert_int_equal(s->calls[PB_RULE_POLL], 5);
	assert_int_equal(s->calls[PB_RULE_END], 0);
	assert_int_equal(s->returns, 9);
	assert_int_equal(s->unread, 3);
	assert_int_equal(s->unplaced[PB_RULE_SUBMIT], 0);
	assert_int_equal(s->untold[PB_RULE_SUBMIT], 2);
	assert_int_equal(s->unplaced[PB_RULE_POLL], 2);
	assert_int_equal(s->untold[PB_RULE_POLL], 0);
	assert_int_equal(s->outcomes[PUSHBACK_ACCEPTED], 3);
	assert_int_equal(s->outcomes[PUSHBACK_REJECTED], 1);
	assert_int_equal(s->outcomes[PUSHBACK_PROPAGATED], 1);
	assert_int_equal(s->outcomes[PUSHBACK_INVALID], 2);
	assert_int_equal(s->unknown, 1);
	assert_int_equal(s->ready, 2);
	assert_int_equal(s->polled, 3);
	/* Of two the dearer one. */
	assert_int_equal(s->cost_ns[PB_RULE_SUBMIT], 1100);
	assert_int_equal(s->cost_ns[PB_RULE_POLL], 110);
	assert_int_equal(s->cost_ns[PB_RULE_END], 0);
	s++;
	assert_string_equal(s->name, "step1");
	assert_int_equal(s->calls[PB_RULE_SUBMIT], 9);
	assert_int_equal(s->calls[PB_RULE_END], 6);
	assert_int_equal(s->outcomes[PUSHBACK_ACCEPTED], 8);
	assert_int_equal(s->cost_ns[PB_RULE_SUBMIT], 10);
	assert_int_equal(s->cost_ns[PB_RULE_END], 100);

	file.tallies = NULL;
	assert_int_equal(recipe_sums(&file, NULL, steps), 2);
	assert_int_equal(steps[0].hits, 0);
	assert_int_equal(steps[0].cost_ns[PB_RULE_SUBMIT], 0);
	free(file.sites);
	file.sites = NULL;
	assert_int_equal(recipe_sums(&file, &cost, steps), 0);
}

/* Two classes of one pattern, told apart by their names only. */
static void classes(void **state)
{
	struct recipe_sites *s = calloc(1, sizeof(*s));
	struct pb_tally tallies[] = {
		{ .hits = 5, .outcomes = { 5 } },
		{ 0 },
		{ .hits = 2, .outcomes = { 1, 1 } },
	};
	struct checked_file file = { .sites = s, .tallies = tallies };
	struct checked_step steps[RECIPE_RULES_MAX];

	(void)state;
	assert_non_null(s);
	for (int i = 0; i < 3; i++) {
		add_rule(s, PB_RULE_SUBMIT, 4);
		add_site(s, RECIPE_ALL, INSN_EMULATED);
	}
	strcpy(s->rules[0].rule.name, "Parse");
	strcpy(s->rules[1].rule.name, "Batch");
	strcpy(s->rules[2].rule.name, "Parse");
	assert_int_equal(recipe_sums(&file, &cost, steps), 2);
	assert_string_equal(steps[0].name, "Parse");
	assert_int_equal(steps[0].outcomes[PUSHBACK_ACCEPTED], 6);
	assert_int_equal(steps[0].outcomes[PUSHBACK_REJECTED], 1);
	assert_false(steps[0].others_hit);
	assert_string_equal(steps[1].name, "Batch");
	assert_int_equal(steps[1].hits, 0);
	assert_true(steps[1].others_hit);
	free(s);
}

static const struct {
	struct checked_step step;
	enum recipe_judgement is;
	const char *why;
} judged[] = {
	{ { .hits = 0 }, RECIPE_DOUBTFUL, "no hit" },
	{ { .hits = 0, .others_hit = true }, RECIPE_RIGHT, NULL },
	{ { .hits = 2, .calls = { 1 }, .returns = 1, .outcomes = { 1 } }, RECIPE_RIGHT, NULL },
	{ { .hits = 2, .calls = { 1 }, .returns = 1, .outcomes = { 0, 1 } }, RECIPE_RIGHT, NULL },
	{ { .hits = 2, .calls = { 1 }, .returns = 1, .outcomes = { 0, 0, 1 } },
	  RECIPE_RIGHT,
	  NULL },
	/* They were begun, and of their end nothing is known; a few may be under way. */
	{ { .hits = 100, .calls = { 50 }, .returns = 44, .outcomes = { 40, 4 } },
	  RECIPE_DOUBTFUL,
	  "6 of 50 submits ended in what is not probed" },
	{ { .hits = 100, .calls = { 50 }, .returns = 45, .outcomes = { 40, 5 } },
	  RECIPE_RIGHT,
	  NULL },
	{ { .hits = 20, .calls = { 10 }, .returns = 5, .outcomes = { 5 } }, RECIPE_RIGHT, NULL },
	/* Some were, or all. */
	{ { .hits = 6, .calls = { 3 }, .returns = 3, .outcomes = { 2, 0, 0, 1 } },
	  RECIPE_DOUBTFUL,
	  "1 of 3 results were invalid" },
	{ { .hits = 4, .calls = { 2 }, .returns = 2, .outcomes = { 0, 0, 0, 2 } },
	  RECIPE_WRONG,
	  "none of 2 results was accepted or rejected, all were invalid: is result =" },
	{ { .hits = 4,
	    .calls = { 2 },
	    .returns = 2,
	    .outcomes = { 1 },
	    .unread = 1,
	    .untold = { 1 } },
	  RECIPE_DOUBTFUL,
	  "could not be read" },
	{ { .hits = 4, .calls = { 2 }, .returns = 2, .unread = 2, .untold = { 2 } },
	  RECIPE_WRONG,
	  "none of 2 results could be read" },
	{ { .hits = 4,
	    .calls = { 2 },
	    .returns = 2,
	    .outcomes = { 1 },
	    .unknown = 1,
	    .untold = { 1 } },
	  RECIPE_DOUBTFUL,
	  "none that the function can return" },
	{ { .hits = 4, .calls = { 2 }, .returns = 2, .unknown = 2, .untold = { 2 } },
	  RECIPE_WRONG,
	  "is result = where the recipe says" },
	{ { .hits = 8,
	    .calls = { 4 },
	    .returns = 4,
	    .outcomes = { 0, 0, 0, 3 },
	    .unknown = 1,
	    .untold = { 1 } },
	  RECIPE_WRONG,
	  "none of 4 results was accepted or rejected" },
	{ { .hits = 4, .calls = { 2 }, .returns = 2, .unread = 2, .unplaced = { 2 } },
	  RECIPE_WRONG,
	  "is instance = where the recipe says" },
	/* The other one may be under way. */
	{ { .hits = 2, .calls = { 2 }, .unread = 1, .unplaced = { 1 } },
	  RECIPE_DOUBTFUL,
	  "could not be read" },
	{ { .hits = 1, .calls = { 1 } }, RECIPE_RIGHT, NULL },
	{ { .hits = 2, .calls = { 2 } }, RECIPE_DOUBTFUL, "no return of it was hit" },
	/* Of who was not seen to submit nothing is said. */
	{ { .hits = 9, .calls = { 0, 9 } }, RECIPE_RIGHT, NULL },
	/* Submits are right, polls are not. */
	{ { .hits = 9,
	    .calls = { 1, 4 },
	    .returns = 1,
	    .outcomes = { 1 },
	    .unread = 4,
	    .unplaced = { 0, 4 } },
	  RECIPE_WRONG,
	  "of none of 4 polls instance could be read" },
	{ { .hits = 9,
	    .calls = { 1, 4 },
	    .returns = 1,
	    .outcomes = { 1 },
	    .unread = 3,
	    .untold = { 0, 3 } },
	  RECIPE_WRONG,
	  "is ready = where the recipe says" },
	{ { .hits = 9,
	    .calls = { 1, 4 },
	    .returns = 1,
	    .outcomes = { 1 },
	    .unread = 3,
	    .untold = { 0, 3 },
	    .polled = 1 },
	  RECIPE_DOUBTFUL,
	  "could not be read" },
};

static void judgements(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(judged) / sizeof(*judged); i++) {
		char why[320] = "";
		enum recipe_judgement is = recipe_judge(&judged[i].step, why, sizeof(why));

		if (is != judged[i].is || (judged[i].why && !strstr(why, judged[i].why)))
			fail_msg("%zu: %d %s", i, is, why);
	}
}

/* ---- Drafts ---- */

static void add_todo(const char *path, int line, const char *key, const char *text, void *context)
{
	char *all = context;

	(void)path;

	sprintf(all + strlen(all), "%d %s: %s|", line, key, text);
}

static void todos(void **state)
{
	static const char text[] = "[target]\n"
				   "path = /a\n"
				   "# result = TODO no\n"
				   "; result = TODO no\n"
				   "  # result = TODO no\n"
				   "result = TODO where it is, as s32 return\r\n"
				   "  accepted=TODO: values\n"
				   "rejected = TODO\n"
				   "submit = symbol TODO\n"
				   "TODO\n"
				   "invalid = TODOS";
	char path[] = "/tmp/todo-XXXXXX", all[512] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	recipe_todo_each(path, add_todo, all);
	unlink(path);
	assert_string_equal(all, "6 result: where it is, as s32 return|7 accepted: values|"
				 "8 rejected: |11 invalid: S|");
	*all = '\0';
	recipe_todo_each("/nonexistent", add_todo, all);
	assert_string_equal(all, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs),      cmocka_unit_test(sums),  cmocka_unit_test(classes),
		cmocka_unit_test(judgements), cmocka_unit_test(todos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
