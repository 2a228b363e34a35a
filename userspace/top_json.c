/* SPDX-License-Identifier: MIT */
#include "top_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json_out.h"
#include "msg.h"

#define MS_NS 1000000

struct top_json {
	struct sink sink;
	struct top_out *out;
	struct top_rows *rows;
	struct silent_view told;
};

/* Stores a value under a key, or fails as jansson does: the whole object with it. */
static bool set(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

/* 64 bits, which not all that read JSON can hold in a number. */
static json_t *identity(uint64_t value)
{
	return json_sprintf("%" PRIu64, value);
}

static json_t *milliseconds(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1000);
}

/* To a thousandth: more digits say nothing. */
static json_t *rounded(double value)
{
	return json_real((double)(int64_t)(value * 1000 + 0.5) / 1000);
}

static json_t *if_known(bool known, json_t *value)
{
	if (known)
		return value;
	json_decref(value);
	return json_null();
}

static json_t *lost_object(const struct agent_stats *stats)
{
	json_t *object = json_object();

	for (size_t i = 0; object && stats->lost[i].reason; i++)
		if (!set(object, stats->lost[i].reason, number(stats->lost[i].count))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *averages(const double *of)
{
	return json_pack("[o,o,o]", rounded(of[MODEL_AVG10]), rounded(of[MODEL_AVG60]),
			 rounded(of[MODEL_AVG300]));
}

static const char *kind_name(enum verdict_kind kind)
{
	switch (kind) {
	case VERDICT_MEASURING:
	case VERDICT_NOTHING:
		return "nothing";
	case VERDICT_STOPPED:
		return "stopped";
	case VERDICT_FLOWING:
		return "flowing";
	case VERDICT_BUSIEST:
		return "busiest";
	case VERDICT_BOTTLENECK:
		return "bottleneck";
	case VERDICT_UNCLEAR:
		return "unclear";
	case VERDICT_BEHIND:
		return "behind";
	case VERDICT_PARTLY:
		return "partly";
	}
	return "nothing";
}

/* Of a step that came and went within one interval they are not known to be its own. */
static json_t *duration_object(const struct top_side *side)
{
	uint64_t count;

	if (!side->durations)
		return json_null();
	count = side->durations->count;
	return json_pack("{s:o,s:o,s:o,s:o,s:b}", "count", number(count), "p50",
			 if_known(count, milliseconds(side->p50)), "p99",
			 if_known(count, milliseconds(side->p99)), "longest",
			 if_known(count || side->longest, milliseconds(side->longest)), "at_least",
			 side->at_least);
}

static bool set_durations(json_t *object, const struct top_step *step)
{
	return set(object, duration_names[PUSHBACK_SEND],
		   duration_object(&step->side[PUSHBACK_SEND])) &&
	       set(object, duration_names[PUSHBACK_RECEIVE],
		   duration_object(&step->side[PUSHBACK_RECEIVE]));
}

static bool set_counters(json_t *object, const struct top_step *step)
{
	for (int i = 0; i <= COUNTER_BUSY_TIME; i++) {
		const struct metric_name *name = &counter_names[i];
		bool known = i != COUNTER_BUSY_TIME || step->marks;

		if (!set(object, name->name,
			 if_known(known, number(name->is_time ? step->counter[i] / MS_NS
							      : step->counter[i]))))
			return false;
	}
	return true;
}

/* The name of what is at least so much, and whether it is. */
static bool set_at_least(json_t *object, const char *name, bool known, bool at_least)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_at_least", name);
	return set(object, key, if_known(known, json_boolean(at_least)));
}

static bool set_spell(json_t *object, const struct top_step *step, int direction, enum gauge gauge)
{
	const struct top_side *side = &step->side[direction];
	const char *name = gauge_names[gauge].name;

	return set(object, name, if_known(step->judged, number(side->spell_ns / MS_NS))) &&
	       set_at_least(object, name, step->judged, side->spell_at_least);
}

/* Of the state, which it has been in most of the time. */
static bool set_since(json_t *object, const struct top_step *step)
{
	bool known = step->since_ns > 0;

	return set(object, "since", if_known(known, number(step->since_ns / MS_NS))) &&
	       set_at_least(object, "since", known, step->since_at_least);
}

static bool set_gauges(json_t *object, const struct top_step *step)
{
	return set_spell(object, step, PUSHBACK_SEND, GAUGE_SEND_SPELL) &&
	       set_spell(object, step, PUSHBACK_RECEIVE, GAUGE_RECEIVE_SPELL) &&
	       set(object, gauge_names[GAUGE_INSTANCES].name, number(step->sharing)) &&
	       set(object, gauge_names[GAUGE_QUEUE_DEPTH].name,
		   if_known(step->has_depth, number(step->depth))) &&
	       set(object, gauge_names[GAUGE_QUEUE_CAPACITY].name,
		   if_known(step->has_depth && step->capacity, number(step->capacity)));
}

static json_t *rates_object(const struct top_step *step)
{
	static const enum counter which[] = { COUNTER_ACCEPTED, COUNTER_FORWARDED, COUNTER_SEND,
					      COUNTER_RECEIVE };
	json_t *object = json_object();

	for (size_t i = 0; object && i < sizeof(which) / sizeof(which[0]); i++)
		if (!set(object, counter_names[which[i]].name, rounded(step->rate[which[i]]))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* Where the last second went, by samples: these add up to 1, but for what is not known to be idle. */
static json_t *split_object(const struct top_step *step)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "busy",
			 if_known(step->marks, rounded(step->split[MODEL_BUSY])), "blocked",
			 rounded(step->split[MODEL_BLOCKED]), "refusing",
			 rounded(step->split[MODEL_REFUSING]), "idle",
			 if_known(step->marks, rounded(step->split[MODEL_IDLE])));
}

/* What a step does now, which one that has ended has no more. */
static bool set_present(json_t *object, const struct top_step *step)
{
	const struct top_side *send = &step->side[PUSHBACK_SEND];
	const struct top_side *receive = &step->side[PUSHBACK_RECEIVE];
	bool known = step->judged;

	return set(object, "watched", rounded(step->part)) && set_since(object, step) &&
	       set(object, "level", number(step->level)) &&
	       set(object, "refusing", if_known(known, rounded(send->share))) &&
	       set(object, "blocked", if_known(known, rounded(receive->share))) &&
	       set(object, "self", if_known(known, rounded(step->self))) &&
	       set(object, "busy", if_known(known && step->marks, rounded(step->busy))) &&
	       set(object, "split", if_known(known, split_object(step))) &&
	       set(object, "per_second", if_known(known, rates_object(step))) &&
	       set_gauges(object, step) && set(object, "at_fault", json_boolean(step->at_fault));
}

static bool set_consumer(json_t *object, const struct top_consumer *c)
{
	bool known = c->kind != VERDICT_MEASURING;
	json_t *verdict = json_pack("{s:s,s:o}", "kind", kind_name(c->kind), "text",
				    json_text(c->verdict, sizeof(c->verdict)));

	return set(object, "consumer", identity(c->instance)) &&
	       set(object, "some", if_known(c->pressed, averages(c->some))) &&
	       set(object, "full", if_known(c->pressed, averages(c->full))) &&
	       set(object, counter_names[COUNTER_SOME_TIME].name, number(c->some_ns / MS_NS)) &&
	       set(object, counter_names[COUNTER_FULL_TIME].name, number(c->full_ns / MS_NS)) &&
	       set(object, "verdict", if_known(known, verdict));
}

/* Or has its consumer ended with it? */
static bool is_any_left(const struct top_snapshot *s, const struct pb_process_key *process)
{
	for (size_t i = 0; i < s->consumer_count; i++)
		if (!memcmp(&s->consumers[i].process, process, sizeof(*process)))
			return true;
	return false;
}

static bool set_end(json_t *object, const struct top_snapshot *s, const struct top_step *step)
{
	return set(object, "consumer_ended", json_boolean(!is_any_left(s, &step->key.process)));
}

static json_t *step_object(const struct top_json *j, const struct top_step *step, double when,
			   json_t *lost)
{
	const struct top_snapshot *s = top_rows_snapshot(j->rows);
	bool ended = step->state == TOP_ENDED;
	json_t *state = json_string(top_state_names[step->state]);
	json_t *object;

	object = json_pack(
		"{s:f,s:i,s:o,s:o,s:o,s:o,s:O}", "time", when, "pid", (int)step->key.process.tgid,
		"process", json_text(step->process, sizeof(step->process)), "step",
		json_text(step->name, sizeof(step->name)), "instance", identity(step->key.instance),
		"state", if_known(step->state != TOP_UNKNOWN, state), "lost", lost);
	if (!object)
		return NULL;
	if (set_counters(object, step) && set_durations(object, step) &&
	    (ended ? set_end(object, s, step)
		   : set_present(object, step) &&
			     set_consumer(object, &s->consumers[step->consumer])))
		return object;
	json_decref(object);
	return NULL;
}

static double wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)(t.tv_nsec / MS_NS) / 1000;
}

