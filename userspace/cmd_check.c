/* SPDX-License-Identifier: MIT */
/* cmd_check.c - `pushback check`: whether a consumer stays within limits, as a gate for deploys */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "attach.h"
#include "cmd.h"
#include "gate.h"
#include "json_out.h"
#include "msg.h"
#include "span.h"

struct settings {
	struct agent_settings agent;
	struct option_list limits[GATE_KINDS];
	bool json;
};

#define FOR_NS 60000000000u

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(agent.interval_ns),
	  .least = SPAN_LEAST_NS, .help = "watch for TIME (60s); at least 2.5s" },
	{ .name = "max-self", .value = "STEP=N%", .kind = OPTION_LIST, .filled = true,
	  .offset = AT(limits[GATE_SELF]),
	  .help = "of the time that a step refuses what is submitted and is\n"
		  "not blocked itself: its own fault; STEP may have * and ?" },
	{ .name = "max-refusing", .value = "STEP=N%", .kind = OPTION_LIST, .filled = true,
	  .offset = AT(limits[GATE_REFUSING]), .help = "of the time that it refuses at all" },
	{ .name = "max-blocked", .value = "STEP=N%", .kind = OPTION_LIST, .filled = true,
	  .offset = AT(limits[GATE_BLOCKED]),
	  .help = "of the time that it is refused by what is behind it" },
	{ .name = "max-full", .value = "[NAME=]N%", .kind = OPTION_LIST, .filled = true,
	  .offset = AT(limits[GATE_FULL]),
	  .help = "of the time that a consumer takes nothing in; NAME of its\n"
		  "process may have * and ?" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object: broken, seconds, lost (by reason), limits\n"
		  "(limit, of, most, share, broken, partly, pid, process,\n"
		  "step, watched_s; share null: none was seen)" },
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

/* ---- Watching ---- */

static int look(void *context, const struct model *m, uint64_t now)
{
	struct gate *gate = context;
	size_t count, i;
	const struct consumer_view *consumers = model_consumers(m, &count);
	const struct step_view *steps;
	int err = 0;

	for (i = 0; !err && i < count; i++)
		err = gate_consumer(gate, &consumers[i], now);
	steps = model_steps(m, &count);
	for (i = 0; !err && i < count; i++)
		err = gate_step(gate, steps[i].record, now);
	return err;
}

static int ended(void *context, const struct record *record, uint64_t now)
{
	return gate_step(context, record, now);
}

static const struct span_ops ops = { .look = look, .ended = ended };

/* ---- The limits ---- */

/* 0, -EINVAL with one line in `why`, or -ENOMEM. */
static int set_limits(struct gate *gate, const struct settings *s, char *why, size_t why_size)
{
	int err = 0;

	for (int kind = 0; kind < GATE_KINDS; kind++)
		for (size_t i = 0; !err && i < s->limits[kind].count; i++)
			err = gate_limit(gate, (enum gate_kind)kind, s->limits[kind].items[i], why,
					 why_size);
	return err;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;
	struct gate *gate;
	int err;

	if (!s->limits[GATE_SELF].count && !s->limits[GATE_REFUSING].count &&
	    !s->limits[GATE_BLOCKED].count && !s->limits[GATE_FULL].count) {
		snprintf(why, why_size,
			 "give a limit, as --max-full 5%% or --max-self 'sink=20%%'");
		return -EINVAL;
	}
	gate = gate_new();
	err = gate ? set_limits(gate, s, why, why_size) : -ENOMEM;
	gate_free(gate);
	return err ? err : agent_settings_check(&s->agent, why, why_size);
}

/* ---- What came of it ---- */

/* Also where it was whole at first, and then not at all. */
static bool was_partly(const struct span *span, const struct gate_result *r)
{
	uint64_t end = span->began + span->lasted;

	return r->partly ||
	       (span->partly && r->first < end && r->watched_ns < (end - r->first) / 10 * 9);
}

static void describe(const struct span *span, const struct gate_result *r, char text[512])
{
	char process[32], step[PUSHBACK_NAME_SIZE + 8], who[256];

	msg_safe(process, sizeof(process), r->process);
	if (r->step)
		snprintf(who, sizeof(who), "%s of %s (%d)",
			 msg_safe(step, sizeof(step), *r->step ? r->step : "(no name)"), process,
			 r->pid);
	else
		snprintf(who, sizeof(who), "%s (%d)", process, r->pid);
	snprintf(text, 512, "%s: %s %.1f%% of %.1f s, %s %g%%%s", who, gate_names[r->kind],
		 r->share * 100, (double)r->watched_ns / 1e9, r->broken ? "more than" : "at most",
		 r->most * 100, was_partly(span, r) ? " (watched:partly, by --budget)" : "");
}

