/* SPDX-License-Identifier: MIT */
/* cmd_trace.c - `pushback trace`: episodes, one by one, as they end */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "ended.h"
#include "json_out.h"
#include "msg.h"
#include "new_file.h"
#include "term.h"
#include "top_out.h"
#include "top_words.h"
#include "trace_chrome.h"
#include "trace_line.h"
#include "trace_open.h"
#include "trace_steps.h"

struct settings {
	struct agent_settings agent;
	struct option_list steps;
	uint64_t min_ns;
	uint64_t duration_ns; /* 0: until it is ended */
	bool json;
	const char *chrome;
};

#define SECOND_NS 1000000000u
/* What is open for so long gets a line before it ends. */
#define OPEN_NS SECOND_NS
/* Lines at once: between two batches the agent does the rest of its work. */
#define BATCH 4096
/* At the end, all that the ring can hold. */
#define BATCHES_LAST 8
#define LOST_SIZE    512

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	{ .name = "min", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(min_ns),
	  .help = "no line for what took less" },
	{ .name = "step", .value = "GLOB", .kind = OPTION_LIST, .offset = AT(steps), .filled = true,
	  .help = "only steps of such a name; may be given again" },
	{ .name = "duration", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(duration_ns),
	  .least = 1, .help = "for so long; without, until Ctrl-C" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json), .help = "one object per line" },
	{ .name = "chrome", .value = "FILE", .kind = OPTION_TEXT, .offset = AT(chrome), .filled = true,
	  .help = "write a Trace Event file, for Perfetto or chrome://tracing:\n"
		  "a track per step and state, a slice per episode" },
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

/* Each process has series of its own. */
static const char *const tag_from[] = { "pid", NULL };

struct trace {
	struct sink sink;
	const struct settings *settings;
	struct agent *agent;
	struct top_out *out;
	struct trace_columns columns;
	struct trace_open *open;
	struct trace_steps *steps;
	struct ended *gone;
	struct new_file *file; /* NULL: none is written, as the next */
	struct trace_chrome *chrome;
	FILE *to;           /* the present batch's */
	size_t batch;       /* what it has been given */
	int64_t offset;     /* from CLOCK_MONOTONIC to the time since 1970 */
	uint64_t until;     /* on the monotonic clock, as the next */
	uint64_t end;       /* of what is shown */
	uint64_t lines;     /* of ends, */
	uint64_t too_short; /* and those that are left out */
	uint64_t other;
	bool titled, seen, warned, done;
	bool file_failed;
	bool incomplete; /* memory ran out */
	struct silent_view silent;
	uint64_t partly; /* files that --budget has had watched for a part of the time */
	char lost[LOST_SIZE];
};

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static bool is_wanted(const struct trace *t, const char *name)
{
	const char *const *globs = t->settings->steps.items;

	if (!globs)
		return true;
	while (*globs && fnmatch(*globs, name, 0))
		globs++;
	return *globs;
}

/* ---- Lines ---- */

static void put(struct trace *t, const struct trace_episode *e)
{
	/* What is open is a slice when it ends, or when the trace does. */
	if (t->chrome && (e->end != TRACE_OPEN || t->end != UINT64_MAX))
		trace_chrome_slice(t->chrome, e);
	if (t->settings->json) {
		t->incomplete |= json_line(t->to, trace_object(e)) != 0;
		return;
	}
	if (!t->titled)
		trace_titles(&t->columns, t->to);
	t->titled = true;
	trace_line(&t->columns, e, t->to);
}

static int put_close(const struct pb_close *close, void *context)
{
	struct trace_episode episode;
	struct trace *t = context;

	trace_of_close(&episode, close, t->offset);
	/* At the end all is as of the last drain. */
	if (close->end_ns > t->end)
		return 0;
	if (!is_wanted(t, episode.name)) {
		t->other++;
	} else if (episode.ns < t->settings->min_ns) {
		t->too_short++;
	} else {
		t->lines++;
		put(t, &episode);
	}
	return ++t->batch >= BATCH;
}

