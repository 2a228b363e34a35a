/* SPDX-License-Identifier: MIT */
#include "sink_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "log_text.h"
#include "top_words.h"

/* A log that nobody can read is none: the worst have their lines, others are counted. */
#define STEPS_MOST  20
#define SPELLS_MOST 20 /* between two rounds of lines, or in SPELLS_NS where there are none */
#define SPELLS_NS   10000000000ull

/* What a step's lines have not said yet. */
struct logged {
	uint64_t id; /* of the series */
	uint64_t counter[COUNTERS];
	uint64_t said[COUNTERS];
	struct hist durations[2];
	char process[16], step[PUSHBACK_NAME_SIZE];
	char *tags;
	bool lives;
	UT_hash_handle hh;
};

struct sink_log {
	struct sink sink;
	struct log_options options;
	uint64_t began; /* the stretch that the next lines are of */
	uint64_t spells_began;
	unsigned int spells;
	uint64_t spells_more; /* that had no line */
	struct logged *steps;
	struct stuck *stuck; /* NULL: nobody wants to know */
	/* Of losses, in the order of agent_stats.lost, what lines have said or a former agent's did. */
	uint64_t lost_said[sizeof(((struct agent_stats *)0)->lost) /
			   sizeof(((struct agent_stats *)0)->lost[0])];
	bool goes_on; /* there was one, whose losses are not yet taken as said */
};

static struct sink_log *log_of(struct sink *sink)
{
	return (struct sink_log *)sink;
}

static void say(const struct sink_log *l, const char *line)
{
	l->options.say(line, l->options.context);
}

/* ---- What is known ---- */

static void forget(struct sink_log *l, struct logged *step)
{
	HASH_DEL(l->steps, step);
	hist_free(&step->durations[0]);
	hist_free(&step->durations[1]);
	free(step->tags);
	free(step);
}

/* NULL when out of memory. */
static struct logged *make(const struct series *series)
{
	struct logged *step = calloc(1, sizeof(*step));

	if (!step)
		return NULL;
	step->tags = strdup(series->tags);
	if (!step->tags) {
		free(step);
		return NULL;
	}
	step->id = series->id;
	memcpy(step->process, series->process, strnlen(series->process, sizeof(step->process) - 1));
	memcpy(step->step, series->step, strnlen(series->step, sizeof(step->step) - 1));
	return step;
}

static struct logged *get(struct sink_log *l, const struct series *series)
{
	struct logged *step;

	HASH_FIND(hh, l->steps, &series->id, sizeof(series->id), step);
	if (step)
		return step;
	step = make(series);
	if (!step)
		return NULL;
	HASH_ADD(hh, l->steps, id, sizeof(step->id), step);
	if (step->hh.tbl)
		return step;
	free(step->tags);
	free(step);
	return NULL;
}

/* The model forgets durations, and series that have ended, after this. */
static void take(struct sink_log *l, const struct model *m)
{
	struct logged *step, *next;
	size_t count;
	const struct series *const *series = model_series(m, &count);

	HASH_ITER (hh, l->steps, step, next)
		step->lives = false;
	for (size_t i = 0; i < count; i++) {
		if (!series[i]->step)
			continue;
		step = get(l, series[i]);
		if (!step)
			continue;
		step->lives = true;
		memcpy(step->counter, series[i]->counter, sizeof(step->counter));
		/* Without memory for them a median is one of fewer. */
		for (int d = 0; d < 2; d++)
			hist_add_all(&step->durations[d], &series[i]->durations[d]);
	}
}

/* ---- What is said ---- */

static void fill(const struct logged *step, uint64_t ns, struct log_step *out)
{
	*out = (struct log_step){
		.process = step->process,
		.step = step->step,
		.tags = step->tags,
		.durations = { &step->durations[0], &step->durations[1] },
		.ns = ns,
	};
	for (int i = 0; i < COUNTERS; i++)
		out->counter[i] = step->counter[i] - step->said[i];
}

static bool was_in_backpressure(const struct log_step *step)
{
	const uint64_t *c = step->counter;

	return c[COUNTER_SEND] || c[COUNTER_SEND_TIME] || c[COUNTER_SEND_EPISODES] ||
	       c[COUNTER_RECEIVE_TIME] || c[COUNTER_RECEIVE_EPISODES];
}

/* The step at fault is the one that refuses by itself; then those that refuse, then the blocked. */
static int by_fault(const void *a, const void *b)
{
	static const enum counter order[] = { COUNTER_SEND_SELF_TIME, COUNTER_SEND_TIME,
					      COUNTER_RECEIVE_TIME, COUNTER_SEND };
	const struct log_step *x = a, *y = b;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (x->counter[order[i]] != y->counter[order[i]])
			return x->counter[order[i]] < y->counter[order[i]] ? 1 : -1;
	return 0;
}

/* All that were; NULL when out of memory, and then it is said with the next ones. */
static struct log_step *choose(const struct sink_log *l, uint64_t ns, size_t *count)
{
	struct log_step *all = calloc(HASH_COUNT(l->steps) + 1, sizeof(*all));
	const struct logged *step;

