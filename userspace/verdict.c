/* SPDX-License-Identifier: MIT */
#include "verdict.h"

#include <stdio.h>

#include "text.h"
#include "top_text.h"

/*
 * Of the second. Below the first, self time is what any chain has when it runs well: a slot that was
 * full for a moment. Up to the second it says less than a step that has the thread most of the time.
 */
#define SELF_SOME 0.02
#define SELF_MUCH 0.10
#define BUSY_MOST 0.50
/* So long it refuses: a thread that is inside another step at times is one that spins. */
#define SELF_NEARLY 0.80
/* Behind a bottleneck; a thread that spins through its chain is inside any step half of the time. */
#define BUSY_BEHIND 0.80
/*
 * Of the chain's self time. With 2/3 a step has at least twice as much as the next one; two that are
 * equally slow have half each, give or take what a second's noise makes of it.
 */
#define SELF_MOST (2.0 / 3)
/* One that tries again less often than this is taken to have stopped trying. */
#define QUIET_LONG 3000000000ull
/* Blocked steps in a row are so equally long; the last of them is next to the cause. */
#define BLOCKED_LIKE 0.9

/* Of two steps that block in turn: together they have the thread, and neither most of it. */
#define BUSY_BOTH 0.80

#define NAME_SHOWN 40 /* columns: two names and the numbers fit into a line */
#define NAME_SIZE  TOP_TEXT_SIZE(NAME_SHOWN)
#define STEPS_MOST 1000 /* looked at to find whether one step is behind another */

typedef double (*measure_fn)(const struct step_view *step);

static double self_of(const struct step_view *step)
{
	return step->self_share;
}

static double busy_of(const struct step_view *step)
{
	return step->state[MODEL_BUSY];
}

static double refusing_of(const struct step_view *step)
{
	return step->share[PUSHBACK_SEND];
}

static double blocked_of(const struct step_view *step)
{
	return step->share[PUSHBACK_RECEIVE];
}

/* The largest but for `apart`; NULL: there is none above 0. Of equals the first. */
static const struct step_view *largest(const struct consumer_view *c, measure_fn measure,
				       const struct step_view *apart)
{
	const struct step_view *best = NULL;

	for (size_t i = 0; i < c->step_count; i++)
		if (c->steps[i] != apart && measure(c->steps[i]) > (best ? measure(best) : 0))
			best = c->steps[i];
	return best;
}

static double sum(const struct consumer_view *c, measure_fn measure)
{
	double all = 0;

	for (size_t i = 0; i < c->step_count; i++)
		all += measure(c->steps[i]);
	return all;
}

static bool is_behind(const struct consumer_view *c, const struct step_view *step,
		      const struct step_view *from, unsigned int *left)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		const struct step_view *to = c->edges[i].to;

		if (c->edges[i].from != from || to->level <= from->level)
			continue;
		if (to == step)
			return true;
		if (*left && to->level < step->level && (--*left, is_behind(c, step, to, left)))
			return true;
	}
	return false;
}

bool verdict_is_quiet(const struct consumer_view *c)
{
	static const enum counter signs[] = { COUNTER_ACCEPTED, COUNTER_SEND, COUNTER_FORWARDED,
					      COUNTER_RECEIVE };

	for (size_t i = 0; i < c->step_count; i++)
		for (size_t k = 0; k < sizeof(signs) / sizeof(signs[0]); k++)
			if (c->steps[i]->rate[signs[k]] > 0)
				return false;
	return true;
}

/* The busiest of those behind `from`, if it is busier than any other step; else NULL. */
static const struct step_view *busy_behind(const struct consumer_view *c,
					   const struct step_view *from)
{
	const struct step_view *busy = largest(c, busy_of, NULL);
	unsigned int left = STEPS_MOST;

	return busy && is_behind(c, busy, from, &left) ? busy : NULL;
}

static struct verdict between(struct verdict v, const struct step_view *step, measure_fn measure,
			      const struct step_view *other, measure_fn other_measure)
{
	v.kind = VERDICT_UNCLEAR;
	v.step = step;
	v.share = measure(step);
	v.is_busy = measure == busy_of;
	v.other = other;
	v.other_share = other_measure(other);
	v.other_is_busy = other_measure == busy_of;
	return v;
}

static struct verdict busiest(struct verdict v, const struct step_view *busy)
{
	v.kind = VERDICT_BUSIEST;
	v.step = busy;
	v.share = busy_of(busy);
	v.spell = busy->spell[MODEL_SPELL_BUSY];
	return v;
}

/*
 * While a thread blocks inside a step, what is before that goes on refusing, by itself as it seems:
 * who is busy behind it for longer than it refuses has a part in it.
 */
static struct verdict by_self(const struct consumer_view *c, struct verdict v, double all)
{
	const struct step_view *step = largest(c, self_of, NULL), *busy = busy_behind(c, step);
	double share = self_of(step), inside = busy ? busy_of(busy) : 0;

