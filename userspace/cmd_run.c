/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `pushback run`: watch, and send what is seen to statsd or answer scrapes */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "msg.h"
#include "notify.h"
#include "pin_dir.h"
#include "sink_log.h"
#include "sink_openmetrics.h"
#include "sink_record.h"
#include "sink_statsd.h"
#include "status_socket.h"

#define STUCK_DEFAULT_NS 10000000000ull
#define STATSD_DEFAULT   "udp://127.0.0.1:8125"

struct settings {
	struct agent_settings agent;
	const char *statsd;      /* NULL: not to statsd */
	const char *openmetrics; /* NULL: no scrapes */
	const char *prefix;
	struct option_list tags;
	struct option_list tag_from;
	uint64_t log_ns;   /* 0: no log */
	uint64_t stuck_ns; /* 0: not given */
	bool events;
	const char *socket;
	bool pin;
	const char *pin_dir;
	int format;
	int histogram;
	int origin;
	int record;
};

static const char *const formats[] = { "dogstatsd", "statsd", "summary", NULL };
enum origin { ORIGIN_NONE, ORIGIN_CONTAINER };
static const char *const origins[] = { "none", "container", NULL };
enum recording { RECORDING_ON, RECORDING_OFF };
static const char *const records[] = { "on", "off", NULL };
static const char *const histograms[] = { "d", "h", "ms", NULL };

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	AGENT_OPTIONS_INTERVAL("send every TIME (10s); at least 100ms"),
	AGENT_OPTIONS_ONCE("attach, wait one interval, send, exit"),
	{ .name = "statsd", .value = "ADDRESS", .kind = OPTION_TEXT, .offset = AT(statsd),
	  .help = "udp://HOST:PORT, unixgram:///PATH or unix:///PATH\n"
		  "(" STATSD_DEFAULT "; with --openmetrics none)" },
	{ .name = "openmetrics", .value = "ADDR:PORT", .kind = OPTION_TEXT, .offset = AT(openmetrics),
	  .help = "answer scrapes of http://ADDR:PORT/metrics; a bare PORT\n"
		  "is one of 127.0.0.1" },
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
	{ .name = "origin", .value = "ORIGIN", .kind = OPTION_CHOICE, .offset = AT(origin),
	  .choices = origins,
	  .help = "container: send the watched process's container as\n"
		  "the origin (c:ID, dogstatsd); each costs a series" },
	{ .name = "log", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(log_ns),
	  .least = AGENT_INTERVAL_LEAST,
	  .help = "every TIME, at a send, a line on stderr for each step\n"
		  "that was in backpressure, and one as a step gets stuck" },
	{ .name = "stuck", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(stuck_ns),
	  .least = 1000000000,
	  .help = "with --log or --events: in backpressure most of the\n"
		  "time for TIME (10s)" },
	{ .name = "events", .kind = OPTION_FLAG, .offset = AT(events),
	  .help = "send an event as a step gets stuck, and as it is no\n"
		  "longer (dogstatsd)" },
	{ .name = "socket", .value = "PATH", .kind = OPTION_TEXT, .offset = AT(socket),
	  .filled = true,
	  .help = "where pushback status asks this agent, none: nowhere\n"
		  "(" STATUS_SOCKET ")" },
	{ .name = "record", .value = "WHETHER", .kind = OPTION_CHOICE, .offset = AT(record),
	  .choices = records,
	  .help = "keep the last hour of each step for pushback report, in\n"
		  "at most 12 MiB: on (default) or off" },
	{ .name = "pin", .kind = OPTION_FLAG, .offset = AT(pin),
	  .help = "keep probes and counts when this ends, for the next run\n"
		  "with --pin: a restart loses nothing, after a SIGKILL at\n"
		  "most one interval's differences are sent again; not\n"
		  "with --pid or --no-multi" },
	{ .name = "pin-dir", .value = "DIR", .kind = OPTION_TEXT, .offset = AT(pin_dir),
	  .help = "the same in this bpf file system (/sys/fs/bpf), which is\n"
		  "mounted where it is not" },
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
	if (s->openmetrics && !s->statsd &&
	    (s->format != STATSD_DOGSTATSD || s->histogram != STATSD_DISTRIBUTION ||
	     s->origin != ORIGIN_NONE)) {
		snprintf(why, why_size,
			 "--format, --histogram-type and --origin are for statsd: add --statsd "
			 "ADDRESS");
		return -EINVAL;
	}
	if (s->origin != ORIGIN_NONE && s->format != STATSD_DOGSTATSD) {
		snprintf(why, why_size, "--origin is for --format dogstatsd only");
		return -EINVAL;
	}
	if (s->stuck_ns && !s->log_ns && !s->events) {
		snprintf(why, why_size, "--stuck is for --log or --events: add one of them");
		return -EINVAL;
	}
	if (s->events && (s->format != STATSD_DOGSTATSD || (s->openmetrics && !s->statsd))) {
		snprintf(why, why_size,
			 "--events are sent to statsd in --format dogstatsd only: %s",
			 s->format != STATSD_DOGSTATSD ? "leave out --format"
						       : "add --statsd ADDRESS");
		return -EINVAL;
	}
	if ((s->pin || s->pin_dir) && s->agent.pids.count) {
		snprintf(why, why_size,
			 "--pin is for a run that goes on in another one, --pid for processes that "
			 "end: give --path, or neither");
		return -EINVAL;
	}
	if ((s->pin || s->pin_dir) && s->agent.budget > 0) {
		snprintf(why, why_size,
			 "--pin keeps probes where they are, --budget takes them away: give one of "
			 "them");
		return -EINVAL;
	}
	if ((s->pin || s->pin_dir) && s->agent.recipe_files.count) {
		snprintf(why, why_size,
			 "--pin keeps our own probes only, for a recipe's cost each call and no "
			 "--budget holds while no agent runs: run a second agent for --recipe");
		return -EINVAL;
	}
	return agent_settings_check(&s->agent, why, why_size);
}

