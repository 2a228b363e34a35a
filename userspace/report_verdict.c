/* SPDX-License-Identifier: MIT */
#include "report_verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRESSED 0.5
#define US_A_S  1e6

/* Views of a consumer as if what is judged had been its last second. */
struct as_views {
	struct consumer_view consumer;
	struct record *records;
	struct step_view *steps;
	const struct step_view **shown;
	struct edge_view *edges;
	uint64_t seconds;
};

static bool is_pressed(const struct report_strips *s, const struct report_consumer *c, size_t cell)
{
	double most = (double)report_cell_seconds(s, cell) * US_A_S * PRESSED;

	for (size_t i = 0; i < c->count; i++)
		if ((double)c->steps[i].cells[cell].refusing >= most)
			return true;
	return false;
}

static bool is_driven(const struct report_strips *s, const struct report_consumer *c, size_t cell)
{
	(void)s;
	for (size_t i = 0; i < c->count; i++) {
		const struct recorder_sums *sums = &c->steps[i].cells[cell];

		if (sums->accepted || sums->rejected || sums->forwarded || sums->refused)
			return true;
	}
	return false;
}

static void find_stretches(const struct report_strips *s, const struct report_consumer *c,
			   struct report_verdict *v)
{
	size_t begin = 0;
	bool before = false;

	for (size_t i = 0; i < s->cell_count; i++) {
		bool now = is_pressed(s, c, i);

		if (now && !before) {
			begin = i;
			v->stretches++;
		}
		if (now) {
			v->pressed_s += report_cell_seconds(s, i);
			if (i + 1 - begin > v->longest_count) {
				v->longest = begin;
				v->longest_count = i + 1 - begin;
			}
		}
		before = now;
	}
}

/* ---- As if it had been one second ---- */

static void add(struct recorder_sums *to, const struct recorder_sums *from)
{
	to->refusing += from->refusing;
	to->blocked += from->blocked;
	to->self += from->self;
	to->busy += from->busy;
	to->accepted += from->accepted;
	to->rejected += from->rejected;
	to->forwarded += from->forwarded;
	to->refused += from->refused;
}

static double share(uint64_t us, uint64_t seconds)
{
	double all = seconds ? (double)us / US_A_S / (double)seconds : 0;

	return all < 1 ? all : 1;
}

static void view_step(struct as_views *v, size_t i, const struct report_step *step,
		      const struct recorder_sums *sums)
{
	struct step_view *view = &v->steps[i];
	struct record *record = &v->records[i];
	double seconds = v->seconds ? (double)v->seconds : 1;

	record->key = step->strip->key;
	memcpy(record->name, step->strip->name, sizeof(record->name));
	view->record = record;
	view->judged = true;
	view->marks = step->strip->marks;
	view->level = step->strip->level;
	view->share[0] = share(sums->refusing, v->seconds);
	view->share[1] = share(sums->blocked, v->seconds);
	view->self_share = share(sums->self, v->seconds);
	view->state[MODEL_BUSY] = share(sums->busy, v->seconds);
	view->rate[COUNTER_ACCEPTED] = (double)sums->accepted / seconds;
	view->rate[COUNTER_SEND] = (double)sums->rejected / seconds;
	view->rate[COUNTER_FORWARDED] = (double)sums->forwarded / seconds;
	view->rate[COUNTER_RECEIVE] = (double)sums->refused / seconds;
	v->shown[i] = view;
}

/* All are of one process, in which no two have an instance: an edge has one end, and there is room. */
static void view_edges(struct as_views *v, const struct report_consumer *c)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t n = 0; n < PB_MAX_NEXT && c->steps[i].strip->next[n].instance; n++)
			for (size_t k = 0; k < c->count; k++)
				if (c->steps[k].strip->key.instance ==
				    c->steps[i].strip->next[n].instance)
					v->edges[v->consumer.edge_count++] =
						(struct edge_view){ .from = &v->steps[i],
								    .to = &v->steps[k] };
}

static void views_free(struct as_views *v)
{
	free(v->records);
	free(v->steps);
	free(v->shown);
	free(v->edges);
}

static int views_new(struct as_views *v, const struct report_consumer *c)
{
	*v = (struct as_views){ .records = calloc(c->count, sizeof(*v->records)),
				.steps = calloc(c->count, sizeof(*v->steps)),
				.shown = calloc(c->count, sizeof(*v->shown)),
				.edges = calloc(c->count * PB_MAX_NEXT, sizeof(*v->edges)) };
	if (v->records && v->steps && v->shown && v->edges)
		return 0;
	views_free(v);
	return -ENOMEM;
}

static void view_all(struct as_views *v, const struct report_strips *s,
		     const struct report_consumer *c, bool pressed)
{
	for (size_t i = 0; i < s->cell_count; i++)
		if (pressed ? is_pressed(s, c, i) : is_driven(s, c, i))
			v->seconds += report_cell_seconds(s, i);
	for (size_t k = 0; k < c->count; k++) {
		struct recorder_sums sums = { 0 };

		for (size_t i = 0; i < s->cell_count; i++)
			if (pressed ? is_pressed(s, c, i) : is_driven(s, c, i))
				add(&sums, &c->steps[k].cells[i]);
		view_step(v, k, &c->steps[k], &sums);
	}
	view_edges(v, c);
	v->consumer.steps = v->shown;
	v->consumer.step_count = c->count;
	v->consumer.edges = v->edges;
	v->consumer.judged = v->seconds > 0;
}

static void say(struct report_verdict *out, const struct verdict *v, uint64_t now)
{
	out->kind = v->kind;
	if (out->judged_s)
		verdict_text(v, now, out->text, sizeof(out->text));
	else
		snprintf(out->text, sizeof(out->text), "no step was driven in this time");
}

int report_judge(const struct report_strips *s, const struct report_consumer *c,
		 struct report_verdict *out)
{
	struct as_views v;
	struct verdict verdict;
	uint64_t now;
	int err;

	*out = (struct report_verdict){ .accused = calloc(c->count, sizeof(bool)) };
	err = out->accused ? views_new(&v, c) : -ENOMEM;
	if (err) {
		free(out->accused);
		out->accused = NULL;
		return err;
	}
	find_stretches(s, c, out);
	view_all(&v, s, c, out->pressed_s > 0);
	out->judged_s = v.seconds;
	/* If it was not driven at all it has been quiet for as long as it is judged. */
	now = v.seconds * 1000000000u;
	verdict = verdict_of(&v.consumer, now, 0);
	say(out, &verdict, now);
	for (size_t i = 0; i < c->count; i++)
		out->accused[i] = out->judged_s && verdict_accuses(&verdict, &v.steps[i]);
	views_free(&v);
	return 0;
}
