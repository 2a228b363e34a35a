/* SPDX-License-Identifier: MIT */
/* cmd_report.c - `pushback report`: a page about what happened, from the recorder of an agent or from now */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "msg.h"
#include "report.h"
#include "report_page.h"
#include "sink_record.h"
#include "term.h"

#define LAST_NS    1800000000000ull
#define LAST_LEAST 1000000000u
#define WAIT_MS    5000
/* Beside another observer a step may be known up to 1.5 s late, by its heartbeat. */
#define WATCH_LEAST 2500000000u
#define LINE_SIZE   4608 /* a path, and what is wrong with it */

struct settings {
	struct agent_settings agent; /* its interval is the duration; 0: from an agent that runs */
	uint64_t last_ns;            /* 0: not given */
	const char *socket;
	const char *output;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	{ .name = "output", .value = "FILE", .kind = OPTION_TEXT, .letter = 'o', .offset = AT(output),
	  .filled = true,
	  .help = "the page; - is standard output" },
	{ .name = "last", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(last_ns),
	  .least = LAST_LEAST,
	  .help = "of the last TIME (30m), as the agent that runs has\n"
		  "recorded it: at most an hour" },
	{ .name = "socket", .value = "PATH", .kind = OPTION_TEXT, .offset = AT(socket), .filled = true,
	  .help = "ask the agent that was given this one\n"
		  "(" STATUS_SOCKET ")" },
	{ .name = "duration", .value = "TIME", .kind = OPTION_DURATION,
	  .offset = AT(agent.interval_ns), .least = WATCH_LEAST,
	  .help = "watch now, for TIME, without an agent: at least 2.5s, and\n"
		  "only with it what follows" },
	AGENT_OPTIONS_TARGETS,
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

static int wrong(char *why, size_t why_size, const char *text)
{
	snprintf(why, why_size, "%s", text);
	return -EINVAL;
}

static bool has_targets(const struct agent_settings *a)
{
	return a->pids.count || a->paths.count || a->all || a->match_names.count ||
	       a->match_cgroups.count || a->excludes.count || a->recipe_files.count ||
	       a->budget > 0;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (!s->output)
		return wrong(why, why_size, "say where the page goes: -o FILE");
	if (s->agent.interval_ns && s->last_ns)
		return wrong(why, why_size,
			     "--last asks an agent, --duration watches now: give one of them");
	if (s->agent.interval_ns && s->socket)
		return wrong(why, why_size, "--socket is for --last: leave it out");
	if (!s->agent.interval_ns && has_targets(&s->agent))
		return wrong(why, why_size,
			     "an agent's record is of all that it watches: --pid, --path and the "
			     "like are for --duration");
	return agent_settings_check(&s->agent, why, why_size);
}

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- What is written ---- */

static int write_page(const struct settings *s, struct report_page *page,
		      const struct recorder *recorder, json_t *agent, const char *note)
{
	const struct report_options report = {
		.recorder = recorder,
		.agent = agent,
		.last_s = s->agent.interval_ns ? 0
					       : (s->last_ns ? s->last_ns : LAST_NS) / 1000000000u,
		.offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
		.note = note,
	};
	char why[LINE_SIZE], line[LINE_SIZE], *text;
	int err = report_text(&report, &text);

	if (err == -ENODATA) {
		msg_error("no step returned in that time, so there is nothing to report: not "
			  "running, or idle? see pushback list");
		return EXIT_FAILED;
	}
	if (err)
		return err;
	err = report_page_write(page, text, why, sizeof(why));
	free(text);
	if (!err || (err == -EPIPE && !strcmp(s->output, "-")))
		return EXIT_DONE;
	msg_error("%s", msg_safe(line, sizeof(line), why));
	return EXIT_FAILED;
}

/* ---- From an agent that runs ---- */

static bool is_there(const char *path)
{
	char *answer;
	int pid, err = status_ask(path, WAIT_MS, &answer, &pid);

	free(answer);
	return !err;
}

static int say_unasked(const char *path, int err, int pid)
{
	char safe[STATUS_PATH_SIZE];

	msg_safe(safe, sizeof(safe), path);
	if (err == -EACCES || err == -EPERM)
		msg_error("%s: not allowed: run as root", safe);
	else if ((err == -ENOENT || err == -ECONNREFUSED) && is_there(path))
		msg_error("%s: this agent does not record: start it without --record off, or watch "
			  "now: pushback report --duration 60s",
			  safe);
	else if (err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR)
		msg_error("%s: no agent listens there: start pushback run before the next time, or "
			  "watch now: pushback report --duration 60s",
			  safe);
	else if (err == -ENAMETOOLONG)
		msg_error("%s: a socket's path has at most 107 bytes, with " SINK_RECORD_SUFFIX
			  " behind it",
			  safe);
	else if (err == -ETIMEDOUT)
		msg_error("%s: process %d does not answer within %d s: is it stopped?", safe, pid,
			  WAIT_MS / 1000);
	else if (err == -EPROTO || err == -EBADMSG || err == -EPROTOTYPE)
		msg_error("%s: that is no record of this version: is the agent another one?", safe);
	else
		msg_error("%s: %s", safe, strerror(-err));
	return err == -EACCES || err == -EPERM ? EXIT_HOST : EXIT_FAILED;
}

static int report_last(const struct settings *s, struct report_page *page)
{
	const char *path = s->socket ? s->socket : STATUS_SOCKET;
	struct recorder *recorder;
	json_t *agent;
	int pid, result, err = sink_record_ask(path, WAIT_MS, &recorder, &agent, &pid);

	if (err == -ENOMEM)
		return err;
	if (err)
		return say_unasked(path, err, pid);
	result = write_page(s, page, recorder, agent, NULL);
	json_decref(agent);
	recorder_free(recorder);
	return result;
}

/* ---- From now on ---- */

/* Processes have series of their own, so that durations are those of one. */
static const char *const tag_from[] = { "pid", NULL };

static int report_sink(const struct settings *s, struct report_page *page,
		       const struct agent *agent, const struct sink *sink)
{
	json_t *status = sink_record_status(sink);
	char note[128];
	int result;

	if (!status)
		return -ENOMEM;
	snprintf(note, sizeof(note), "It was ended before its time, of %g s.",
		 (double)s->agent.interval_ns / 1e9);
	result = write_page(s, page, sink_record_recorder(sink), status,
			    agent_was_stopped(agent) ? note : NULL);
	json_decref(status);
	return result;
}

static int report_now(const struct settings *s, struct report_page *page)
{
	struct agent_options agent_options = agent_settings_options(&s->agent);
	struct sink *sink = sink_record_new(s->agent.interval_ns);
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	struct agent *agent = NULL;
	int result;

	msg_set_verbose(s->agent.verbose);
	agent_options.once = true;
	agent_options.tag_from = tag_from;
	agent_options.find_silent = true;
	if (sink)
		status = agent_new(&agent, &agent_options, why);
	if (agent)
		status = agent_run(agent, &sink, 1, why);
	if (status)
		msg_error("%s", why);
	result = status ? (int)status : report_sink(s, page, agent, sink);
	agent_free(agent);
	if (sink)
		sink->ops->free(sink);
	return result;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	char why[LINE_SIZE], line[LINE_SIZE];
	struct report_page *page;
	int result;

	/* Until the page is whole no signal ends it. */
	agent_settings_prepare(true);
	if (report_page_open(&page, s->output, why, sizeof(why))) {
		msg_error("%s", msg_safe(line, sizeof(line), why));
		return EXIT_FAILED;
	}
	term_write_utf8();
	result = s->agent.interval_ns ? report_now(s, page) : report_last(s, page);
	report_page_free(page);
	agent_settings_release();
	return result;
}

static int run(int argc, char **argv)
{
	struct settings s = { 0 };

	return cmd_start(&verb_report, argc, argv, &s, check, start);
}

const struct verb verb_report = {
	.name = "report",
	.summary = "a page about the last half hour, or about a minute from now on",
	.text = "Writes one HTML page, for an incident: the verdict in words, the pipeline, what\n"
		"each step did second by second, how long episodes lasted, and the numbers. It\n"
		"loads nothing from anywhere. After the incident it asks the agent (pushback "
		"run),\n"
		"which keeps the last hour; without one --duration watches now.\n"
		"\n"
		"  pushback report --last 30m -o incident.html\n"
		"  pushback report --duration 60s --pid 4711 -o now.html\n",
	.options = options,
	.run = run,
};
