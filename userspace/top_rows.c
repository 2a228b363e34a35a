/* SPDX-License-Identifier: MIT */
/*
 * A snapshot is built in spare arrays, which then change places with the ones shown: what is shown
 * is whole at any time, also when memory runs out.
 */
#include "top_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* an element that could not be added has hh.tbl == NULL */
#include <uthash.h>

#include "top_partly.h"

#define HALF       0.5
#define ASKED_MOST 256 /* processes in a refresh: each costs a look into /proc */

const char *const top_state_names[TOP_STATES] = {
	[TOP_ENDED] = "ended",     [TOP_UNKNOWN] = "?",         [TOP_IDLE] = "idle",
	[TOP_FLOWING] = "flowing", [TOP_BUSY] = "busy",         [TOP_BLOCKED] = "blocked",
	[TOP_PARTLY] = "partly",   [TOP_REFUSING] = "refusing",
};

/* Durations of a series since the view began. */
struct running {
	uint64_t series;
	struct hist hist[2];
	bool present;   /* the model still has it */
	uint64_t shown; /* number of the last snapshot that it is in */
	UT_hash_handle hh;
};

struct top_rows {
	struct top_snapshot shown, spare;
	size_t shown_room[2], spare_room[2]; /* consumers, steps */
	struct top_step *scratch;
	size_t scratch_room;
	struct top_step *ended; /* since the last take */
	size_t ended_count, ended_room;
	size_t shown_ended_room;
	uint64_t ended_lost;
	struct running *running;
	uint64_t number; /* of the snapshot that is shown */
	top_process_fn process;
	unsigned int asked;
	bool any_partly; /* is watched for a part of the time, */
	double part;     /* and for which */
	bool any_ever;
};

struct top_rows *top_rows_new(top_process_fn process)
{
	struct top_rows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->process = process;
	r->number = 1; /* what was in none yet has 0 */
	return r;
}

static void free_running(struct top_rows *r, struct running *one)
{
	HASH_DEL(r->running, one);
	hist_free(&one->hist[0]);
	hist_free(&one->hist[1]);
	free(one);
}

void top_rows_free(struct top_rows *r)
{
	struct running *one, *next;

	if (!r)
		return;
	HASH_ITER (hh, r->running, one, next)
		free_running(r, one);
	free(r->shown.consumers);
	free(r->shown.steps);
	free(r->shown.ended);
	free(r->spare.consumers);
	free(r->spare.steps);
	free(r->scratch);
	free(r->ended);
	free(r);
}

const struct top_snapshot *top_rows_snapshot(const struct top_rows *r)
{
	return &r->shown;
}

/* Room for `count` items of `size` in *array, whose content may be lost. 0 or -ENOMEM. */
static int make_room(void *array, size_t *room, size_t count, size_t size)
{
	void **at = array, *bigger;

	if (count <= *room)
		return 0;
	bigger = realloc(*at, count * 2 * size);
	if (!bigger)
		return -ENOMEM;
	*at = bigger;
	*room = count * 2;
	return 0;
}

/* ---- Durations ---- */

static struct running *running_of(struct top_rows *r, uint64_t series)
{
	struct running *one;

	HASH_FIND(hh, r->running, &series, sizeof(series), one);
	if (one)
		return one;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->series = series;
	HASH_ADD(hh, r->running, series, sizeof(one->series), one);
	if (one->hh.tbl)
		return one;
	free(one);
	return NULL;
}

/* Into the kernel's own buckets, so that what is kept is bounded, however long the view lasts. */
static int add_durations(struct hist *to, const struct hist *from)
{
	int err = 0;

	for (size_t i = 0; !err && i < from->size; i++)
		err = hist_add(to, hist_bucket_ns(pb_hist_index(from->values[i].ns)),
			       from->values[i].count);
	return err;
}

/* A series that is gone stays while its rows are shown. */
static void sweep_running(struct top_rows *r)
{
	struct running *one, *next;

	HASH_ITER (hh, r->running, one, next) {
		if (!one->present && one->shown != r->number)
			free_running(r, one);
		else
			one->present = false;
	}
}

static int take_durations(struct top_rows *r, const struct model *m)
{
	size_t count;
	const struct series *const *series = model_series(m, &count);
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		struct running *one = series[i]->step ? running_of(r, series[i]->id) : NULL;

		if (!series[i]->step)
			continue;
		if (!one) {
			err = -ENOMEM;
			continue;
		}
		one->present = true;
		for (int d = 0; d < 2; d++)
			if (add_durations(&one->hist[d], &series[i]->durations[d]))
				err = -ENOMEM;
	}
	return err;
}

