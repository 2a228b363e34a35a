/* SPDX-License-Identifier: MIT */
#include "cmd_diff_say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json_out.h"
#include "msg.h"
#include "table.h"
#include "term.h"
#include "text.h"
#include "top_text.h"

static const char letters[] = "ab";

static bool is_on(const struct compare_step *step, int side)
{
	return step->side[side].watched_ns != 0;
}

/* Refusing, per closed episode, ns; 0 without any. */
static uint64_t mean_ns(const struct compare_sum *sum)
{
	uint64_t episodes = sum->counter[COUNTER_SEND_EPISODES];

	return episodes ? sum->counter[COUNTER_SEND_TIME] / episodes : 0;
}

/* ---- The table ---- */

static const struct table_column columns[] = {
	{ .title = "STEP" },
	{ .title = "SIDE" },
	{ .title = "N", .right = true },
	{ .title = "ACC/S", .right = true },
	{ .title = "REF%", .right = true },
	{ .title = "SELF%", .right = true },
	{ .title = "BLK%", .right = true },
	{ .title = "BUSY%", .right = true, .optional = true },
	{ .title = "MEAN", .right = true },
	{ .title = "DIFFERS", .optional = true },
	{ .title = NULL },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]) - 1)

static void say_differs(const struct compare_step *step, char *text, size_t size)
{
	static const char *const words[COMPARE_MEASURES] = { "acc", "ref", "self", "blk", "busy" };
	size_t at = 0;

	snprintf(text, size, "-");
	for (int side = 0; side < SIDES; side++)
		if (!is_on(step, side))
			snprintf(text, size, "only %c", letters[!side]);
	for (int m = 0; m < COMPARE_MEASURES; m++)
		if (step->differs[m] && at < size)
			at += (size_t)snprintf(text + at, size - at, "%s%s%c", at ? " " : "",
					       words[m], step->differs[m] > 0 ? '+' : '-');
}

static int add_row(struct table *table, const struct compare_step *step, int side)
{
	const struct compare_sum *sum = &step->side[side];
	char name[8], n[24], rate[TOP_NUMBER_SIZE], mean[TOP_NUMBER_SIZE], differs[64];
	char share[COMPARE_MEASURES][16];
	const char *cells[COLUMNS] = {
		side && is_on(step, 0) ? "" : text_name(step->name),
		name,
		n,
		rate,
		share[COMPARE_REFUSING],
		share[COMPARE_SELF],
		share[COMPARE_BLOCKED],
		sum->marks ? share[COMPARE_BUSY] : "-",
		mean_ns(sum) ? mean : "-",
		side || !is_on(step, 1) ? differs : "-",
	};

	snprintf(name, sizeof(name), "%c%s", letters[side], sum->partly ? "~" : "");
	snprintf(n, sizeof(n), "%zu", sum->instances);
	top_text_count(rate, sum->value[COMPARE_ACCEPTED]);
	top_text_time(mean, mean_ns(sum));
	for (int m = 0; m < COMPARE_MEASURES; m++)
		snprintf(share[m], sizeof(share[m]), "%.1f", sum->value[m] * 100);
	say_differs(step, differs, sizeof(differs));
	return table_add(table, cells);
}

static int print_table(const struct diff_said *d, bool utf8)
{
	struct table *table = table_new(columns, utf8);
	int err = table ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < d->count; i++)
		for (int side = 0; !err && side < SIDES; side++)
			if (is_on(&d->steps[i], side))
				err = add_row(table, &d->steps[i], side);
	if (!err)
		err = table_write(table, "", stdout);
	table_free(table);
	return err;
}

/* ---- The verdict ---- */