/* Who does not read leaves them in the ring, where they are counted once it is full. */
static bool begin_batch(struct trace *t, bool last)
{
	top_out_push(t->out);
	if (top_out_waits(t->out) && !last)
		return false;
	t->to = top_out_begin(t->out, last);
	t->batch = 0;
	t->incomplete |= !t->to;
	t->offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	return t->to;
}

static void put_closes(struct trace *t)
{
	if (!begin_batch(t, false))
		return;
	agent_take_closes(t->agent, put_close, t);
	top_out_end(t->out);
}

static void put_step_open(struct trace *t, const struct record *r, int direction, uint64_t now,
			  bool last)
{
	uint64_t min = t->settings->min_ns, least = min > OPEN_NS || last ? min : OPEN_NS;
	struct trace_episode e = { .key = r->key,
				   .end = TRACE_OPEN,
				   .direction = direction,
				   .time_ns = (int64_t)now + t->offset,
				   .began_ns = r->since[direction],
				   .ns = pushback_since(r->since[direction], now),
				   .at_least = r->open_partial[direction] };

	if (!r->since[direction] || !r->open_sure[direction] || e.ns < least)
		return;
	if (!trace_open_is_new(t->open, &r->key, direction, r->since[direction]) && !last)
		return;
	memcpy(e.process, r->process, sizeof(e.process));
	memcpy(e.name, r->name, sizeof(e.name));
	put(t, &e);
}

/* What has been open for a while, once; at the end all that is. As of the drain. */
static void put_open(struct trace *t, const struct model *m, uint64_t now, bool last)
{
	size_t count;
	const struct step_view *steps = model_steps(m, &count);

	trace_open_begin(t->open);
	for (size_t i = 0; i < count; i++) {
		const struct record *r = steps[i].record;

		if (!is_wanted(t, r->name))
			continue;
		put_step_open(t, r, PUSHBACK_SEND, now, last);
		put_step_open(t, r, PUSHBACK_RECEIVE, now, last);
	}
	trace_open_end(t->open);
}

/* ---- The end ---- */

static json_t *lost_object(const struct agent_stats *stats)
{
	json_t *object = json_object();

	for (size_t i = 0; object && stats->lost[i].reason; i++)
		json_object_set_new(object, stats->lost[i].reason,
				    json_integer((json_int_t)stats->lost[i].count));
	return object;
}

static void put_end(struct trace *t, const struct agent_stats *stats)
{
	json_t *end;

	if (!t->settings->json) {
		trace_steps_write(t->steps, term_width(), t->columns.utf8, t->to);
		return;
	}
	end = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "kind", "end", "lines",
			(json_int_t)t->lines, "short", (json_int_t)t->too_short, "other",
			(json_int_t)t->other, "untold", (json_int_t)agent_closes_untold(t->agent),
			"unlisted", (json_int_t)trace_steps_unlisted(t->steps), "partly",
			(json_int_t)t->partly, "lost", lost_object(stats));
	t->incomplete |= trace_steps_write_json(t->steps, t->to) || json_line(t->to, end);
}

static void put_last(struct trace *t, const struct model *m, const struct agent_stats *stats,
		     uint64_t now)
{
	if (!begin_batch(t, true))
		return;
	t->end = now;
	for (int i = 0; i < BATCHES_LAST; i++) {
		t->batch = 0;
		agent_take_closes(t->agent, put_close, t);
	}
	put_open(t, m, now, true);
	put_end(t, stats);
	top_out_end(t->out);
}

/* ---- The sink ---- */

static void warn_untold(struct trace *t)
{
	if (t->warned || !agent_closes_untold(t->agent))
		return;
	t->warned = true;
	msg_warn("more episodes end than are read: some have no line");
}

static void add_series(struct trace *t, const struct model *m)
{
	size_t count;
	const struct series *const *series = model_series(m, &count);

	for (size_t i = 0; i < count; i++)
		if (series[i]->step && is_wanted(t, series[i]->step))
			t->incomplete |= trace_steps_add(t->steps, series[i]) != 0;
}