	if (share <= all * SELF_MOST)
		return between(v, step, self_of, largest(c, self_of, step), self_of);
	if (busy && inside > (share + inside) * SELF_MOST)
		return busiest(v, busy);
	if (busy && inside > share && share < SELF_NEARLY)
		return between(v, step, self_of, busy, busy_of);
	v.kind = VERDICT_BOTTLENECK;
	v.step = step;
	v.share = share;
	v.spell = step->fault;
	if (inside >= BUSY_BEHIND) {
		v.other = busy;
		v.other_share = inside;
	}
	return v;
}

/* The last of those that are blocked the longest. */
static const struct step_view *last_blocked(const struct consumer_view *c)
{
	const struct step_view *best = largest(c, blocked_of, NULL);
	double like = best ? blocked_of(best) * BLOCKED_LIKE : 0;

	for (size_t i = 0; best && i < c->step_count; i++)
		if (blocked_of(c->steps[i]) >= like && c->steps[i]->level > best->level)
			best = c->steps[i];
	return best;
}

static struct verdict by_busy(const struct consumer_view *c, struct verdict v)
{
	const struct step_view *busy = largest(c, busy_of, NULL);
	const struct step_view *other = largest(c, busy_of, busy);

	if (busy && other && busy_of(busy) + busy_of(other) >= BUSY_BOTH &&
	    busy_of(other) * SELF_MOST >= busy_of(busy) * (1 - SELF_MOST))
		return between(v, busy, busy_of, other, busy_of);
	if (busy && busy_of(busy) >= BUSY_MOST)
		return busiest(v, busy);
	v.kind = v.quiet_ns ? VERDICT_NOTHING : VERDICT_FLOWING;
	if (!busy || v.kind == VERDICT_NOTHING)
		return v;
	v.step = busy;
	v.share = busy_of(busy);
	return v;
}

static struct verdict by_shares(const struct consumer_view *c, struct verdict v)
{
	const struct step_view *busy = largest(c, busy_of, NULL);
	const struct step_view *blocked = last_blocked(c);
	bool is_busy = busy && busy_of(busy) >= BUSY_MOST;
	double self = sum(c, self_of);

	if (self >= (is_busy ? SELF_MUCH : SELF_SOME))
		return by_self(c, v, self);
	if (!blocked || blocked_of(blocked) < (is_busy ? BUSY_MOST : SELF_SOME))
		return by_busy(c, v);
	/* Its last offer was refused, and it has no chance to make another one meanwhile. */
	if (is_busy && busy_behind(c, blocked))
		return by_busy(c, v);
	v.kind = VERDICT_BEHIND;
	v.step = blocked;
	v.share = blocked_of(blocked);
	v.spell = blocked->spell[MODEL_SPELL_RECEIVE];
	return v;
}

static struct verdict facts_of(const struct consumer_view *c, uint64_t now)
{
	const struct step_view *refusing = largest(c, refusing_of, NULL);
	struct verdict v = { .refuses = refusing ? refusing_of(refusing) : 0 };
	size_t marks = 0;

	for (size_t i = 0; i < c->step_count; i++)
		marks += c->steps[i]->marks;
	v.marks = !marks ? MARKS_NONE : marks < c->step_count ? MARKS_SOME : MARKS_ALL;
	if (verdict_is_quiet(c))
		v.quiet_ns = now > c->driven_at ? now - c->driven_at : 1;
	return v;
}

struct verdict verdict_of(const struct consumer_view *c, uint64_t now, char state)
{
	struct verdict v = facts_of(c, now);

	if (!c->judged)
		return v;
	if (v.quiet_ns && (state == 'T' || state == 't')) {
		v.kind = VERDICT_STOPPED;
		v.state = state;
		return v;
	}
	/* What is open since then says nothing of now. */
	if (v.quiet_ns >= QUIET_LONG)
		return by_busy(c, v);
	return by_shares(c, v);
}

bool verdict_accuses(const struct verdict *v, const struct step_view *step)
{
	/* Of a bottleneck the other one is only said to be busy behind it. */
	if (v->kind == VERDICT_UNCLEAR && step == v->other)
		return true;
	return v->kind != VERDICT_FLOWING && step == v->step;
}

/* ---- In words ---- */

static const char *name_of(char name[NAME_SIZE], const struct step_view *step)
{
	/* UTF-8 that the locale knows; who shows it decides whether the terminal does. */
	top_text_line(name, text_name(step->record->name), NAME_SHOWN, true);
	return name;
}

#define CLAUSE_SIZE 640

/* ", for at least 3m12s"; empty outside of a spell. */
static void spell_text(char text[CLAUSE_SIZE], const struct spell *spell, uint64_t now)
{
	char time[TOP_NUMBER_SIZE];

	text[0] = '\0';
	if (!spell->since || spell->since >= now)
		return;
	top_text_time(time, now - spell->since);
	snprintf(text, CLAUSE_SIZE, ", for %s%s", spell->at_least ? "at least " : "", time);
}