void top_side_measure(struct top_side *side, uint64_t open_ns, bool open_partial)
{
	const struct hist *h = side->durations;

	side->p50 = side->p99 = side->longest = 0;
	side->at_least = false;
	if (h && h->size) {
		side->p50 = hist_quantile(h, 0.5);
		side->p99 = hist_quantile(h, 0.99);
		side->longest = h->values[h->size - 1].ns;
	}
	if (open_ns > side->longest) {
		side->longest = open_ns;
		side->at_least = open_partial;
	}
}

/* ---- Steps ---- */

/*
 * What it did most of the last second. Of what is known exactly: in a chain that is stuck all steps
 * are blocked but the one at fault, which refuses, whoever has the thread while it tries again and
 * again. Who is busy only samples tell.
 */
enum top_state top_step_state(const struct top_step *step)
{
	double blocked = step->side[PUSHBACK_RECEIVE].share, refusing = step->self;

	if (step->partly)
		return TOP_PARTLY;
	if (!step->judged)
		return TOP_UNKNOWN;
	if (blocked + refusing >= HALF)
		return blocked >= refusing ? TOP_BLOCKED : TOP_REFUSING;
	if (step->marks && step->busy >= HALF)
		return TOP_BUSY;
	if (step->rate[COUNTER_ACCEPTED] > 0 || step->rate[COUNTER_FORWARDED] > 0)
		return TOP_FLOWING;
	return step->marks && step->split[MODEL_IDLE] > 0 ? TOP_IDLE : TOP_UNKNOWN;
}

/* The spell that is of its state; of self time, where it is itself that refuses. */
static void take_since(struct top_step *step, const struct step_view *v, uint64_t now)
{
	static const int spells[TOP_STATES] = {
		[TOP_REFUSING] = MODEL_SPELL_SELF,
		[TOP_BLOCKED] = MODEL_SPELL_RECEIVE,
		[TOP_BUSY] = MODEL_SPELL_BUSY,
	};
	const struct spell *spell = &v->spell[spells[step->state]];

	if (step->state < TOP_BUSY || !spell->since || spell->since >= now)
		return;
	step->since_ns = now - spell->since;
	step->since_at_least = spell->at_least;
}

static void name_step(struct top_step *step, const struct record *record)
{
	step->key = record->key;
	memcpy(step->name, record->name, sizeof(step->name));
	memcpy(step->process, record->process, sizeof(step->process));
	step->merged = 1;
}

/* For the snapshot that is being made. */
static const struct hist *durations_of(struct top_rows *r, const struct top_step *step, int d)
{
	struct running *running;

	HASH_FIND(hh, r->running, &step->series, sizeof(step->series), running);
	if (!running)
		return NULL;
	running->shown = r->number + 1;
	return &running->hist[d];
}

static void take_side(struct top_rows *r, struct top_step *step, const struct step_view *v, int d,
		      uint64_t now)
{
	uint64_t spell = v->spell[d].since;
	struct top_side *side = &step->side[d];
	const struct record *record = v->record;
	uint64_t since = record->since[d];

	side->durations = durations_of(r, step, d);
	side->share = v->share[d];
	side->spell_ns = spell && spell < now ? now - spell : 0;
	side->spell_at_least = side->spell_ns && v->spell[d].at_least;
	top_side_measure(side, since && since < now ? now - since : 0, record->open_partial[d]);
}

static void take_step(struct top_rows *r, struct top_step *step, const struct step_view *v,
		      uint64_t now)
{
	memset(step, 0, sizeof(*step));
	name_step(step, v->record);
	step->series = v->series->id;
	step->sharing = v->series->gauge[GAUGE_INSTANCES];
	step->partly = v->record->partly;
	step->part = 1;
	step->judged = v->judged;
	step->self = v->self_share;
	step->marks = v->marks;
	step->busy = v->state[MODEL_BUSY];
	memcpy(step->split, v->state, sizeof(step->split));
	memcpy(step->rate, v->rate, sizeof(step->rate));
	memcpy(step->counter, v->record->counter, sizeof(step->counter));
	step->has_depth = v->has_depth;
	step->depth = v->depth;
	step->capacity = v->capacity;
	step->level = v->level;
	for (int d = 0; d < 2; d++)
		take_side(r, step, v, d, now);
	step->state = top_step_state(step);
	take_since(step, v, now);
}