/* Out of memory: this refresh has fewer lines, the next one has them all. */
static void put_steps(const struct top_json *j, FILE *to, const struct top_step *steps,
		      size_t count, double when, json_t *lost)
{
	for (size_t i = 0; i < count; i++)
		json_line(to, step_object(j, &steps[i], when, lost));
}

static void put_refresh(struct top_json *j, FILE *to, const struct agent_stats *stats)
{
	const struct top_snapshot *s = top_rows_snapshot(j->rows);
	struct agent_stats all = top_out_stats(j->out, stats);
	double when = wall_clock();
	json_t *lost;

	top_out_add_lost(&all, "ended_full", s->ended_lost);
	lost = lost_object(&all);
	if (!lost)
		return;
	put_steps(j, to, s->ended, s->ended_count, when, lost);
	put_steps(j, to, s->steps, s->step_count, when, lost);
	json_decref(lost);
}

static bool is_same(const struct silent_view *a, const struct silent_view *b)
{
	bool same = a->count == b->count && a->shown_count == b->shown_count;

	for (size_t i = 0; same && i < a->shown_count; i++)
		same = a->shown[i].pid == b->shown[i].pid;
	return same;
}

/* They have no steps that an object could be of. Said again when they are others. */
static void say_silent(struct top_json *j, const struct silent_view *silent)
{
	char line[256], safe[256];

	if (is_same(silent, &j->told))
		return;
	j->told = *silent;
	silent_words(silent, line, sizeof(line));
	if (*line)
		msg_info("%s", msg_safe(safe, sizeof(safe), line));
}