/* Where it all goes. */
struct outlets {
	struct sink *sinks[SINKS_MAX];
	struct sink *record; /* one of them, or NULL */
	size_t count;
	char text[512]; /* "to ..., at ..." */
};

/* Who cannot be asked need not remember. */
static bool is_recording(const struct settings *s)
{
	bool is_asked = !s->socket || strcmp(s->socket, "none");

	return s->record == RECORDING_ON && is_asked && !s->agent.once;
}

static uint64_t stuck_ns(const struct settings *s)
{
	return s->stuck_ns ? s->stuck_ns : STUCK_DEFAULT_NS;
}

static enum exit_status add_statsd(struct outlets *out, const struct settings *s, char *why)
{
	const struct statsd_options statsd = {
		.address = s->statsd ? s->statsd : STATSD_DEFAULT,
		.prefix = s->prefix,
		.tags = s->tags.items,
		.format = (enum statsd_format)s->format,
		.histogram = (enum statsd_histogram)s->histogram,
		.stuck_ns = s->events ? stuck_ns(s) : 0,
	};
	struct sink *sink;

	if (!s->statsd && s->openmetrics)
		return EXIT_DONE;
	sink = sink_statsd_new(&statsd, why, ATTACH_WHY_SIZE);
	if (!sink)
		return EXIT_USAGE;
	out->sinks[out->count++] = sink;
	snprintf(out->text, sizeof(out->text), ", to %s every %gs", statsd.address,
		 (double)s->agent.interval_ns / 1e9);
	return EXIT_DONE;
}

static enum exit_status add_openmetrics(struct outlets *out, const struct settings *s, char *why)
{
	const struct openmetrics_options options = {
		.address = s->openmetrics,
		.prefix = s->prefix,
		.tags = s->tags.items,
	};
	size_t used = strlen(out->text);
	char url[SINK_OPENMETRICS_URL_SIZE];
	enum exit_status status;

	if (!s->openmetrics)
		return EXIT_DONE;
	status = sink_openmetrics_new(&out->sinks[out->count], &options, why, ATTACH_WHY_SIZE);
	if (status)
		return status;
	sink_openmetrics_url(out->sinks[out->count++], url);
	snprintf(out->text + used, sizeof(out->text) - used, ", at %s", url);
	return EXIT_DONE;
}

static void say(const char *line, void *context)
{
	(void)context;
	msg_info("%s", line);
}

static enum exit_status add_log(struct outlets *out, const struct settings *s, char *why)
{
	const struct log_options options = {
		.every_ns = s->log_ns,
		.stuck_ns = stuck_ns(s),
		.say = say,
	};