	*count = 0;
	for (step = l->steps; all && step; step = step->hh.next) {
		fill(step, ns, &all[*count]);
		*count += was_in_backpressure(&all[*count]);
	}
	if (all && *count)
		qsort(all, *count, sizeof(*all), by_fault);
	return all;
}

static void settle(struct sink_log *l, uint64_t now)
{
	struct logged *step, *next;

	l->began = now;
	HASH_ITER (hh, l->steps, step, next) {
		memcpy(step->said, step->counter, sizeof(step->said));
		hist_clear(&step->durations[0]);
		hist_clear(&step->durations[1]);
		if (!step->lives)
			forget(l, step);
	}
}

static void say_steps(struct sink_log *l, uint64_t now)
{
	size_t count;
	uint64_t ns = now - l->began;
	struct log_step *all = choose(l, ns, &count);
	char line[LOG_TEXT_SIZE];

	if (!all)
		return;
	for (size_t i = 0; i < count && i < STEPS_MOST; i++) {
		log_text_step(line, &all[i]);
		say(l, line);
	}
	if (count > STEPS_MOST) {
		log_text_more(line, count - STEPS_MOST, ns);
		say(l, line);
	}
	free(all);
	settle(l, now);
}

/* ---- Losses ---- */

/* What came since the last line about it; false: nothing. It is taken as said. */
static bool take_lost(struct sink_log *l, const struct agent_stats *stats, struct agent_stats *more)
{
	size_t count = 0;

	memset(more, 0, sizeof(*more));
	for (size_t i = 0; stats->lost[i].reason; i++) {
		if (stats->lost[i].count > l->lost_said[i]) {
			more->lost[count].reason = stats->lost[i].reason;
			more->lost[count++].count = stats->lost[i].count - l->lost_said[i];
		}
		l->lost_said[i] = stats->lost[i].count;
	}
	return count;
}

static void say_lost(struct sink_log *l, const struct agent_stats *stats, uint64_t now)
{
	char words[256], line[LOG_TEXT_SIZE];
	struct agent_stats more;

	if (!take_lost(l, stats, &more))
		return;
	top_words_lost(&more, words, sizeof(words));
	if (!*words)
		return;
	log_text_lost(line, words, now - l->began);
	say(l, line);
}

/* ---- Spells ---- */

static void begin_spells(struct sink_log *l, uint64_t now)
{
	char line[LOG_TEXT_SIZE];

	if (l->spells_more) {
		log_text_spells_more(line, l->spells_more);
		say(l, line);
	}
	l->spells_began = now;
	l->spells = 0;
	l->spells_more = 0;
}

static void say_spell(const struct stuck_news *news, void *context)
{
	struct sink_log *l = context;
	char line[LOG_TEXT_SIZE];

	if (l->spells == SPELLS_MOST) {
		l->spells_more++;
		return;
	}
	l->spells++;
	log_text_spell(line, news);
	say(l, line);
}

/* ---- The sink ---- */

static void drained(struct sink *sink, const struct model *m, uint64_t now)
{
	struct sink_log *l = log_of(sink);

	if (!l->stuck)
		return;
	if (now - l->spells_began >= SPELLS_NS)
		begin_spells(l, now);
	stuck_look(l->stuck, m, say_spell, l);
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	(void)now;
	if (log_of(sink)->options.every_ns)
		take(log_of(sink), m);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct sink_log *l = log_of(sink);

	struct agent_stats former;

	if (l->goes_on)
		take_lost(l, stats, &former);
	l->goes_on = false;
	if (last)
		begin_spells(l, now);
	if (!l->options.every_ns)
		return;
	take(l, m);
	if (!last && now - l->began < l->options.every_ns)
		return;
	say_lost(l, stats, now);
	say_steps(l, now);
}

/* What was counted before is the former agent's to say. */
static int load(struct sink *sink, const struct model *m, struct keep_reader *r)
{
	struct sink_log *l = log_of(sink);

	(void)r;
	take(l, m);
	settle(l, l->began);
	l->goes_on = true;
	return 0;
}

static void free_sink(struct sink *sink)
{
	struct sink_log *l = log_of(sink);
	struct logged *step, *next;

	HASH_ITER (hh, l->steps, step, next)
		forget(l, step);
	stuck_free(l->stuck);
	free(l);
}

static const struct sink_ops ops = {
	.name = "log",
	.flush = flush,
	.early = early,
	.drained = drained,
	.load = load,
	.free = free_sink,
};

struct sink *sink_log_new(const struct log_options *options)
{
	struct sink_log *l = calloc(1, sizeof(*l));
	struct timespec t;

	if (!l)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &t);
	l->began = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	l->sink.ops = &ops;
	l->options = *options;
	if (options->stuck_ns) {
		l->stuck = stuck_new(options->stuck_ns);
		if (!l->stuck) {
			free(l);
			return NULL;
		}
	}
	return &l->sink;
}