int top_rows_ended(struct top_rows *r, const struct record *record)
{
	struct top_step *step;

	if (r->ended_count == TOP_ENDED_MOST) {
		r->ended_lost++;
		return -ENOSPC;
	}
	if (make_room(&r->ended, &r->ended_room, r->ended_count + 1, sizeof(*r->ended)))
		return -ENOMEM;
	r->any_ever = true;
	step = &r->ended[r->ended_count++];
	memset(step, 0, sizeof(*step));
	name_step(step, record);
	memcpy(step->counter, record->counter, sizeof(step->counter));
	step->state = TOP_ENDED;
	step->marks = record->marks;
	return 0;
}

/* ---- Consumers ---- */

static char process_state(struct top_rows *r, const struct consumer_view *v)
{
	if (!r->process || !verdict_is_quiet(v) || r->asked == ASKED_MOST)
		return 0;
	r->asked++;
	return r->process(v->process.tgid);
}

static void take_consumer(struct top_rows *r, struct top_snapshot *s, const struct consumer_view *v,
			  uint64_t now)
{
	struct top_consumer *c = &s->consumers[s->consumer_count];
	struct verdict verdict = verdict_of(v, now, process_state(r, v));

	memset(c, 0, sizeof(*c));
	c->process = v->process;
	strncpy(c->name, v->name, sizeof(c->name) - 1);
	memcpy(c->some, v->some, sizeof(c->some));
	memcpy(c->full, v->full, sizeof(c->full));
	c->some_share = v->some_share;
	c->full_share = v->full_share;
	c->pressed = v->pressed;
	c->some_ns = v->some_ns;
	c->full_ns = v->full_ns;
	c->kind = verdict.kind;
	verdict_text(&verdict, now, c->verdict, sizeof(c->verdict));
	c->first = s->step_count;
	c->count = c->culprit = v->step_count;
	c->merged = 1;
	for (size_t i = 0; i < v->step_count; i++) {
		struct top_step *step = &s->steps[s->step_count++];

		take_step(r, step, v->steps[i], now);
		step->consumer = s->consumer_count;
		step->at_fault = verdict_accuses(&verdict, v->steps[i]);
		if (v->steps[i] == verdict.step)
			c->culprit = i;
		if (!i || step->key.instance < c->instance)
			c->instance = step->key.instance;
		c->partly |= step->partly;
	}
	if (c->partly)
		top_partly_mark(c, &s->steps[c->first], r->part, false);
	s->consumer_count++;
}

/* As the model has them. */
static int by_process(const void *left, const void *right)
{
	const struct top_consumer *a = left, *b = right;
	int process = memcmp(&a->process, &b->process, sizeof(a->process));

	return process ? process : (a->instance > b->instance) - (a->instance < b->instance);
}

/* One that is not watched just now is shown as it was seen last, while its process is there. */
static void carry(struct top_rows *r, struct top_snapshot *s, const struct top_consumer *last)
{
	struct top_consumer *c = &s->consumers[s->consumer_count];

	*c = *last;
	c->sibling = 0;
	c->first = s->step_count;
	for (size_t i = 0; i < c->count; i++) {
		struct top_step *step = &s->steps[s->step_count++];

		*step = r->shown.steps[last->first + i];
		step->consumer = s->consumer_count;
		for (int d = 0; d < 2; d++) {
			step->side[d].durations = durations_of(r, step, d);
			/* What was open is over, or may be. */
			top_side_measure(&step->side[d], 0, false);
		}
	}
	top_partly_mark(c, &s->steps[c->first], r->part, true);
	s->consumer_count++;
}

static void carry_away(struct top_rows *r, struct top_snapshot *s)
{
	const struct top_snapshot *last = &r->shown;
	const struct top_snapshot now = *s;

	for (size_t i = 0; r->any_partly && i < last->consumer_count; i++) {
		const struct top_consumer *c = &last->consumers[i];

		if (top_partly_is_away(c, last, &now, r->ended, r->ended_count) &&
		    (!r->process || r->process(c->process.tgid)))
			carry(r, s, c);
	}
	if (s->consumer_count > now.consumer_count)
		qsort(s->consumers, s->consumer_count, sizeof(*s->consumers), by_process);
}

/* The model has the consumers of a process one after another. */
static void number_siblings(struct top_snapshot *s)
{
	for (size_t i = 1; i < s->consumer_count; i++) {
		struct top_consumer *before = &s->consumers[i - 1], *c = &s->consumers[i];

		if (memcmp(&before->process, &c->process, sizeof(c->process)) != 0)
			continue;
		if (!before->sibling)
			before->sibling = 1;
		c->sibling = before->sibling + 1;
	}
}

