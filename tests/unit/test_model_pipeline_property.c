/* SPDX-License-Identifier: MIT */
/*
 * Random graphs that come, change and die, and random samples of them, through the model and through
 * a second one that knows no sorting, no union and no walks: it looks at every pair, again and again.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "model.h"
#include "pipeline.h"
#include "seed.h"
#include "step_series.h"

#define STEPS     400 /* ever, in one run */
#define SAMPLES   64  /* between two drains */
#define PLACES    12
#define PROCESSES 3

struct naive_step {
	struct record r;
	bool known, dead;
	uint64_t judged_at;
	struct model_mark mark;
	size_t sample, mark_since; /* numbers of samples */
	uint64_t busy, state[MODEL_STATES];
	uint64_t refused; /* send time, as of the drain before */
	const struct step_view *view;
};

static struct naive_step steps[STEPS];
static size_t step_total, sample_number;
static uint64_t sampled_at;

/* The samples since the last drain: how long each is for, and who refuses in it. */
static struct {
	uint64_t ns;
	bool refuses[STEPS];
} samples[SAMPLES];
static size_t sample_count;

/* What the model said the last time. */
static uint64_t last_some[STEPS], last_full[STEPS], last_series[STEPS][COUNTERS];
static size_t last_consumer[STEPS]; /* 1 + the oldest step of its consumer */
static bool changed;                /* the graph, in this drain */

static bool lives(size_t i)
{
	return steps[i].known && !steps[i].dead;
}

static bool same_process(size_t a, size_t b)
{
	return !memcmp(&steps[a].r.key.process, &steps[b].r.key.process,
		       sizeof(steps[a].r.key.process));
}

/* ---- the second model ---- */

/* `to` is the newest at a place that `from` names, other than its own. */
static bool has_edge(size_t from, size_t to)
{
	bool named = false;

	if (!lives(from) || !lives(to) || !same_process(from, to) ||
	    steps[from].r.place == steps[to].r.place)
		return false;
	for (int i = 0; i < PB_MAX_NEXT && steps[from].r.next[i].place; i++)
		named |= steps[from].r.next[i].place == steps[to].r.place;
	for (size_t i = 0; i < step_total; i++)
		if (lives(i) && same_process(i, to) && steps[i].r.place == steps[to].r.place &&
		    steps[i].r.key.instance > steps[to].r.key.instance)
			return false;
	return named;
}

static bool edge[STEPS][STEPS]; /* of living ones */
static bool way[STEPS][STEPS];  /* along edges, the false ones included */
static size_t oldest[STEPS];    /* of the consumer */

static void find_ways(void)
{
	memcpy(way, edge, sizeof(way));
	for (size_t via = 0; via < step_total; via++)
		for (size_t i = 0; i < step_total; i++)
			for (size_t k = 0; way[i][via] && k < step_total; k++)
				way[i][k] |= way[via][k];
}

/* In a cycle, from an older step without marks to a younger one. */
static bool is_false(size_t from, size_t to)
{
	return way[to][from] && !steps[from].r.marks && from < to;
}

static void naive_graph(void)
{
	bool more = true;

	for (size_t i = 0; i < step_total; i++) {
		oldest[i] = i;
		for (size_t k = 0; k < step_total; k++)
			edge[i][k] = lives(i) && has_edge(i, k);
	}
	find_ways();
	for (size_t i = 0; i < step_total; i++)
		for (size_t k = 0; k < step_total; k++)
			edge[i][k] = edge[i][k] && !is_false(i, k);
	while (more) {
		more = false;
		for (size_t i = 0; i < step_total; i++) {
			for (size_t k = 0; k < step_total; k++) {
				if ((!edge[i][k] && !edge[k][i]) || oldest[k] >= oldest[i])
					continue;
				oldest[i] = oldest[k];
				more = true;
			}
		}
	}
}

static bool is_head(size_t i)
{
	for (size_t k = 0; k < step_total; k++)
		if (edge[k][i])
			return false;
	return true;
}

/* Going up `n` steps from step i without end means a cycle; else the longest way. */
static size_t longest_to(size_t i, size_t n)
{
	size_t longest = 0;

	for (size_t k = 0; k < step_total; k++) {
		size_t way;

		if (!edge[k][i])
			continue;
		way = n ? longest_to(k, n - 1) : STEPS;
		if (way >= longest)
			longest = way + 1;
	}
	return longest;
}

/* A way downwards, by the levels that were checked. */
static bool is_behind(size_t i, size_t from)
{
	for (size_t k = 0; k < step_total; k++)
		if (edge[from][k] && steps[k].view->level > steps[from].view->level &&
		    (k == i || is_behind(i, k)))
			return true;
	return false;
}