/* What stands out on a side. */
static void say_most(const struct diff_said *d, int side, char *text, size_t size)
{
	static const char *const how[COMPARE_MEASURES] = {
		[COMPARE_REFUSING] = "refuses",
		[COMPARE_SELF] = "refuses by its own fault",
		[COMPARE_BLOCKED] = "is blocked",
		[COMPARE_BUSY] = "is busy",
	};
	char name[PUSHBACK_NAME_SIZE + 8];
	enum compare_measure measure;
	const struct compare_step *most = compare_most(d->steps, d->count, side, &measure);

	*text = '\0';
	if (!most)
		return;
	msg_safe(name, sizeof(name), text_name(most->name));
	snprintf(text, size, "%c: %s %s %.1f%% of the time, on %c %.1f%%", letters[side], name,
		 how[measure], most->side[side].value[measure] * 100, letters[!side],
		 most->side[!side].value[measure] * 100);
}

/* The first step that both have: what it accepts is what the consumer takes in. */
static const struct compare_step *first_common(const struct diff_said *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (is_on(&d->steps[i], 0) && is_on(&d->steps[i], 1))
			return &d->steps[i];
	return NULL;
}

static void say_intake(const struct compare_step *first, char *text, size_t size)
{
	char name[PUSHBACK_NAME_SIZE + 8], rate[SIDES][TOP_NUMBER_SIZE];

	*text = '\0';
	if (!first->differs[COMPARE_ACCEPTED])
		return;
	msg_safe(name, sizeof(name), text_name(first->name));
	for (int side = 0; side < SIDES; side++)
		top_text_count(rate[side], first->side[side].value[COMPARE_ACCEPTED]);
	snprintf(text, size, "b takes in %s: %s accepts %s messages a second, on a %s",
		 first->differs[COMPARE_ACCEPTED] > 0 ? "more" : "less", name, rate[1], rate[0]);
}

static void say_verdict(const struct diff_said *d)
{
	const struct compare_step *first = first_common(d);
	char intake[512] = "", most[SIDES][512];

	if (!first) {
		printf("The sides have no step in common.\n");
		return;
	}
	say_intake(first, intake, sizeof(intake));
	for (int side = 0; side < SIDES; side++)
		say_most(d, side, most[side], sizeof(most[side]));
	if (!*intake && !*most[0] && !*most[1]) {
		printf("No step differs by more than it varies.\n");
		return;
	}
	printf("%s%s", intake, *intake ? "\n" : "");
	for (int side = 0; side < SIDES; side++)
		printf("%s%s", most[side], *most[side] ? "\n" : "");
}

/* ---- What was not seen ---- */

static bool is_seen(const struct diff_said *d, int side)
{
	for (size_t i = 0; i < d->count; i++)
		if (is_on(&d->steps[i], side))
			return true;
	return false;
}

/* EXIT_DONE, or EXIT_FAILED where there is nothing to compare. */
static enum exit_status warn(const struct diff_said *d)
{
	struct sides_left_out left = sides_left_out(d->sides);
	enum exit_status status = EXIT_DONE;
	char safe[256];

	if (left.undecided)
		msg_warn("%" PRIu64 " processes had ended before it could be seen which side they "
			 "are on: left out",
			 left.undecided);
	if (left.both)
		msg_warn("%" PRIu64 " processes run both files: left out", left.both);
	if (left.neither)
		msg_warn("%" PRIu64 " processes run such a file that is not the one given, as in a "
			 "container: left out; give its path as the host sees it",
			 left.neither);
	for (int side = 0; side < SIDES; side++) {
		if (is_seen(d, side))
			continue;
		msg_error("no step of %s was seen, or it made no return: nothing is compared; see "
			  "pushback list",
			  msg_safe(safe, sizeof(safe), d->operands[side]));
		status = EXIT_FAILED;
	}
	return status;
}

static void say_sides(const struct diff_said *d, bool utf8)
{
	char operand[512], name[64];

	for (int side = 0; side < SIDES; side++) {
		size_t count = sides_processes(d->sides, side);

		top_text_safe(operand, sizeof(operand), d->operands[side], utf8);
		top_text_safe(name, sizeof(name), text_name(sides_name(d->sides, side)), utf8);
		if (sides_is_pid(d->operands[side]))
			printf("%c: %s, %s\n", letters[side], operand, name);
		else
			printf("%c: %s, %zu process%s\n", letters[side], operand, count,
			       count == 1 ? "" : "es");
	}
}