static void see_consumers(struct trace *t, const struct model *m)
{
	size_t count;
	const struct consumer_view *consumers = model_consumers(m, &count);

	t->seen |= count > 0;
	ended_begin_shown(t->gone);
	for (size_t i = 0; i < count; i++)
		ended_see(t->gone, &consumers[i].process, consumers[i].name, true);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct trace *t = (struct trace *)sink;

	see_consumers(t, m);
	add_series(t, m);
	t->silent = stats->silent;
	t->partly = stats->files_partly > t->partly ? stats->files_partly : t->partly;
	warn_untold(t);
	if (last) {
		put_last(t, m, stats, now);
		top_words_lost(stats, t->lost, sizeof(t->lost));
		return;
	}
	/* What this drain saw open may have ended since: that line comes after this one. */
	if (begin_batch(t, false)) {
		put_open(t, m, now, false);
		top_out_end(t->out);
	}
	put_closes(t);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	struct trace *t = (struct trace *)sink;

	put_closes(t);
	/* Here, since a flush follows: the last one. */
	t->done |= now >= t->until || (t->file && new_file_flush(t->file));
}

static void ended(struct sink *sink, const struct record *record)
{
	struct trace *t = (struct trace *)sink;

	t->seen = true;
	ended_see(t->gone, &record->key.process, record->process, false);
}

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	const struct trace *t = (const struct trace *)sink;

	fds[0] = top_out_poll(t->out);
	fds[1] = (struct pollfd){ .fd = top_out_waits(t->out) ? -1 : agent_closes_fd(t->agent),
				  .events = POLLIN };
	return 2;
}

static bool is_done(const struct sink *sink)
{
	const struct trace *t = (const struct trace *)sink;

	return t->done || top_out_error(t->out);
}