static bool in_sample(size_t i, size_t like)
{
	return lives(i) && steps[i].sample == sample_number && steps[i].mark.inside &&
	       same_process(i, like) && steps[i].mark.inside >> 2 == steps[like].mark.inside >> 2;
}

/* Nobody on the thread is behind it, and of those of whom that is true its mark is the latest. */
static bool naive_busy(size_t i)
{
	for (size_t k = 0; k < step_total; k++)
		if (k != i && in_sample(k, i) && is_behind(k, i))
			return false;
	for (size_t k = 0; k < step_total; k++) {
		bool last = true;

		if (k == i || !in_sample(k, i))
			continue;
		for (size_t j = 0; j < step_total; j++)
			last &= j == k || !in_sample(j, i) || !is_behind(j, k);
		if (last && (steps[k].mark_since > steps[i].mark_since ||
			     (steps[k].mark_since == steps[i].mark_since && k < i)))
			return false;
	}
	return true;
}

static void naive_sample(uint64_t ns)
{
	assert_true(sample_count < SAMPLES);
	samples[sample_count].ns = ns;
	for (size_t i = 0; i < step_total; i++) {
		const struct model_mark *mark = &steps[i].mark;
		bool in = lives(i) && steps[i].sample == sample_number;
		bool busy = in && mark->inside && naive_busy(i);
		enum model_state state = busy             ? MODEL_BUSY
					 : mark->blocked  ? MODEL_BLOCKED
					 : mark->refusing ? MODEL_REFUSING
							  : MODEL_IDLE;

		samples[sample_count].refuses[i] = in && mark->refusing;
		if (in)
			steps[i].state[state] += ns;
		if (busy)
			steps[i].busy += ns;
	}
	sample_count++;
}

/* ---- what happens ---- */

static void random_step(struct seed *s, uint64_t before)
{
	struct naive_step *step = &steps[step_total];

	*step = (struct naive_step){ .judged_at = before };
	step->r = placed(1 + (uint32_t)seed_below(s, PROCESSES), ++step_total);
	step->r.place = PLACE(1 + seed_below(s, PLACES));
	step->r.marks = seed_chance(s, 60);
	changed = true;
}

static void random_edges(struct seed *s, struct record *r)
{
	int have = 0;

	while (have < PB_MAX_NEXT && r->next[have].place)
		r->next[have++].refusals += seed_below(s, 5);
	if (have == PB_MAX_NEXT || !seed_chance(s, have ? 8 : 40))
		return;
	/* Mostly to a place further on, sometimes to any. */
	r->next[have].place = seed_chance(s, 85) ? r->place + PLACE(1 + seed_below(s, 3))
						 : PLACE(1 + seed_below(s, PLACES));
	changed = true;
}

static void random_drain(struct seed *s, struct model *m, uint64_t now, uint64_t before)
{
	changed = false;
	model_begin(m, now);
	for (uint64_t n = seed_chance(s, 50) ? seed_below(s, 5) : 0; n && step_total < STEPS; n--)
		random_step(s, before);
	for (size_t i = 0; i < step_total; i++) {
		struct naive_step *step = &steps[i];
		uint64_t elapsed = now - before;

		if (step->dead || (step->known && seed_chance(s, 20)))
			continue;
		random_edges(s, &step->r);
		step->r.counter[COUNTER_SEND] += seed_below(s, 20);
		step->r.counter[COUNTER_RECEIVE] += seed_below(s, 40);
		step->r.counter[COUNTER_ACCEPTED] += seed_below(s, 3);
		step->r.counter[COUNTER_SEND_TIME] +=
			seed_chance(s, 50) ? seed_below(s, elapsed) : 0;
		step->r.dead = seed_chance(s, 4);
		assert_int_equal(model_record(m, &step->r, ""), 0);
		changed |= step->r.dead;
		step->known = true;
		step->dead = step->r.dead;
	}
	model_end(m);
}

static void random_samples(struct seed *s, struct model *m, uint64_t *now)
{
	for (uint64_t n = seed_below(s, 8); n > 0; n--) {
		uint64_t ns;

		*now += seed_chance(s, 3) ? 3 * SEC : 1 + seed_below(s, 100 * MS);
		ns = sampled_at ? *now - sampled_at : 0;
		sampled_at = *now;
		sample_number++;
		model_sample_begin(m, *now);
		for (size_t i = 0; i < step_total; i++) {
			struct model_mark mark = { .refusing = seed_chance(s, 30),
						   .blocked = seed_chance(s, 30) };

			if (seed_chance(s, 10))
				continue;
			mark.inside = !steps[i].r.marks    ? 0
				      : seed_chance(s, 60) ? steps[i].mark.inside
				      : seed_chance(s, 50)
					      ? 0
					      : seed_below(s, 3) * 64 + 64 + seed_below(s, 2);
			if (mark.inside != steps[i].mark.inside ||
			    steps[i].sample + 1 != sample_number)
				steps[i].mark_since = sample_number;
			steps[i].mark = mark;
			steps[i].sample = sample_number;
			model_sample(m, &steps[i].r.key, &mark);
		}
		model_sample_end(m);
		naive_sample(ns < SEC ? ns : SEC);
	}
}