int diff_say_text(const struct diff_said *d)
{
	enum exit_status status = warn(d);
	bool utf8 = term_utf8();
	int err;

	if (status)
		return status;
	say_sides(d, utf8);
	printf("\n");
	err = print_table(d, utf8);
	if (err)
		return err;
	printf("\n");
	say_verdict(d);
	return 0;
}

/* ---- For machines ---- */

static json_t *measures_object(const struct compare_sum *sum)
{
	json_t *object = json_object();

	for (int m = 0; object && m < COMPARE_MEASURES; m++)
		json_object_set_new(object, m == COMPARE_ACCEPTED ? "accepted_s" : compare_names[m],
				    m == COMPARE_BUSY && !sum->marks ? json_null()
								     : json_real(sum->value[m]));
	return object;
}

static json_t *sum_object(const struct compare_sum *sum)
{
	const uint64_t *counter = sum->counter;
	json_t *object;

	if (!sum->watched_ns)
		return json_null();
	object = json_pack("{s:I,s:f,s:b,s:I,s:I,s:I,s:I,s:o}", "instances",
			   (json_int_t)sum->instances, "watched_s", (double)sum->watched_ns / 1e9,
			   "partly", sum->partly, "accepted", (json_int_t)counter[COUNTER_ACCEPTED],
			   "rejections", (json_int_t)counter[COUNTER_SEND], "episodes",
			   (json_int_t)counter[COUNTER_SEND_EPISODES], "blocked_episodes",
			   (json_int_t)counter[COUNTER_RECEIVE_EPISODES], "mean_ms",
			   mean_ns(sum) ? json_real((double)mean_ns(sum) / 1e6) : json_null());
	if (object && json_object_update_new(object, measures_object(sum))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *step_object(const struct compare_step *step)
{
	json_t *differs = json_object();

	for (int m = 0; differs && m < COMPARE_MEASURES; m++)
		json_object_set_new(differs, compare_names[m], json_integer(step->differs[m]));
	return json_pack("{s:o,s:[o,o],s:o}", "step", json_text(step->name, PUSHBACK_NAME_SIZE),
			 "sides", sum_object(&step->side[0]), sum_object(&step->side[1]), "differs",
			 differs);
}

static json_t *steps_array(const struct diff_said *d)
{
	json_t *steps = json_array();

	for (size_t i = 0; steps && i < d->count; i++)
		if (json_array_append_new(steps, step_object(&d->steps[i]))) {
			json_decref(steps);
			return NULL;
		}
	return steps;
}

static json_t *side_object(const struct diff_said *d, int side)
{
	return json_pack("{s:o,s:I}", "side", json_text(d->operands[side], 4096), "processes",
			 (json_int_t)sides_processes(d->sides, side));
}

static json_t *most_object(const struct diff_said *d, int side)
{
	enum compare_measure measure;
	const struct compare_step *most = compare_most(d->steps, d->count, side, &measure);

	if (!most)
		return json_null();
	return json_pack("{s:o,s:s}", "step", json_text(most->name, PUSHBACK_NAME_SIZE), "measure",
			 compare_names[measure]);
}

int diff_say_json(const struct diff_said *d)
{
	struct sides_left_out left = sides_left_out(d->sides);
	enum exit_status status = warn(d);
	int err = json_line(
		stdout, json_pack("{s:f,s:o,s:{s:I,s:I,s:I},s:[o,o],s:o,s:[o,o]}", "seconds",
				  (double)d->span->lasted / 1e9, "lost", span_lost(d->span),
				  "left_out", "undecided", (json_int_t)left.undecided, "both",
				  (json_int_t)left.both, "neither", (json_int_t)left.neither,
				  "sides", side_object(d, 0), side_object(d, 1), "steps",
				  steps_array(d), "most", most_object(d, 0), most_object(d, 1)));

	return err ? err : (int)status;
}