/* An exit status or -errno. */
static int say_text(const struct span *span, struct gate *gate)
{
	enum exit_status status = EXIT_DONE;
	const struct gate_result *r;

	for (size_t i = 0; (r = gate_judge(gate, i)); i++) {
		char text[512], safe[256];

		if (r->err)
			return r->err;
		if (!r->seen) {
			msg_error("no %s '%s' was seen, or it made no return: a limit of what is "
				  "not there holds nothing back; see pushback top --once",
				  r->kind == GATE_FULL ? "consumer" : "step",
				  msg_safe(safe, sizeof(safe), r->glob));
			status = EXIT_FAILED;
			continue;
		}
		describe(span, r, text);
		printf("%s  %s\n", r->broken ? "broken" : "ok    ", text);
		if (r->broken && !status)
			status = EXIT_BROKEN;
	}
	return status;
}

static json_t *limit_object(const struct span *span, const struct gate_result *r)
{
	if (!r->seen)
		return json_pack("{s:s,s:o,s:f,s:n,s:b,s:n,s:n,s:n,s:n,s:n}", "limit",
				 gate_names[r->kind], "of", json_text(r->glob, 256), "most",
				 r->most, "share", "broken", 0, "partly", "pid", "process", "step",
				 "watched_s");
	return json_pack("{s:s,s:o,s:f,s:f,s:b,s:b,s:i,s:o,s:o,s:f}", "limit", gate_names[r->kind],
			 "of", json_text(r->glob, 256), "most", r->most, "share", r->share,
			 "broken", r->broken, "partly", was_partly(span, r), "pid", r->pid,
			 "process", json_text(r->process, 16), "step",
			 r->step ? json_text(r->step, PUSHBACK_NAME_SIZE) : json_null(),
			 "watched_s", (double)r->watched_ns / 1e9);
}

/* An exit status or -errno. */
static int say_json(const struct span *span, struct gate *gate)
{
	enum exit_status status = EXIT_DONE;
	const struct gate_result *r;
	json_t *limits = json_array();
	bool broken = false;
	int err;

	for (size_t i = 0; (r = gate_judge(gate, i)); i++) {
		if (r->err) {
			json_decref(limits);
			return r->err;
		}
		if (!r->seen)
			status = EXIT_FAILED;
		broken |= r->broken;
		if (json_array_append_new(limits, limit_object(span, r))) {
			json_decref(limits);
			limits = NULL;
		}
	}
	err = json_line(stdout, json_pack("{s:b,s:f,s:o,s:o}", "broken", broken, "seconds",
					  (double)span->lasted / 1e9, "limits", limits, "lost",
					  span_lost(span)));
	if (err)
		return err;
	return status ? status : broken ? EXIT_BROKEN : EXIT_DONE;
}

static int judge(const struct settings *s, const struct span *span, struct gate *gate,
		 const uint64_t *began)
{
	if (!span->done) {
		msg_error("ended before its time: nothing is judged");
		agent_settings_say_ended(&s->agent, began);
		return EXIT_FAILED;
	}
	if (span->err)
		return span->err;
	span_warn(span);
	return s->json ? say_json(span, gate) : say_text(span, gate);
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct gate *gate = gate_new();
	uint64_t *began = agent_settings_began(&s->agent);
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	struct span span;
	int result;

	msg_set_verbose(s->agent.verbose);
	agent_settings_prepare(true);
	if (began && gate && !set_limits(gate, s, why, sizeof(why)))
		status = span_watch(&span, &ops, gate, &s->agent, why);
	if (status)
		msg_error("%s", why);
	result = status ? (int)status : judge(s, &span, gate, began);
	free(began);
	gate_free(gate);
	return result;
}

static int run(int argc, char **argv)
{
	struct settings s = { .agent = { .interval_ns = FOR_NS } };

	return cmd_start(&verb_check, argc, argv, &s, check, start);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "whether a consumer stays within limits: a gate for deploys",
	.text = "Watches for a while and holds what was seen against limits: of each limit the\n"
		"step or consumer that had most of it, of all that it is for. Exit status: 0 all\n"
		"hold; 4 one is broken, and a line says which; 1 nothing can be said, as when no\n"
		"step of that name was seen, or it was stopped before its time.\n"
		"\n"
		"  pushback check --path /usr/bin/ingest --for 60s --max-self 'sink=20%'\n"
		"  pushback check --pid 4711 --for 5m --max-full 5% --max-self '*=50%'\n",
	.options = options,
	.run = run,
};