/* ---- the two are one ---- */

static size_t number_of(const struct step_view *view)
{
	return view->record->key.instance - 1;
}

static void find_views(const struct model *m)
{
	size_t count, living = 0;
	const struct step_view *views = model_steps(m, &count);

	for (size_t i = 0; i < step_total; i++) {
		steps[i].view = NULL;
		living += lives(i);
	}
	assert_int_equal(count, living);
	for (size_t i = 0; i < count; i++)
		steps[number_of(&views[i])].view = &views[i];
}

/* As far as a cycle leaves it open: one more than that of some caller, and of none that is above. */
static void check_level(size_t i)
{
	size_t level = steps[i].view->level, longest = longest_to(i, 14);
	bool follows = level == 0;

	if (longest < STEPS) {
		assert_int_equal(level, longest);
		return;
	}
	for (size_t k = 0; k < step_total; k++)
		follows |= edge[k][i] && steps[k].view->level + 1 == level;
	assert_true(follows);
}

static void check_edges_of(size_t from, const struct edge_view *edges, size_t count)
{
	uint64_t sum = 0;
	size_t due = 0;

	for (size_t i = 0; i < step_total; i++)
		due += edge[from][i];
	assert_int_equal(count, due);
	for (size_t i = 0; i < count; i++) {
		assert_true(edge[from][number_of(edges[i].to)]);
		sum += edges[i].refused;
		assert_true(edges[i].refused <= steps[from].r.counter[COUNTER_RECEIVE]);
		if (i)
			assert_true(edges[i - 1].to->level < edges[i].to->level ||
				    (edges[i - 1].to->level == edges[i].to->level &&
				     number_of(edges[i - 1].to) < number_of(edges[i].to)));
	}
	/* Less where it may hand on to something unwatched as well. */
	if (count > 1 || (count && !edges[0].estimated))
		assert_int_equal(sum, steps[from].r.counter[COUNTER_RECEIVE]);
}

static void check_edges(const struct consumer_view *c)
{
	size_t first = 0;

	for (size_t i = 0; i < c->step_count; i++) {
		size_t count = 0;

		while (first + count < c->edge_count && c->edges[first + count].from == c->steps[i])
			count++;
		check_edges_of(number_of(c->steps[i]), &c->edges[first], count);
		first += count;
	}
	assert_int_equal(first, c->edge_count);
}

static uint64_t bounded(uint64_t some, uint64_t most, uint64_t sum, uint64_t elapsed)
{
	some = some < sum ? some : sum;
	some = some < elapsed ? some : elapsed;
	return some > most ? some : most;
}

/* What came in this drain lies between what one step says and what all do; exact with one head. */
static void check_growth(const struct consumer_view *c, size_t id, uint64_t elapsed)
{
	uint64_t most = 0, sum = 0, some, head = 0;
	size_t heads = 0, longest = STEPS;

	for (size_t i = 0; i < c->step_count; i++) {
		const struct naive_step *step = &steps[number_of(c->steps[i])];
		uint64_t grown = step->r.counter[COUNTER_SEND_TIME] - step->refused;

		if (grown > most) {
			most = grown;
			longest = number_of(c->steps[i]);
		}
		sum += grown;
		if (c->steps[i]->level == 0) {
			heads++;
			head += grown;
		}
	}
	some = most;
	for (size_t i = 0; longest < STEPS && i < sample_count; i++) {
		bool any = false;

		for (size_t k = 0; k < c->step_count; k++)
			any |= samples[i].refuses[number_of(c->steps[k])];
		some += any && !samples[i].refuses[longest] ? samples[i].ns : 0;
	}
	/* And what drains before had no room for, up to two samples. */
	assert_in_range(c->some_ns - last_some[id], bounded(some, most, sum, elapsed),
			bounded(some + 100 * MS, most, sum, elapsed));
	if (heads == 1)
		assert_int_equal(c->full_ns - last_full[id], head);
}

