/* SPDX-License-Identifier: MIT */
/* cmd_graph.c - `pushback graph`: who hands messages to whom, and where they are refused */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent_opts.h"
#include "attach.h"
#include "cmd.h"
#include "ended.h"
#include "graph_print.h"
#include "msg.h"
#include "term.h"

struct settings {
	struct agent_settings agent;
	bool dot;
	bool json;
};

/* Beside another observer a step may be known up to 1.5 s late, by its heartbeat. */
#define FOR_LEAST_NS 2500000000u
#define FOR_NS       3000000000u
/* So often what there is is kept, for the case that it ends before its time. */
#define LOOKS_NS 250000000u

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	AGENT_OPTIONS_TARGETS,
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(agent.interval_ns),
	  .least = FOR_LEAST_NS, .help = "watch for TIME (3s) first; at least 2.5s" },
	{ .name = "dot", .kind = OPTION_FLAG, .offset = AT(dot), .help = "for Graphviz" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object per line and consumer: pid, watched (all, or\n"
		  "partly: by --budget), process, steps (step, instance,\n"
		  "level, accepted, rejected) and edges (from, from_instance,\n"
		  "to, to_instance, refused, estimated)" },
	AGENT_OPTIONS_REST,
	{ .name = NULL },
};
/* clang-format on */

/*
 * A sink that keeps what has been learned, as text: whoever reads it may take a while, and consumers
 * may end. It is printed once, at the end.
 */
struct graph_sink {
	struct sink sink;
	const struct settings *settings;
	uint64_t until; /* on the monotonic clock */
	char *text;
	size_t size;
	size_t consumers, width; /* consumers: in the text */
	struct silent_view silent;
	struct ended *gone;
	bool ended;   /* all that are in the text */
	bool partly;  /* some of them are watched for a part of the time, by --budget, */
	double part;  /* and for which */
	bool away;    /* they are not just now */
	bool pausing; /* what is printed will not be watched from now on */
	bool done;
	bool utf8;
	int err;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Counts are of the last part then. */
static bool is_partly(const struct consumer_view *consumer)
{
	bool partly = false;

	for (size_t i = 0; i < consumer->step_count; i++)
		partly |= consumer->steps[i]->record->partly;
	return partly;
}

static int print(const struct graph_sink *g, FILE *out, const struct consumer_view *consumer,
		 size_t number)
{
	const struct settings *s = g->settings;
	bool partly = g->pausing || is_partly(consumer);

	if (s->json)
		return graph_print_json(out, consumer, partly);
	if (s->dot)
		return graph_print_dot(out, consumer, partly, number, g->utf8);
	if (number)
		putc('\n', out);
	return graph_print_text(out, consumer, partly, g->width, g->utf8);
}

static int print_all(const struct graph_sink *g, FILE *out, const struct consumer_view *consumers)
{
	int err = g->settings->dot ? graph_dot_begin(out) : 0;
	size_t i;

	for (i = 0; i < g->consumers && !err; i++)
		err = print(g, out, &consumers[i], i);
	if (g->settings->dot && !err)
		err = graph_dot_end(out);
	return err;
}

static void keep(struct graph_sink *g, const struct consumer_view *consumers, size_t count)
{
	FILE *out;

	free(g->text);
	g->text = NULL;
	g->size = 0;
	g->consumers = count;
	ended_begin_shown(g->gone);
	for (size_t i = 0; i < count; i++)
		ended_see(g->gone, &consumers[i].process, consumers[i].name, true);
	out = open_memstream(&g->text, &g->size);
	g->err = out ? print_all(g, out, consumers) : -ENOMEM;
	if (out && fclose(out) && !g->err)
		g->err = -ENOMEM;
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct graph_sink *g = (struct graph_sink *)sink;
	size_t count;
	const struct consumer_view *consumers = model_consumers(m, &count);

	g->silent = stats->silent;
	g->done = last || now >= g->until;
	g->partly = stats->files_partly;
	g->part = stats->part;
	g->away = g->partly && count < g->consumers;
	g->ended = g->consumers && !count && !g->partly;
	/* Who is not watched just now stays as it was. */
	if (!g->away && (count || (g->done && !g->consumers)))
		keep(g, consumers, count);
}

static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	struct graph_sink *g = (struct graph_sink *)sink;
	size_t count;
	const struct consumer_view *consumers = model_consumers(m, &count);