/* ---- Snapshots ---- */

static int reserve(struct top_rows *r, size_t consumers, size_t steps)
{
	struct top_snapshot *s = &r->spare;

	if (make_room(&s->consumers, &r->spare_room[0], consumers, sizeof(*s->consumers)) ||
	    make_room(&s->steps, &r->spare_room[1], steps, sizeof(*s->steps)))
		return -ENOMEM;
	return make_room(&r->scratch, &r->scratch_room, steps, sizeof(*r->scratch));
}

static int by_key(const void *left, const void *right)
{
	const struct top_step *a = left, *b = right;

	return memcmp(&a->key, &b->key, sizeof(a->key));
}

/* The last record of a step may come in two drains: once is enough. */
static void order_ended(struct top_rows *r)
{
	size_t count = 0;

	if (!r->ended_count)
		return;
	qsort(r->ended, r->ended_count, sizeof(*r->ended), by_key);
	for (size_t i = 0; i < r->ended_count; i++)
		if (!count || by_key(&r->ended[count - 1], &r->ended[i]) != 0)
			r->ended[count++] = r->ended[i];
	r->ended_count = count;
}

/* What the model has from elsewhere, and a record has not: as it was shown last. */
static void complete_ended(struct top_rows *r)
{
	const struct top_snapshot *s = &r->shown;

	for (size_t i = 0; r->ended_count && i < s->step_count; i++) {
		const struct top_step *last = &s->steps[i];
		struct top_step *step =
			bsearch(last, r->ended, r->ended_count, sizeof(*r->ended), by_key);

		if (!step)
			continue;
		step->counter[COUNTER_BUSY_TIME] = last->counter[COUNTER_BUSY_TIME];
		step->series = last->series;
	}
	for (size_t i = 0; i < r->ended_count; i++)
		for (int d = 0; d < 2; d++) {
			struct top_side *side = &r->ended[i].side[d];

			side->durations = durations_of(r, &r->ended[i], d);
			top_side_measure(side, 0, false);
		}
}

/* What ended goes with the snapshot; its array is used again for the next ones. */
static void hand_over_ended(struct top_rows *r)
{
	struct top_step *array = r->shown.ended;
	size_t room = r->shown_ended_room;

	r->shown.ended = r->ended;
	r->shown.ended_count = r->ended_count;
	r->shown.ended_lost = r->ended_lost;
	r->shown_ended_room = r->ended_room;
	r->ended = array;
	r->ended_room = room;
	r->ended_count = 0;
}

static void show_spare(struct top_rows *r)
{
	struct top_snapshot was = r->shown;

	r->number++;
	r->shown = r->spare;
	r->shown.ended = was.ended;
	r->spare = was;
	r->spare.ended = NULL;
	for (int i = 0; i < 2; i++) {
		size_t room = r->shown_room[i];

		r->shown_room[i] = r->spare_room[i];
		r->spare_room[i] = room;
	}
}

static int make_snapshot(struct top_rows *r, const struct model *m, uint64_t now)
{
	size_t count, steps = 0;
	const struct consumer_view *views = model_consumers(m, &count);
	struct top_snapshot *s = &r->spare;

	for (size_t i = 0; i < count; i++)
		steps += views[i].step_count;
	if (reserve(r, count + r->shown.consumer_count, steps + r->shown.step_count))
		return -ENOMEM;
	s->now = now;
	s->any_ever = r->any_ever |= steps > 0;
	s->consumer_count = s->step_count = 0;
	r->asked = 0;
	for (size_t i = 0; i < count; i++)
		take_consumer(r, s, &views[i], now);
	carry_away(r, s);
	number_siblings(s);
	top_snapshot_sort(s, r->scratch);
	return 0;
}

static void show(struct top_rows *r)
{
	order_ended(r);
	complete_ended(r);
	show_spare(r);
	hand_over_ended(r);
}

void top_rows_partly(struct top_rows *r, bool any, double part)
{
	r->any_partly = any;
	r->part = part;
}

int top_rows_keep(struct top_rows *r, const struct model *m, uint64_t now)
{
	int err = make_snapshot(r, m, now);

	if (!err)
		show_spare(r);
	return err;
}

int top_rows_take(struct top_rows *r, const struct model *m, uint64_t now, bool hold)
{
	int err = take_durations(r, m);

	if (!hold && make_snapshot(r, m, now))
		err = -ENOMEM;
	else if (!hold)
		show(r);
	sweep_running(r);
	return err;
}
