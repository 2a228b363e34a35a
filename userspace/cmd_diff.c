/* SPDX-License-Identifier: MIT */
/* cmd_diff.c - `pushback diff`: two processes, or two builds, of one consumer side by side */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "cmd.h"
#include "compare.h"
#include "cmd_diff_say.h"
#include "msg.h"
#include "sides.h"
#include "span.h"

struct settings {
	struct agent_settings agent;
	struct option_list operands;
	bool json;
};

#define FOR_NS 30000000000u

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option operands = {
	.value = "SIDE...", .kind = OPTION_LIST, .offset = AT(operands), .filled = true,
	.help = "two PIDs, or two executables or libraries: all\n"
		"processes that run that file; ./4711 is a file",
};

static const struct option options[] = {
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(agent.interval_ns),
	  .least = SPAN_LEAST_NS, .help = "watch for TIME (30s); at least 2.5s" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object: seconds, lost (by reason), left_out, sides\n"
		  "(side, processes), steps (step, sides, differs), most\n"
		  "(of each side step and measure, or null)" },
	AGENT_OPTIONS_HOW,
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

/* ---- Watching ---- */

struct diff {
	struct span span;
	struct sides *sides;
	struct compare *compare;
	uint64_t span_ns;
	size_t part; /* that is not over */
};

static int take(struct diff *d, const struct record *record, size_t level, uint64_t now)
{
	int side = sides_of(d->sides, record);

	if (side < 0)
		return side == SIDES_NEITHER ? 0 : side;
	return compare_record(d->compare, side, record, level, now);
}

static int look(void *context, const struct model *m, uint64_t now)
{
	struct diff *d = context;
	size_t count;
	const struct step_view *steps = model_steps(m, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = take(d, steps[i].record, steps[i].level, now);
	if (d->part < COMPARE_PARTS &&
	    now - d->span.began >= d->span_ns / COMPARE_PARTS * (d->part + 1))
		compare_part(d->compare, d->part++);
	return err;
}

static int ended(void *context, const struct record *record, uint64_t now)
{
	return take(context, record, COMPARE_LEVEL_SAME, now);
}

static const struct span_ops ops = { .look = look, .ended = ended };

/* ---- The verb ---- */

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;
	const char *const *sides = s->operands.items;

	if (s->operands.count != SIDES) {
		snprintf(why, why_size, "give two sides: two PIDs, or two files");
		return -EINVAL;
	}
	if (sides_is_pid(sides[0]) != sides_is_pid(sides[1])) {
		snprintf(why, why_size,
			 "'%s' is a process and '%s' a file: give two PIDs, or two files",
			 sides[sides_is_pid(sides[1])], sides[sides_is_pid(sides[0])]);
		return -EINVAL;
	}
	return agent_settings_check(&s->agent, why, why_size);
}

static int judge(const struct settings *s, struct diff *d, const uint64_t *began)
{
	struct diff_said said = { .operands = s->operands.items,
				  .span = &d->span,
				  .sides = d->sides };

	if (!d->span.done) {
		msg_error("ended before its time: nothing is compared");
		agent_settings_say_ended(&s->agent, began);
		return EXIT_FAILED;
	}
	if (d->span.err)
		return d->span.err;
	said.steps = compare_steps(d->compare, &said.count);
	if (said.count && !said.steps)
		return -ENOMEM;
	span_warn(&d->span);
	return s->json ? diff_say_json(&said) : diff_say_text(&said);
}

/* What the operands are to the agent. */
static int set_targets(struct settings *s, int pids[SIDES])
{
	int err = 0;

	if (!sides_is_pid(s->operands.items[0])) {
		s->agent.paths = s->operands;
		return 0;
	}
	for (int side = 0; !err && side < SIDES; side++)
		err = opts_pid(s->operands.items[side], &pids[side]);
	s->agent.pids = (struct option_pids){ pids, SIDES };
	return err;
}

static int start(const void *settings)
{
	struct settings s = *(const struct settings *)settings;
	struct diff d = { .span_ns = s.agent.interval_ns, .compare = compare_new() };
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	uint64_t *began = NULL;
	int pids[SIDES], result, err;

	msg_set_verbose(s.agent.verbose);
	err = sides_new(&d.sides, s.operands.items, why, sizeof(why));
	if (!err)
		set_targets(&s, pids);
	if (!err)
		began = agent_settings_began(&s.agent);
	if (err == -EINVAL)
		status = EXIT_USAGE;
	if (began && d.compare) {
		agent_settings_prepare(true);
		status = span_watch(&d.span, &ops, &d, &s.agent, why);
	}
	if (status)
		msg_error("%s", why);
	result = status ? (int)status : judge(&s, &d, began);
	free(began);
	compare_free(d.compare);
	sides_free(d.sides);
	return result;
}

static int run(int argc, char **argv)
{
	struct settings s = { .agent = { .interval_ns = FOR_NS } };

	return cmd_start(&verb_diff, argc, argv, &s, check, start);
}

const struct verb verb_diff = {
	.name = "diff",
	.summary = "two processes, or two builds, of one consumer side by side",
	.text = "Watches both for a while and shows each step on both sides: what an instance\n"
		"accepts a second, and how much of its time it refuses, by its own fault (self),\n"
		"is blocked, and is busy. They are told to differ only where, of ten parts of the "
		"time, "
		"all\n"
		"of the one side are above all of the other, by 1% of the time or 5% of what is\n"
		"accepted at least.\n"
		"\n"
		"  pushback diff 4711 4712\n"
		"  pushback diff --for 5m /usr/bin/ingest /usr/bin/ingest.new\n",
	.options = options,
	.operands = &operands,
	.run = run,
};
