/* SPDX-License-Identifier: MIT */
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

/*
 * Of the second. Below the first, self time is what any chain has when it runs well: a slot that was
 * full for a moment. Up to the second it says less than a step that has the thread most of the time.
 */
#define SELF_SOME 0.02
#define SELF_MUCH 0.10
#define BUSY_MOST 0.50
/* Behind a bottleneck; a thread that spins through its chain is inside any step half of the time. */
#define BUSY_BEHIND 0.80
/*
 * Of the chain's self time. With 2/3 a step has at least twice as much as the next one; two that are
 * equally slow have half each, give or take what a second's noise makes of it.
 */
#define SELF_MOST (2.0 / 3)
/* Blocked steps in a row are so equally long; the last of them is next to the cause. */
#define BLOCKED_LIKE 0.9

#define NAME_SHOWN 41   /* with its NUL: two names and the numbers fit into a line */
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

static bool is_driven(const struct consumer_view *c)
{
	static const enum counter signs[] = { COUNTER_ACCEPTED, COUNTER_SEND, COUNTER_FORWARDED,
					      COUNTER_RECEIVE };

	for (size_t i = 0; i < c->step_count; i++)
		for (size_t k = 0; k < sizeof(signs) / sizeof(signs[0]); k++)
			if (c->steps[i]->rate[signs[k]] > 0)
				return true;
	return largest(c, busy_of, NULL) != NULL;
}

static struct verdict by_self(const struct consumer_view *c, struct verdict v)
{
	const struct step_view *busy = largest(c, busy_of, NULL);
	unsigned int left = STEPS_MOST;

	v.step = largest(c, self_of, NULL);
	v.share = self_of(v.step);
	if (v.share <= v.self_share * SELF_MOST) {
		v.kind = VERDICT_UNCLEAR;
		v.other = largest(c, self_of, v.step);
		v.other_share = self_of(v.other);
		return v;
	}
	v.kind = VERDICT_BOTTLENECK;
	if (busy && busy_of(busy) >= BUSY_BEHIND && is_behind(c, busy, v.step, &left)) {
		v.other = busy;
		v.other_share = busy_of(busy);
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

struct verdict verdict_of(const struct consumer_view *consumer)
{
	const struct step_view *busy = largest(consumer, busy_of, NULL);
	const struct step_view *blocked = last_blocked(consumer);
	bool is_busy = busy && busy_of(busy) >= BUSY_MOST;
	struct verdict v = { .self_share = sum(consumer, self_of) };

	if (v.self_share >= (is_busy ? SELF_MUCH : SELF_SOME))
		return by_self(consumer, v);
	if (blocked && blocked_of(blocked) >= (is_busy ? BUSY_MOST : SELF_SOME)) {
		v.kind = VERDICT_BEHIND;
		v.step = blocked;
		v.share = blocked_of(blocked);
	} else if (is_busy) {
		v.kind = VERDICT_BUSIEST;
		v.step = busy;
		v.share = busy_of(busy);
	} else if (is_driven(consumer)) {
		v.kind = VERDICT_FLOWING;
	}
	return v;
}

/* ---- In words ---- */

static const char *name_of(char name[NAME_SHOWN], const struct step_view *step)
{
	if (!step)
		return "";
	return text_safe(name, NAME_SHOWN, *step->record->name ? step->record->name : "(no name)");
}

/* "0 %" is for nothing at all. */
static int percent(double share)
{
	int whole = (int)(share * 100 + 0.5);

	return !whole && share > 0 ? 1 : whole;
}

#define CLAUSE_SIZE 128

/* ", refusing for 3m12s"; empty outside of a spell. */
static void spell_text(char text[CLAUSE_SIZE], const struct step_view *step, uint64_t now)
{
	uint64_t since = step->spell_since[PUSHBACK_SEND];
	uint64_t s = since && since < now ? (now - since) / 1000000000 : 0;

	text[0] = '\0';
	if (s >= 3600)
		snprintf(text, CLAUSE_SIZE, ", refusing for %" PRIu64 "h%02" PRIu64 "m", s / 3600,
			 s / 60 % 60);
	else if (s >= 60)
		snprintf(text, CLAUSE_SIZE, ", refusing for %" PRIu64 "m%02" PRIu64 "s", s / 60,
			 s % 60);
	else if (since && since < now)
		snprintf(text, CLAUSE_SIZE, ", refusing for %" PRIu64 "s", s);
}

static void bottleneck_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	char name[NAME_SHOWN], other[NAME_SHOWN], spell[CLAUSE_SIZE], behind[CLAUSE_SIZE] = "";

	spell_text(spell, v->step, now);
	if (v->other)
		snprintf(behind, sizeof(behind), "; behind it %s is busy %d %% of the time",
			 name_of(other, v->other), percent(v->other_share));
	snprintf(text, size, "%s is the bottleneck: %d %% self time%s%s", name_of(name, v->step),
		 percent(v->share), spell, behind);
}

void verdict_text(const struct verdict *v, uint64_t now, char *text, size_t size)
{
	char name[NAME_SHOWN], other[NAME_SHOWN];

	name_of(name, v->step);
	name_of(other, v->other);
	switch (v->kind) {
	case VERDICT_NOTHING:
		snprintf(text, size, "nothing is being submitted");
		break;
	case VERDICT_FLOWING:
		snprintf(text, size, "nothing refuses");
		break;
	case VERDICT_BUSIEST:
		snprintf(text, size, "%s refuses; busiest is %s: inside it %d %% of the time",
			 v->self_share >= 0.005 ? "hardly anything" : "nothing", name,
			 percent(v->share));
		break;
	case VERDICT_BOTTLENECK:
		bottleneck_text(v, now, text, size);
		break;
	case VERDICT_UNCLEAR:
		snprintf(text, size, "no clear culprit between %s (%d %%) and %s (%d %%)", name,
			 percent(v->share), other, percent(v->other_share));
		break;
	case VERDICT_BEHIND:
		snprintf(text, size,
			 "%s is blocked %d %% of the time by something behind it that is not "
			 "watched",
			 name, percent(v->share));
		break;
	}
}