	if (!s->log_ns)
		return EXIT_DONE;
	out->sinks[out->count] = sink_log_new(&options);
	if (!out->sinks[out->count]) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	out->count++;
	return EXIT_DONE;
}

static enum exit_status add_record(struct outlets *out, const struct settings *s, char *why)
{
	if (!is_recording(s))
		return EXIT_DONE;
	out->record = sink_record_new(s->agent.interval_ns);
	if (!out->record) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	out->sinks[out->count++] = out->record;
	return EXIT_DONE;
}

/* NULL: nobody can ask; the run goes on without. Who runs for an interval is not asked. */
static struct status_socket *listen_for_status(const struct settings *s)
{
	char why[ATTACH_WHY_SIZE], line[ATTACH_WHY_SIZE];
	struct status_socket *socket;

	if (s->agent.once || (s->socket && !strcmp(s->socket, "none")))
		return NULL;
	status_socket_new(&socket, s->socket, why, sizeof(why));
	if (*why)
		msg_info("%s", msg_safe(line, sizeof(line), why));
	return socket;
}

static void listen_for_reports(struct sink *record, const struct status_socket *socket)
{
	int err = record && socket ? sink_record_listen(record, status_socket_path(socket)) : 0;

	if (err)
		msg_info("pushback report cannot ask this agent: %s", strerror(-err));
}

static void notify_ready(const char *what)
{
	char state[256];

	snprintf(state, sizeof(state), "READY=1\nSTATUS=watching %s", what);
	notify(state);
}

static enum exit_status watch_and_send(struct agent *agent, const struct outlets *out,
				       const struct settings *s, char *why)
{
	struct status_socket *socket = listen_for_status(s);
	enum exit_status status;
	char what[192];

	listen_for_reports(out->record, socket);
	agent_answer(agent, socket);
	/* Who reads the line may look at what we are. */
	if (agent_confine(agent, why)) {
		status_socket_free(socket);
		return EXIT_HOST;
	}
	agent_describe(agent, what, sizeof(what));
	msg_info("watching %s%s", what, out->text);
	notify_ready(what);
	status = agent_run(agent, out->sinks, out->count, why);
	status_socket_free(socket);
	return status;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options options = agent_settings_options(&s->agent);
	char why[ATTACH_WHY_SIZE] = "";
	struct outlets out = { .count = 0 };
	struct agent *agent = NULL;
	enum exit_status status;

	msg_set_verbose(s->agent.verbose);
	options.tag_from = s->tag_from.items;
	options.origin = s->origin == ORIGIN_CONTAINER;
	options.find_silent = options.say_silent = true;
	options.unseen = true;
	options.pin_dir = s->pin_dir ? s->pin_dir : s->pin ? PIN_DIR_DEFAULT : NULL;
	agent_settings_prepare(false);
	status = add_statsd(&out, s, why);
	if (!status)
		status = add_openmetrics(&out, s, why);
	if (!status)
		status = add_log(&out, s, why);
	if (!status)
		status = add_record(&out, s, why);
	if (!status)
		status = agent_new(&agent, &options, why);
	if (!status)
		status = watch_and_send(agent, &out, s, why);
	if (status)
		msg_error("%s", why);
	agent_free(agent);
	for (size_t i = 0; i < out.count; i++)
		out.sinks[i]->ops->free(out.sinks[i]);
	return status;
}

static int run(int argc, char **argv)
{
	struct settings s = {
		.agent.interval_ns = 10000000000u,
		.prefix = "streams.pipeline",
	};

	return cmd_start(&verb_run, argc, argv, &s, check, start);
}

const struct verb verb_run = {
	.name = "run",
	.summary = "watch consumers, for statsd or Prometheus",
	.text = "Attaches to running consumers, counts their backpressure in the kernel, and "
		"sends\n"
		"counters and durations per step, or has them scraped, until SIGTERM. With --pid\n"
		"it ends when these processes have ended.\n"
		"\n"
		"  pushback run                              every consumer of this host\n"
		"  pushback run --pid 4711 --interval 1s     one process, every second\n"
		"  pushback run --path /usr/bin/consumer --tag env:prod\n"
		"  pushback run --all --tag-from service=env:DD_SERVICE\n"
		"  pushback run --openmetrics 9464           for Prometheus to scrape\n"
		"  pushback run --pin                        as a service that may be restarted\n",
	.options = options,
	.run = run,
};