static void stay(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops ops = {
	.name = "trace",
	.flush = flush,
	.poll = poll_sink,
	.ended = ended,
	.fds = fds_of,
	.done = is_done,
	.free = stay,
};

/* ---- Running ---- */

static void say(const char *line, void *context)
{
	char safe[LOST_SIZE];

	(void)context;
	msg_info("%s", msg_safe(safe, sizeof(safe), line));
}

static void say_losses(const struct trace *t, uint64_t untold)
{
	if (*t->lost)
		msg_info("%s", t->lost);
	if (untold)
		msg_warn("%" PRIu64
			 " ends of episodes had no room in the ring buffer: they have no "
			 "line, and are in the histograms",
			 untold);
	if (trace_steps_unlisted(t->steps))
		msg_warn("%zu more steps are in no histogram", trace_steps_unlisted(t->steps));
	if (t->incomplete)
		msg_warn("memory ran out: lines or durations are missing");
}

static void say_rest(struct trace *t, const uint64_t *began)
{
	char line[256];

	if (t->too_short)
		msg_info("%" PRIu64 " episodes were shorter than --min: they have no line",
			 t->too_short);
	if (t->partly)
		msg_info("by --budget %" PRIu64 " file%s watched for a part of the time only: "
			 "episodes that it cuts have no line",
			 t->partly, t->partly == 1 ? " was" : "s were");
	if (!t->seen)
		msg_info("no step returned in that time: not running, idle, or inside a call all "
			 "the time? see pushback list, pushback doctor --pid");
	/* Of --pid it is said of each process anyway. */
	if (!t->settings->agent.pids.count)
		ended_tell(t->gone, say, NULL);
	silent_words(&t->silent, line, sizeof(line));
	if (*line)
		say(line, NULL);
	agent_settings_say_ended(&t->settings->agent, began);
}

/* Whether there was one. */
static bool said_failure(const struct trace *t, int err)
{
	char safe[LOST_SIZE];

	if (err)
		msg_error("cannot write %s: %s", msg_safe(safe, sizeof(safe), t->settings->chrome),
			  err == -EEXIST ? "it is no regular file" : strerror(-err));
	return err;
}

static bool open_file(struct trace *t)
{
	if (!t->settings->chrome)
		return true;
	if (said_failure(t, new_file_open(&t->file, t->settings->chrome)))
		return false;
	t->chrome = trace_chrome_new(new_file_stream(t->file));
	if (t->chrome)
		return true;
	new_file_drop(t->file);
	said_failure(t, -ENOMEM);
	return false;
}

/* It takes its place only now that it is whole. */
static bool keep_file(struct trace *t, uint64_t untold)
{
	struct new_file *file = t->file;

	if (!file)
		return true;
	t->file = NULL;
	trace_chrome_end(t->chrome, untold);
	if (trace_chrome_left_out(t->chrome))
		msg_warn("%" PRIu64 " slices are left out of the file: of more than %d steps",
			 trace_chrome_left_out(t->chrome), TRACE_CHROME_TRACKS);
	return !said_failure(t, new_file_keep(file));
}

/* As of top: the rest is waited for with nothing attached, but not after a signal. */
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

static enum exit_status watch(struct trace *t, const struct agent_options *agent_options,
			      bool *stopped, char *why)
{
	struct sink *sink = &t->sink;
	enum exit_status status = agent_new(&t->agent, agent_options, why);
	uint64_t untold;
	char what[128];

	if (status)
		return status;
	t->until = t->end = UINT64_MAX;
	if (t->settings->duration_ns)
		t->until = (uint64_t)clock_ns(CLOCK_MONOTONIC) + t->settings->duration_ns;
	agent_describe(t->agent, what, sizeof(what));
	msg_info("tracing %s", what);
	status = agent_run(t->agent, &sink, 1, why);
	untold = agent_closes_untold(t->agent);
	if (!status)
		say_losses(t, untold);
	*stopped = agent_was_stopped(t->agent);
	agent_free(t->agent);
	if (!status && !keep_file(t, untold))
		t->file_failed = true;
	return status;
}

static bool make(struct trace *t)
{
	t->out = top_out_new(STDOUT_FILENO);
	t->open = trace_open_new();
	t->steps = trace_steps_new();
	t->gone = ended_new();
	return t->out && t->open && t->steps && t->gone;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options agent_options = agent_settings_options(&s->agent);
	struct trace trace = { .sink.ops = &ops, .settings = s };
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	bool stopped = false;
	uint64_t *began;
	int err = 0;

	msg_set_verbose(s->agent.verbose);
	agent_options.interval_ns = SECOND_NS;
	agent_options.tag_from = tag_from;
	agent_options.find_silent = true;
	agent_options.trace = true;
	/* Signals wait from here on: none ends us with half a file. */
	agent_settings_prepare(true);
	if (!open_file(&trace))
		return EXIT_FAILED;
	began = agent_settings_began(&s->agent);
	trace_columns_begin(&trace.columns, term_width(), term_utf8());
	if (s->json)
		term_write_utf8();
	if (began && make(&trace))
		status = watch(&trace, &agent_options, &stopped, why);
	if (status) {
		msg_error("%s", why);
	} else {
		err = write_rest(trace.out, stopped);
		say_rest(&trace, began);
	}
	new_file_drop(trace.file);
	trace_chrome_free(trace.chrome);
	ended_free(trace.gone);
	trace_steps_free(trace.steps);
	trace_open_free(trace.open);
	top_out_free(trace.out);
	free(began);
	if (trace.file_failed)
		status = EXIT_FAILED;
	return status ? (int)status : err;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	return agent_settings_check(&s->agent, why, why_size);
}

static int run(int argc, char **argv)
{
	struct settings s = { .json = false };

	return cmd_start(&verb_trace, argc, argv, &s, check, start);
}

const struct verb verb_trace = {
	.name = "trace",
	.summary = "episodes of backpressure one by one, as they end",
	.text = "A line per episode as it ends: what the step was (refusing, or blocked: refused\n"
		"by the next one), how long it lasted, how many attempts were refused in it, how\n"
		"much of it was the step's own (SELF), and how many episodes closed since its\n"
		"line before that have none (FOLDED, and their MEAN): above some 250 a second and\n"
		"step they are counted in place. What has been open for a second gets a line\n"
		"before it ends. >= is of an episode whose beginning was not seen, - is not\n"
		"known. At the end there is a histogram per step, of all that closed.\n"
		"\n"
		"  pushback trace --step sink --min 10ms     what one would notice\n"
		"  pushback trace --pid 4711 --duration 30s  one process, for half a minute\n"
		"  pushback trace --chrome FILE              and open it in ui.perfetto.dev\n"
		"  pushback trace --json | jq 'select(.end == \"abandoned\")'\n"
		"\n" TRACE_JSON_HELP,
	.options = options,
	.run = run,
};