/* What has ended waits for the next refresh that is not left out. */
static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct top_json *j = (struct top_json *)sink;
	FILE *to = top_out_begin(j->out, last);
	int err;

	top_rows_partly(j->rows, stats->files_partly, stats->part);
	err = top_rows_take(j->rows, m, now, !to);

	say_silent(j, &stats->silent);
	if (!to)
		return;
	if (!err)
		put_refresh(j, to, stats);
	top_out_end(j->out);
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	top_rows_take(((struct top_json *)sink)->rows, m, now, true);
}

static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	top_rows_keep(((struct top_json *)sink)->rows, m, now);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	(void)now;
	top_out_push(((struct top_json *)sink)->out);
}

static void ended(struct sink *sink, const struct record *record)
{
	/* Out of memory: it has no last line. */
	top_rows_ended(((struct top_json *)sink)->rows, record);
}

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	fds[0] = top_out_poll(((const struct top_json *)sink)->out);
	return 1;
}

static bool is_done(const struct sink *sink)
{
	return top_out_error(((const struct top_json *)sink)->out) != 0;
}

static void free_sink(struct sink *sink)
{
	struct top_json *j = (struct top_json *)sink;

	top_rows_free(j->rows);
	free(j);
}

static const struct sink_ops ops = {
	.name = "json",
	.flush = flush,
	.early = early,
	.pausing = pausing,
	.poll = poll_sink,
	.ended = ended,
	.fds = fds_of,
	.done = is_done,
	.free = free_sink,
};

struct sink *top_json_new(struct top_out *out, top_process_fn process)
{
	struct top_json *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->sink.ops = &ops;
	j->out = out;
	j->rows = top_rows_new(process);
	if (j->rows)
		return &j->sink;
	free(j);
	return NULL;
}