/* "nothing has been submitted for 12s" */
static void quiet_text(char text[CLAUSE_SIZE], const struct verdict *v)
{
	char time[TOP_NUMBER_SIZE];

	top_text_time(time, v->quiet_ns);
	snprintf(text, CLAUSE_SIZE, "nothing has been submitted for %s%s", time,
		 v->refuses > 0 ? " (what refused then still counts as refusing)" : "");
}

static void bottleneck_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	char name[NAME_SIZE], other[NAME_SIZE], spell[CLAUSE_SIZE], behind[CLAUSE_SIZE] = "";
	char share[TOP_NUMBER_SIZE];

	spell_text(spell, &v->spell, now);
	top_text_percent(share, v->other_share);
	if (v->other)
		snprintf(behind, sizeof(behind), "; behind it %s is busy %s %% of the time",
			 name_of(other, v->other), share);
	top_text_percent(share, v->share);
	snprintf(text, size, "%s is the bottleneck: %s %% self time%s%s", name_of(name, v->step),
		 share, spell, behind);
}

/* Before the busiest step's name. */
static void calm_text(char text[CLAUSE_SIZE], const struct verdict *v)
{
	if (v->quiet_ns >= QUIET_LONG)
		quiet_text(text, v);
	else
		snprintf(text, CLAUSE_SIZE, "%s",
			 v->refuses > 0 ? "hardly anything refuses" : "nothing refuses");
}

/* Nothing refuses (much), or all that does waits for it: who is busy? */
static void busy_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	char name[NAME_SIZE], share[TOP_NUMBER_SIZE], spell[CLAUSE_SIZE], calm[CLAUSE_SIZE];

	calm_text(calm, v);
	if (!v->step) {
		snprintf(text, size, "%s; %s", calm,
			 v->marks == MARKS_NONE ? "who is busy is not known: no enter marks"
						: "no step is seen to be busy");
		return;
	}
	spell_text(spell, &v->spell, now);
	top_text_percent(share, v->share);
	if (v->refuses >= SELF_MUCH && v->quiet_ns < QUIET_LONG)
		snprintf(text, size,
			 "%s is busy: inside it %s %% of the time%s; what refuses waits for it",
			 name_of(name, v->step), share, spell);
	else
		snprintf(text, size, "%s; busiest%s is %s: inside it %s %% of the time%s", calm,
			 v->marks == MARKS_SOME ? " of those with enter marks" : "",
			 name_of(name, v->step), share, spell);
}

static void nothing_text(const struct verdict *v, char *text, size_t size)
{
	char quiet[CLAUSE_SIZE];

	quiet_text(quiet, v);
	if (v->kind == VERDICT_STOPPED)
		snprintf(text, size, "the process is stopped (state %c): %s", v->state, quiet);
	else
		snprintf(text, size, "%s%s", quiet,
			 v->marks == MARKS_ALL
				 ? ""
				 : "; idle or inside a call: not all steps have enter marks");
}

/* "transform (31 % self time)", "batch (busy 52 %)" */
static void part_text(char text[CLAUSE_SIZE], const struct step_view *step, double part, bool busy)
{
	char name[NAME_SIZE], share[TOP_NUMBER_SIZE];

	top_text_percent(share, part);
	snprintf(text, CLAUSE_SIZE, busy ? "%s (busy %s %%)" : "%s (%s %% self time)",
		 name_of(name, step), share);
}

static void unclear_text(const struct verdict *v, char *text, size_t size)
{
	char part[CLAUSE_SIZE], other[CLAUSE_SIZE];

	part_text(part, v->step, v->share, v->is_busy);
	part_text(other, v->other, v->other_share, v->other_is_busy);
	snprintf(text, size, "no clear culprit between %s and %s", part, other);
}

static void behind_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	char name[NAME_SIZE], share[TOP_NUMBER_SIZE], spell[CLAUSE_SIZE];

	spell_text(spell, &v->spell, now);
	top_text_percent(share, v->share);
	snprintf(text, size,
		 "%s is blocked %s %% of the time by something behind it that is not watched%s",
		 name_of(name, v->step), share, spell);
}

void verdict_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	switch (v->kind) {
	case VERDICT_MEASURING:
		snprintf(text, size, "measuring the first second");
		break;
	case VERDICT_NOTHING:
	case VERDICT_STOPPED:
		nothing_text(v, text, size);
		break;
	case VERDICT_FLOWING:
	case VERDICT_BUSIEST:
		busy_text(v, now, text, size);
		break;
	case VERDICT_BOTTLENECK:
		bottleneck_text(v, now, text, size);
		break;
	case VERDICT_UNCLEAR:
		unclear_text(v, text, size);
		break;
	case VERDICT_PARTLY:
		break;
	case VERDICT_BEHIND:
		behind_text(v, now, text, size);
		break;
	}
}
