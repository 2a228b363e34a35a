/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `pushback run`: watch, and send what is seen to statsd */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "msg.h"
#include "notify.h"
#include "sink_statsd.h"

struct settings {
	struct agent_settings agent;
	const char *statsd;
	const char *prefix;
	struct option_list tags;
	struct option_list tag_from;
	int format;
	int histogram;
};

static const char *const formats[] = { "dogstatsd", "statsd", "summary", NULL };
static const char *const histograms[] = { "d", "h", "ms", NULL };

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	AGENT_OPTIONS_INTERVAL("send every TIME (10s); at least 100ms"),
	AGENT_OPTIONS_ONCE("attach, wait one interval, send, exit"),
	{ .name = "statsd", .value = "ADDRESS", .kind = OPTION_TEXT, .offset = AT(statsd),
	  .help = "udp://HOST:PORT, unixgram:///PATH or unix:///PATH\n"
		  "(udp://127.0.0.1:8125)" },
	{ .name = "format", .value = "FORMAT", .kind = OPTION_CHOICE, .offset = AT(format),
	  .choices = formats,
	  .help = "dogstatsd (default), statsd (etsy: ms, no d or h), or\n"
		  "summary (durations as counters and gauges)" },
	{ .name = "histogram-type", .value = "TYPE", .kind = OPTION_CHOICE, .offset = AT(histogram),
	  .choices = histograms, .help = "of durations in dogstatsd: d (default), h or ms" },
	{ .name = "prefix", .value = "NAME", .kind = OPTION_TEXT, .offset = AT(prefix),
	  .help = "of metric names (streams.pipeline)" },
	{ .name = "tag", .value = "K:V", .kind = OPTION_LIST, .offset = AT(tags),
	  .help = "on every metric; may be given again" },
	{ .name = "tag-from", .value = "K=SOURCE", .kind = OPTION_LIST, .offset = AT(tag_from),
	  .help = "a tag per process, from env:NAME, argv:--OPTION,\n"
		  "container_id, pod_uid or pid; each value costs a series" },
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (s->histogram != STATSD_DISTRIBUTION && s->format != STATSD_DOGSTATSD) {
		snprintf(why, why_size, "--histogram-type is for --format dogstatsd only");
		return -EINVAL;
	}
	return agent_settings_check(&s->agent, why, why_size);
}

static enum exit_status watch_and_send(struct agent *agent, struct sink *sink,
				       const struct settings *s, char *why)
{
	enum exit_status status;
	char what[128];

	agent_describe(agent, what, sizeof(what));
	msg_info("watching %s, to %s every %gs", what, s->statsd,
		 (double)s->agent.interval_ns / 1e9);
	notify("READY=1");
	status = agent_run(agent, &sink, 1, why);
	notify("STOPPING=1");
	return status;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options options = agent_settings_options(&s->agent);
	struct statsd_options statsd = {
		.address = s->statsd,
		.prefix = s->prefix,
		.tags = s->tags.items,
		.format = (enum statsd_format)s->format,
		.histogram = (enum statsd_histogram)s->histogram,
	};
	char why[ATTACH_WHY_SIZE] = "";
	struct agent *agent = NULL;
	enum exit_status status;
	struct sink *sink;

	msg_set_verbose(s->agent.verbose);
	options.tag_from = s->tag_from.items;
	agent_settings_prepare(false);
	sink = sink_statsd_new(&statsd, why, sizeof(why));
	if (!sink) {
		msg_error("%s", why);
		return EXIT_USAGE;
	}
	status = agent_new(&agent, &options, why);
	if (!status)
		status = watch_and_send(agent, sink, s, why);
	if (status)
		msg_error("%s", why);
	agent_free(agent);
	sink->ops->free(sink);
	return status;
}

static int run(int argc, char **argv)
{
	struct settings s = {
		.agent.interval_ns = 10000000000u,
		.statsd = "udp://127.0.0.1:8125",
		.prefix = "streams.pipeline",
	};

	return cmd_start(&verb_run, argc, argv, &s, check, start);
}

const struct verb verb_run = {
	.name = "run",
	.summary = "watch consumers and send what is seen to statsd",
	.text = "Attaches to running consumers, counts their backpressure in the kernel, and "
		"sends\n"
		"counters and durations per step until SIGTERM. With --pid it ends when these\n"
		"processes have ended.\n"
		"\n"
		"  pushback run                              every consumer of this host\n"
		"  pushback run --pid 4711 --interval 1s     one process, every second\n"
		"  pushback run --path /usr/bin/consumer --tag env:prod\n"
		"  pushback run --all --tag-from service=env:DD_SERVICE\n",
	.options = options,
	.run = run,
};
