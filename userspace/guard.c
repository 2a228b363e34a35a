/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "msg.h"

/* A consumer that spins is slowed for no longer before that is noticed. */
#define LOOK_NS 100000000ull

struct guard {
	struct attach *attach;
	struct guard_options options;
	struct budget *budgets; /* by number */
	int count;
	uint64_t due;
	size_t partly;
	double part;
};

struct guard *guard_new(struct attach *attach, const struct guard_options *options)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->attach = attach;
	g->options = *options;
	g->part = 1;
	return g;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	free(g->budgets);
	free(g);
}

uint64_t guard_due(const struct guard *g)
{
	return g ? g->due : UINT64_MAX;
}

size_t guard_partly(const struct guard *g)
{
	return g ? g->partly : 0;
}

double guard_part(const struct guard *g)
{
	return g ? g->part : 1;
}

/* Without memory those beyond are not looked at; once more next time. */
static void reserve(struct guard *g)
{
	int count = attach_numbers(g->attach);
	struct budget *budgets;

	if (count <= g->count)
		return;
	budgets = realloc(g->budgets, (size_t)count * sizeof(*budgets));
	if (!budgets)
		return;
	memset(budgets + g->count, 0, (size_t)(count - g->count) * sizeof(*budgets));
	g->budgets = budgets;
	g->count = count;
}

static const char *name_of(const struct guard *g, int number, char *text, size_t size)
{
	char name[ATTACH_NAME_SIZE];

	attach_name(g->attach, number, name);
	return msg_safe(text, size, name);
}

static void pause_file(struct guard *g, int number, bool first)
{
	const struct budget *b = &g->budgets[number];
	double share = g->options.rules.share, load = budget_load(b);
	char name[256];

	attach_pause(g->attach, number);
	g->options.paused(number, g->options.context);
	if (first)
		msg_warn("%s: its probes take %.0f%% of a core (%.0f hits a second), more than "
			 "--budget %g%%: watched for about %.1f%% of the time from now on, as "
			 "watched:partly; a larger --budget watches it whole",
			 name_of(g, number, name, sizeof(name)), load * 100, budget_rate(b),
			 share * 100, load > 0 ? share / load * 100 : 0.0);
}

static void resume_file(struct guard *g, int number, bool partly)
{
	struct budget *b = &g->budgets[number];
	double part = budget_part(b);
	char name[256];

	if (!partly) {
		attach_pause(g->attach, number);
		g->options.paused(number, g->options.context);
	}
	if (attach_resume(g->attach, number, partly))
		budget_failed(b);
	else if (!partly)
		msg_info("%s: its probes are within --budget again, after %.1f%% of the time: "
			 "watched all of it from now on",
			 name_of(g, number, name, sizeof(name)), part * 100);
}

static void look_at(struct guard *g, int number, uint64_t now)
{
	struct budget *b = &g->budgets[number];
	bool first = !b->partly;
	uint64_t hits[PB_HITS];

	if (!attach_hits(g->attach, number, hits)) {
		memset(b, 0, sizeof(*b));
		return;
	}
	if (!g->options.own && !attach_is_foreign(g->attach, number))
		return;
	switch (budget_look(b, &g->options.rules, now, hits)) {
	case BUDGET_PAUSE:
		pause_file(g, number, first);
		break;
	case BUDGET_RESUME:
		resume_file(g, number, true);
		break;
	case BUDGET_WHOLE:
		resume_file(g, number, false);
		break;
	case BUDGET_STAYS:
		break;
	}
	g->partly += b->partly;
	if (b->partly && budget_part(b) < g->part)
		g->part = budget_part(b);
}

void guard_run(struct guard *g, uint64_t now)
{
	g->due = now + LOOK_NS;
	g->partly = 0;
	g->part = 1;
	reserve(g);
	for (int i = 0; i < g->count; i++)
		look_at(g, i, now);
}
