/* SPDX-License-Identifier: MIT */
#include "top_agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "top_text.h"

#define NAME_SHOWN 41 /* with its NUL */
#define RUNS_SHOWN 3

/* Consumers of a group that say the same. */
struct run {
	const struct top_opinion *one;
	size_t count;
};

struct top_opinion top_opinion_of(const struct top_snapshot *s, size_t consumer, size_t group)
{
	const struct top_consumer *c = &s->consumers[consumer];
	bool about =
		c->culprit < c->count && (c->kind == VERDICT_BOTTLENECK ||
					  c->kind == VERDICT_BUSIEST || c->kind == VERDICT_BEHIND);

	return (struct top_opinion){ .group = group,
				     .consumer = c,
				     .step = about ? s->steps[c->first + c->culprit].name : "" };
}

static bool same(const struct top_opinion *a, const struct top_opinion *b)
{
	return a->group == b->group && a->consumer->kind == b->consumer->kind &&
	       !strcmp(a->step, b->step);
}

static int by_opinion(const void *left, const void *right)
{
	const struct top_opinion *a = left, *b = right;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->consumer->kind != b->consumer->kind)
		return a->consumer->kind < b->consumer->kind ? -1 : 1;
	return strcmp(a->step, b->step);
}

/* Those in most trouble first, as consumers are shown; of equals those of which there are most. */
static bool is_before(const struct run *a, const struct run *b)
{
	unsigned int x = top_kind_trouble(a->one->consumer->kind);
	unsigned int y = top_kind_trouble(b->one->consumer->kind);

	if (x != y)
		return x > y;
	if (a->count != b->count)
		return a->count > b->count;
	return a->one->consumer->kind < b->one->consumer->kind;
}

/* Into the first RUNS_SHOWN of all that there are. */
static void keep(struct run runs[RUNS_SHOWN], struct run one)
{
	for (size_t i = 0; i < RUNS_SHOWN; i++) {
		struct run other = runs[i];

		if (other.count && !is_before(&one, &other))
			continue;
		runs[i] = one;
		one = other;
		if (!one.count)
			return;
	}
}

static void phrase(const struct top_opinion *o, char *text, size_t size)
{
	char name[NAME_SHOWN];

	top_text_safe(name, sizeof(name), text_name(o->step), true);
	switch (o->consumer->kind) {
	case VERDICT_MEASURING:
		snprintf(text, size, "the first second is being measured");
		break;
	case VERDICT_NOTHING:
		snprintf(text, size, "nothing is being submitted");
		break;
	case VERDICT_STOPPED:
		snprintf(text, size, "the process is stopped");
		break;
	case VERDICT_FLOWING:
		snprintf(text, size, "there is no bottleneck");
		break;
	case VERDICT_BUSIEST:
		snprintf(text, size, "%s is busy most of the time", name);
		break;
	case VERDICT_BOTTLENECK:
		snprintf(text, size, "%s is the bottleneck", name);
		break;
	case VERDICT_UNCLEAR:
		snprintf(text, size, "there is no clear culprit");
		break;
	case VERDICT_PARTLY:
		snprintf(text, size, "there is no verdict: watched partly, by --budget");
		break;
	case VERDICT_BEHIND:
		snprintf(text, size, "%s is blocked by something that is not watched", name);
		break;
	}
}

/* As the merged row has it. */
static void add_self(const struct top_snapshot *merged, struct top_consumer *to, const char *step)
{
	char share[TOP_NUMBER_SIZE];
	size_t used = strlen(to->verdict);

	for (size_t i = to->first; i < to->first + to->count; i++) {
		if (strcmp(merged->steps[i].name, step) != 0)
			continue;
		top_text_percent(share, merged->steps[i].self);
		snprintf(to->verdict + used, sizeof(to->verdict) - used, ": %s %% self time",
			 share);
		return;
	}
}

static void tell(const struct top_snapshot *merged, struct top_consumer *to,
		 const struct run runs[RUNS_SHOWN], size_t all)
{
	char text[TOP_VERDICT_SIZE / (RUNS_SHOWN + 1)];
	size_t used = 0, left = all;

	to->kind = runs[0].one->consumer->kind;
	phrase(runs[0].one, text, sizeof(text));
	if (runs[0].count == all) {
		if (all == 2)
			snprintf(to->verdict, sizeof(to->verdict), "in both %s", text);
		else
			snprintf(to->verdict, sizeof(to->verdict), "in all %zu %s", all, text);
		if (to->kind == VERDICT_BOTTLENECK)
			add_self(merged, to, runs[0].one->step);
		return;
	}
	for (size_t i = 0; i < RUNS_SHOWN && runs[i].count; i++) {
		phrase(runs[i].one, text, sizeof(text));
		if (i)
			used += (size_t)snprintf(to->verdict + used, sizeof(to->verdict) - used,
						 ", in %zu %s", runs[i].count, text);
		else
			used += (size_t)snprintf(to->verdict, sizeof(to->verdict),
						 "in %zu of %zu %s", runs[i].count, all, text);
		left -= runs[i].count;
	}
	if (left)
		snprintf(to->verdict + used, sizeof(to->verdict) - used, ", in %zu otherwise",
			 left);
}

void top_agree(struct top_snapshot *merged, struct top_opinion *opinions, size_t count)
{
	qsort(opinions, count, sizeof(*opinions), by_opinion);
	for (size_t first = 0, next; first < count; first = next) {
		struct run runs[RUNS_SHOWN] = { { 0 } };
		size_t group = opinions[first].group, run;

		for (next = first; next < count && opinions[next].group == group; next = run) {
			for (run = next; run < count && same(&opinions[run], &opinions[next]);
			     run++)
				;
			keep(runs, (struct run){ &opinions[next], run - next });
		}
		if (next - first > 1)
			tell(merged, &merged->consumers[group], runs, next - first);
	}
}
