/* SPDX-License-Identifier: MIT */
/* cmd_check.c - `pushback check`: whether a consumer stays within limits, as a gate for deploys */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "gate.h"
#include "json_out.h"
#include "msg.h"
#include "top_words.h"

struct settings {
	struct agent_settings agent;
	struct option_list limits[GATE_KINDS];
	bool json;
};

/* Beside another observer a step may be known up to 1.5 s late, by its heartbeat. */
#define FOR_LEAST_NS 2500000000u
#define FOR_NS       60000000000u
#define LOOKS_NS     250000000u

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(agent.interval_ns),
	  .least = FOR_LEAST_NS, .help = "watch for TIME (60s); at least 2.5s" },
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

/* A sink that sends nothing: it judges at the end. */
struct check_sink {
	struct sink sink;
	struct gate *gate;
	uint64_t began, until; /* on the monotonic clock */
	uint64_t lasted;
	struct agent_stats stats; /* for what it has lost */
	bool partly;              /* something was, by --budget */
	bool done;
	int err;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Watching ---- */

static void note(struct check_sink *c, int err)
{
	if (err)
		c->err = err;
}

static void look(struct check_sink *c, const struct model *m, uint64_t now)
{
	size_t count, i;
	const struct consumer_view *consumers = model_consumers(m, &count);
	const struct step_view *steps;

	for (i = 0; i < count; i++)
		note(c, gate_consumer(c->gate, &consumers[i], now));
	steps = model_steps(m, &count);
	for (i = 0; i < count; i++)
		note(c, gate_step(c->gate, steps[i].record, now));
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct check_sink *c = (struct check_sink *)sink;

	(void)last;
	look(c, m, now);
	c->stats = *stats;
	c->partly |= stats->files_partly;
	c->done |= now >= c->until;
	c->lasted = now - c->began;
}

/* What is watched partly is gone then, and may be at the end. */
static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	look((struct check_sink *)sink, m, now);
}

static void ended(struct sink *sink, const struct record *record)
{
	struct check_sink *c = (struct check_sink *)sink;

	note(c, gate_step(c->gate, record, now_ns()));
}

static bool is_done(const struct sink *sink)
{
	return ((const struct check_sink *)sink)->done;
}

static void stay(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops ops = { .name = "check",
				     .flush = flush,
				     .pausing = pausing,
				     .ended = ended,
				     .done = is_done,
				     .free = stay };

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
static bool was_partly(const struct check_sink *c, const struct gate_result *r)
{
	uint64_t end = c->began + c->lasted;

	return r->partly ||
	       (c->partly && r->first < end && r->watched_ns < (end - r->first) / 10 * 9);
}

static void describe(const struct check_sink *c, const struct gate_result *r, char text[512])
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
		 r->most * 100, was_partly(c, r) ? " (watched:partly, by --budget)" : "");
}

/* An exit status or -errno. */
static int say_text(const struct check_sink *c)
{
	struct gate *gate = c->gate;
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
		describe(c, r, text);
		printf("%s  %s\n", r->broken ? "broken" : "ok    ", text);
		if (r->broken && !status)
			status = EXIT_BROKEN;
	}
	return status;
}

static json_t *lost_object(const struct agent_stats *stats)
{
	json_t *object = json_object();

	for (size_t i = 0; object && stats->lost[i].reason; i++)
		if (stats->lost[i].count)
			json_object_set_new(object, stats->lost[i].reason,
					    json_integer((json_int_t)stats->lost[i].count));
	return object;
}

static json_t *limit_object(const struct check_sink *c, const struct gate_result *r)
{
	if (!r->seen)
		return json_pack("{s:s,s:o,s:f,s:n,s:b,s:n,s:n,s:n,s:n,s:n}", "limit",
				 gate_names[r->kind], "of", json_text(r->glob, 256), "most",
				 r->most, "share", "broken", 0, "partly", "pid", "process", "step",
				 "watched_s");
	return json_pack("{s:s,s:o,s:f,s:f,s:b,s:b,s:i,s:o,s:o,s:f}", "limit", gate_names[r->kind],
			 "of", json_text(r->glob, 256), "most", r->most, "share", r->share,
			 "broken", r->broken, "partly", was_partly(c, r), "pid", r->pid, "process",
			 json_text(r->process, 16), "step",
			 r->step ? json_text(r->step, PUSHBACK_NAME_SIZE) : json_null(),
			 "watched_s", (double)r->watched_ns / 1e9);
}

/* An exit status or -errno. */
static int say_json(const struct check_sink *c)
{
	struct gate *gate = c->gate;
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
		if (json_array_append_new(limits, limit_object(c, r))) {
			json_decref(limits);
			limits = NULL;
		}
	}
	err = json_line(stdout, json_pack("{s:b,s:f,s:o,s:o}", "broken", broken, "seconds",
					  (double)c->lasted / 1e9, "limits", limits, "lost",
					  lost_object(&c->stats)));
	if (err)
		return err;
	return status ? status : broken ? EXIT_BROKEN : EXIT_DONE;
}

static int judge(const struct settings *s, struct check_sink *c, const uint64_t *began)
{
	char lost[256];

	if (!c->done) {
		msg_error("ended before its time: nothing is judged");
		agent_settings_say_ended(&s->agent, began);
		return EXIT_FAILED;
	}
	if (c->err)
		return c->err;
	top_words_lost(&c->stats, lost, sizeof(lost));
	if (*lost)
		msg_warn("%s", lost);
	return s->json ? say_json(c) : say_text(c);
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options agent_options = agent_settings_options(&s->agent);
	struct check_sink c = { .sink.ops = &ops, .gate = gate_new() };
	uint64_t *began = agent_settings_began(&s->agent);
	struct sink *sink = &c.sink;
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	struct agent *agent = NULL;
	int result;

	agent_options.interval_ns = LOOKS_NS;
	msg_set_verbose(s->agent.verbose);
	agent_settings_prepare(true);
	if (began && c.gate && !set_limits(c.gate, s, why, sizeof(why)))
		status = agent_new(&agent, &agent_options, why);
	if (agent) {
		c.began = now_ns();
		c.until = c.began + s->agent.interval_ns;
		status = agent_run(agent, &sink, 1, why);
	}
	agent_free(agent);
	agent_settings_release();
	if (status)
		msg_error("%s", why);
	result = status ? (int)status : judge(s, &c, began);
	free(began);
	gate_free(c.gate);
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