static void check_consumer(const struct consumer_view *c, uint64_t elapsed)
{
	size_t id = oldest[number_of(c->steps[0])], members = 0;

	for (size_t i = 0; i < step_total; i++)
		members += lives(i) && oldest[i] == id;
	assert_int_equal(c->step_count, members);
	assert_memory_equal(&c->process, &steps[id].r.key.process, sizeof(c->process));
	for (size_t i = 0; i < c->step_count; i++) {
		const struct step_view *step = c->steps[i];

		assert_ptr_equal(step, steps[number_of(step)].view);
		assert_int_equal(oldest[number_of(step)], id);
		check_level(number_of(step));
		if (is_head(number_of(step)))
			assert_int_equal(step->level, 0);
		if (i)
			assert_true(c->steps[i - 1]->level < step->level ||
				    (c->steps[i - 1]->level == step->level &&
				     number_of(c->steps[i - 1]) < number_of(step)));
	}
	check_edges(c);
	assert_true(c->some_ns >= last_some[id] && c->full_ns >= last_full[id]);
	assert_true(c->full_ns <= c->some_ns);
	assert_true(c->full_share <= c->some_share && c->some_share <= 1);
	if (!changed && last_consumer[id] == id + 1)
		check_growth(c, id, elapsed);
	last_some[id] = c->some_ns;
	last_full[id] = c->full_ns;
}

static void check_consumers(const struct model *m, uint64_t elapsed)
{
	size_t count, roots = 0;
	const struct consumer_view *c = model_consumers(m, &count);

	for (size_t i = 0; i < step_total; i++)
		roots += lives(i) && oldest[i] == i;
	assert_int_equal(count, roots);
	for (size_t i = 0; i < count; i++) {
		check_consumer(&c[i], elapsed);
		if (!i)
			continue;
		assert_true(
			c[i - 1].process.tgid < c[i].process.tgid ||
			(c[i - 1].process.tgid == c[i].process.tgid &&
			 oldest[number_of(c[i - 1].steps[0])] < oldest[number_of(c[i].steps[0])]));
	}
	for (size_t i = 0; i < step_total; i++) {
		last_consumer[i] = lives(i) ? oldest[i] + 1 : 0;
		steps[i].refused = steps[i].r.counter[COUNTER_SEND_TIME];
	}
	sample_count = 0;
}

static void check_states(uint64_t now)
{
	for (size_t i = 0; i < step_total; i++) {
		struct naive_step *step = &steps[i];
		uint64_t sum = 0;
		double all = 0;

		if (!lives(i))
			continue;
		assert_int_equal(step->view->record->counter[COUNTER_BUSY_TIME], step->busy);
		if (now - step->judged_at < 900 * MS)
			continue;
		for (int k = 0; k < MODEL_STATES; k++)
			sum += step->state[k];
		for (int k = 0; k < MODEL_STATES; k++) {
			double due = sum ? (double)step->state[k] / (double)sum : 0;

			assert_true(fabs(step->view->state[k] - due) < 1e-12);
			all += step->view->state[k];
		}
		assert_true(fabs(all - (sum ? 1 : 0)) < 1e-12);
		memset(step->state, 0, sizeof(step->state));
		step->judged_at = now;
	}
}

/* Series by their ids: nothing of them shrinks. */
static void check_series(const struct model *m)
{
	size_t count;
	const struct series *const *series = model_series(m, &count);

	for (size_t i = 0; i < count; i++) {
		assert_true(series[i]->id < STEPS);
		for (int c = 0; c < COUNTERS; c++) {
			uint64_t *last = &last_series[series[i]->id][c];

			assert_true(series[i]->counter[c] >= *last);
			*last = series[i]->counter[c];
		}
	}
}

static void run(struct seed *s)
{
	struct model *m = model_new();
	uint64_t now = START, before = now;

	assert_non_null(m);
	memset(steps, 0, sizeof(steps));
	memset(last_some, 0, sizeof(last_some));
	memset(last_full, 0, sizeof(last_full));
	memset(last_series, 0, sizeof(last_series));
	memset(last_consumer, 0, sizeof(last_consumer));
	step_total = sample_number = sample_count = sampled_at = 0;
	model_begin(m, now);
	model_end(m);
	for (int i = 0; i < 60; i++) {
		random_samples(s, m, &now);
		now += 1 + seed_below(s, SEC);
		random_drain(s, m, now, before);
		naive_graph();
		find_views(m);
		check_consumers(m, now - before);
		check_states(now);
		check_series(m);
		before = now;
	}
	model_free(m);
}

static void test_like_a_naive_model(void **state)
{
	struct seed s = seed_new(__func__);

	(void)state;
	for (int i = 0; i < 20; i++)
		run(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_a_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