	(void)now;
	if (count < g->consumers)
		return;
	g->pausing = true;
	keep(g, consumers, count);
	g->pausing = false;
}

static void ended(struct sink *sink, const struct record *record)
{
	ended_see(((struct graph_sink *)sink)->gone, &record->key.process, record->process, false);
}

static bool is_done(const struct sink *sink)
{
	return ((const struct graph_sink *)sink)->done;
}

/* With nothing attached, so that a signal may end it. */
static int write_out(struct graph_sink *g)
{
	agent_settings_release();
	if (!g->err && g->size)
		fwrite(g->text, 1, g->size, stdout);
	free(g->text);
	return g->err;
}

static void stay(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops ops = { .name = "graph",
				     .flush = flush,
				     .pausing = pausing,
				     .ended = ended,
				     .done = is_done,
				     .free = stay };

static void say(const char *line, void *context)
{
	char safe[256];

	(void)context;
	msg_info("%s", msg_safe(safe, sizeof(safe), line));
}

static void say_what_there_is_not(const struct graph_sink *g, const uint64_t *began)
{
	char line[256];

	if (!g->consumers)
		msg_info("no step returned in that time: not running, idle, or inside a call all "
			 "the time? see pushback list, pushback doctor --pid");
	else if (g->ended)
		msg_info("all of them have ended; this is what was seen last");
	if (g->consumers && g->partly)
		msg_info("by --budget watched %.1f%% of the time%s: counts of what is watched "
			 "partly are of the last such part",
			 g->part * 100, g->away ? ", not just now" : "");
	/* Of --pid it is said of each process anyway. */
	if (!g->settings->agent.pids.count)
		ended_tell(g->gone, say, NULL);
	silent_words(&g->silent, line, sizeof(line));
	if (*line)
		say(line, NULL);
	agent_settings_say_ended(&g->settings->agent, began);
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct agent_options agent_options = agent_settings_options(&s->agent);
	struct graph_sink graph = { .sink.ops = &ops, .settings = s, .width = term_width() };
	uint64_t *began = agent_settings_began(&s->agent);
	struct sink *sink = &graph.sink;
	char why[ATTACH_WHY_SIZE] = "out of memory";
	enum exit_status status = EXIT_FAILED;
	struct agent *agent = NULL;
	int err;

	graph.gone = ended_new();
	agent_options.interval_ns = LOOKS_NS;
	agent_options.find_silent = true;
	msg_set_verbose(s->agent.verbose);
	agent_settings_prepare(true);
	graph.utf8 = term_utf8();
	if (began && graph.gone)
		status = agent_new(&agent, &agent_options, why);
	if (agent) {
		graph.until = now_ns() + s->agent.interval_ns;
		status = agent_run(agent, &sink, 1, why);
	}
	agent_free(agent);
	if (status)
		msg_error("%s", why);
	else
		say_what_there_is_not(&graph, began);
	free(began);
	ended_free(graph.gone);
	err = write_out(&graph);
	return status ? (int)status : err;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (s->dot && s->json) {
		snprintf(why, why_size, "--dot or --json, not both");
		return -EINVAL;
	}
	return agent_settings_check(&s->agent, why, why_size);
}

static int run(int argc, char **argv)
{
	struct settings s = { .agent = { .interval_ns = FOR_NS } };

	return cmd_start(&verb_graph, argc, argv, &s, check, start);
}

const struct verb verb_graph = {
	.name = "graph",
	.summary = "who hands messages to whom, and where they are refused",
	.text = "Watches for a while and prints the steps of each consumer as a tree. The order\n"
		"is learned from what they do. Beside each step stands how often what was handed\n"
		"to it by the step above was refused; ~ is an estimate: shared out between\n"
		"several, or the step above hands on to something else that is not watched.\n"
		"\n"
		"  pushback graph --pid 4711\n"
		"  pushback graph --dot | dot -Tsvg > consumers.svg\n",
	.options = options,
	.run = run,
};
