/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <string.h>

#define WINDOW_NS 10000000000.0
#define SLOT_NS   500000000ull
#define CALM_NS   60000000000ull
#define RESUME_AT 0.7 /* of the most: what is far above its share has windows of more than a look */

static void begin(struct budget *b, const struct budget_rules *rules, uint64_t now,
		  const uint64_t hits[PB_HITS])
{
	memcpy(b->hits, hits, sizeof(b->hits));
	b->at = now;
	b->left_ns = rules->share * WINDOW_NS;
	b->slot = now / SLOT_NS;
	memset(b->slots, 0, sizeof(b->slots));
}

static void put_in_slot(struct budget *b, uint64_t now, double cost)
{
	uint64_t slot = now / SLOT_NS;

	if (slot - b->slot >= BUDGET_SLOTS)
		b->slot = slot - BUDGET_SLOTS;
	while (b->slot < slot)
		b->slots[++b->slot % BUDGET_SLOTS] = 0;
	b->slots[slot % BUDGET_SLOTS] += (float)cost;
}

/* In the last ten seconds, and up to half a second before. */
static double taken(const struct budget *b)
{
	double sum = 0;

	for (int i = 0; i < BUDGET_SLOTS; i++)
		sum += b->slots[i];
	return sum;
}

static void run_anew(struct budget *b)
{
	b->cost_ns = 0;
	b->hit_count = 0;
	b->run_ns = 0;
}

/* What the hits since the last look have cost. */
static double take_hits(struct budget *b, const struct budget_rules *rules,
			const uint64_t hits[PB_HITS])
{
	double cost = 0;

	for (int kind = 0; kind < PB_HITS; kind++) {
		uint64_t count = hits[kind] > b->hits[kind] ? hits[kind] - b->hits[kind] : 0;

		cost += (double)count * (double)rules->cost_ns[kind] * BUDGET_IN_USE;
		b->hit_count += count;
		b->hits[kind] = hits[kind];
	}
	b->cost_ns += cost;
	return cost;
}

static void pass(struct budget *b, const struct budget_rules *rules, uint64_t passed, double cost)
{
	double most = rules->share * WINDOW_NS;

	b->left_ns += rules->share * (double)passed - cost;
	if (b->left_ns > most)
		b->left_ns = most;
	if (!b->paused)
		b->run_ns += passed;
	if (b->partly) {
		b->passed_ns += passed;
		b->watched_ns += b->paused ? 0 : passed;
	}
	b->calm_ns += passed;
	if (b->paused || cost > rules->share / 2 * (double)passed)
		b->calm_ns = 0;
}

static enum budget_turn pause_it(struct budget *b, const struct budget_rules *rules)
{
	if (!b->partly) {
		b->watched_ns = b->passed_ns = 0;
		b->expected = rules->share / budget_load(b);
	}
	b->paused = b->partly = true;
	return BUDGET_PAUSE;
}

enum budget_turn budget_look(struct budget *b, const struct budget_rules *rules, uint64_t now,
			     const uint64_t hits[PB_HITS])
{
	double most = rules->share * WINDOW_NS, cost;
	uint64_t passed = now - b->at;

	if (!b->at || now < b->at) {
		begin(b, rules, now, hits);
		return BUDGET_STAYS;
	}
	b->at = now;
	cost = take_hits(b, rules, hits);
	put_in_slot(b, now, cost);
	pass(b, rules, passed, cost);
	/* By the next look as much again may have been taken. */
	if (!b->paused && (b->left_ns < 0 || taken(b) + cost > most))
		return pause_it(b, rules);
	if (b->paused && b->left_ns >= most / 2 && taken(b) <= most * RESUME_AT) {
		b->paused = false;
		run_anew(b);
		return BUDGET_RESUME;
	}
	if (b->partly && !b->paused && b->calm_ns >= CALM_NS) {
		b->partly = false;
		run_anew(b);
		return BUDGET_WHOLE;
	}
	return BUDGET_STAYS;
}

void budget_failed(struct budget *b)
{
	b->paused = b->partly = true;
	b->left_ns = 0;
}

double budget_load(const struct budget *b)
{
	return b->run_ns ? b->cost_ns / (double)b->run_ns : 0;
}

double budget_rate(const struct budget *b)
{
	return b->run_ns ? (double)b->hit_count * 1e9 / (double)b->run_ns : 0;
}

double budget_part(const struct budget *b)
{
	if (b->partly && !b->watched_ns)
		return b->expected < 1 ? b->expected : 1;
	return b->passed_ns ? (double)b->watched_ns / (double)b->passed_ns : 1;
}
