/* SPDX-License-Identifier: MIT */
/* cmd_top.c - `pushback top`: a live table of steps, and which one is at fault */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "doctor_process.h"
#include "msg.h"
#include "term.h"
#include "top_json.h"
#include "top_out.h"
#include "top_plain.h"
#include "top_screen.h"

struct settings {
	struct agent_settings agent;
	bool json;
};

#define SECOND_NS 1000000000u
/*
 * Shares are of a second, and beside another observer a step may be known up to 1.5 s late, by its
 * heartbeat.
 */
#define ONCE_LEAST_NS 2500000000u
#define ONCE_LOOKS_NS 250000000u

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	AGENT_OPTIONS_INTERVAL("refresh every TIME (1s); at least 100ms"),
	AGENT_OPTIONS_ONCE("wait one interval (at least 2.5s), print a table, exit"),
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object per line, per step and refresh" },
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

/* Each process has series of its own. */
static const char *const tag_from[] = { "pid", NULL };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ---- The terminal ---- */

static bool can_move_cursor(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

static bool wants_color(void)
{
	const char *no_color = getenv("NO_COLOR");

	return !no_color || !*no_color;
}

/* ---- Running ---- */

static char state_of(uint32_t tgid)
{
	struct doctor_process process;

	return doctor_process_read((pid_t)tgid, &process) ? 0 : process.state;
}

static uint64_t once_ns(const struct settings *s)
{
	return s->agent.interval_ns < ONCE_LEAST_NS ? ONCE_LEAST_NS : s->agent.interval_ns;
}

static void resolve_interval(const struct settings *s, struct agent_options *options)
{
	bool asked = options->interval_ns;

	if (!asked)
		options->interval_ns = SECOND_NS;
	if (!s->agent.once)
		return;
	if (asked && options->interval_ns < ONCE_LEAST_NS)
		msg_info("--once waits 2.5s: shares are of a second, and beside another observer a "
			 "step may be known 1.5s late");
	options->interval_ns = once_ns(s);
}

static struct sink *new_plain(const struct settings *s, struct top_out *out, bool utf8)
{
	struct top_plain_options plain = { .out = out,
					   .width = term_width(),
					   .utf8 = utf8,
					   .once_ns = s->agent.once ? once_ns(s) : 0,
					   .process = state_of };

	return top_plain_new(&plain, now_ns());
}

static struct sink *new_sink(const struct settings *s, struct top_out *out)
{
	struct top_screen_options screen = {
		.in = stdin, .out = out, .color = wants_color(), .process = state_of
	};
	struct sink *sink;

	if (s->json) {
		term_write_utf8();
		return top_json_new(out, state_of);
	}
	screen.utf8 = term_utf8();
	if (s->agent.once || !can_move_cursor())
		return new_plain(s, out, screen.utf8);
	sink = top_screen_new(&screen, now_ns());
	return sink ? sink : new_plain(s, out, screen.utf8);
}

static enum exit_status show(struct agent *agent, const struct settings *s, struct top_out *out,
			     char *why)
{
	struct sink *sink = new_sink(s, out);
	enum exit_status status;

	if (!sink) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	status = agent_run(agent, &sink, 1, why);
	/* First of all: to let go of many files takes a while. */
	sink->ops->free(sink);
	return status;
}

/*
 * What the reader has not taken yet. It is waited for with nothing attached and signals as they are
 * usually, but not after a signal, except that it may be busy.
 */
static int write_rest(struct top_out *out, bool stopped)
{
	if (stopped) {
		top_out_linger(out);
		if (top_out_waits(out))
			msg_info("the output is stuck: its end is left out");
	} else {
		agent_settings_release();
		top_out_finish(out);
	}
	return top_out_error(out);
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	return agent_settings_check(&s->agent, why, why_size);
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options options = agent_settings_options(&s->agent);
	uint64_t *began = agent_settings_began(&s->agent);
	struct top_out *out = top_out_new(STDOUT_FILENO);
	char why[ATTACH_WHY_SIZE] = "out of memory";
	struct agent *agent = NULL;
	enum exit_status status = EXIT_FAILED;
	bool stopped = false;
	int err = 0;

	msg_set_verbose(s->agent.verbose);
	options.tag_from = tag_from;
	options.find_silent = true;
	resolve_interval(s, &options);
	/* A table looks again and again, and shows what it saw last of a consumer that ends meanwhile. */
	if (options.once && !s->json) {
		options.once = false;
		options.interval_ns = ONCE_LOOKS_NS;
	}
	agent_settings_prepare(true);
	if (began && out)
		status = agent_new(&agent, &options, why);
	if (agent) {
		status = show(agent, s, out, why);
		stopped = agent_was_stopped(agent);
		agent_free(agent);
	}
	if (status) {
		msg_error("%s", why);
	} else {
		err = write_rest(out, stopped);
		agent_settings_say_ended(&s->agent, began);
	}
	top_out_free(out);
	free(began);
	return status ? (int)status : err;
}

static int run(int argc, char **argv)
{
	struct settings s = { .agent.interval_ns = 0 };

	return cmd_start(&verb_top, argc, argv, &s, check, start);
}

const struct verb verb_top = {
	.name = "top",
	.summary = "a live table of steps, and which one is at fault",
	.text = "A row per step, grouped by consumer in pipeline order: what it does, since when,\n"
		"how much of the last second it was refusing or blocked, and how much of that is\n"
		"its own (SELF%). The step with nearly all of it is the bottleneck, and named at\n"
		"the top. Keys are listed at the bottom; h explains them and the columns. Into a\n"
		"pipe, or with TERM=dumb, tables follow each other as plain lines.\n"
		"\n"
		"  pushback top                              every consumer of this host\n"
		"  pushback top --pid 4711                   one process, until it ends\n"
		"  pushback top --once                       one table, for a ticket\n"
		"  pushback top --json --once | jq 'select(.at_fault)'\n"
		"\n" TOP_JSON_HELP,
	.options = options,
	.run = run,
};
