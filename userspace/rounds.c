/* SPDX-License-Identifier: MIT */
#include "rounds.h"

#define PERIOD_NS 1000000000ull
/* One more, soon: samples are taken of the steps that a drain has shown. */
#define FIRST_NS 100000000ull

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void rounds_begin(struct rounds *r, uint64_t interval_ns, uint64_t now)
{
	r->interval_ns = interval_ns;
	r->period_ns = earlier(interval_ns, PERIOD_NS);
	r->first = now + earlier(r->period_ns, FIRST_NS);
	r->next_drain = now + r->period_ns;
	r->next_flush = now + interval_ns;
}

uint64_t rounds_due(const struct rounds *r)
{
	return earlier(r->first, earlier(r->next_drain, r->next_flush));
}

bool rounds_flush_is_due(const struct rounds *r, uint64_t now)
{
	return now >= r->next_flush;
}

/*
 * By the clock at its end: else one that takes longer than they are apart would make the next one late
 * before it began. A flush that has become due meanwhile is the next round's: it is not to be left out.
 */
void rounds_next(struct rounds *r, bool flushed, uint64_t now)
{
	r->first = UINT64_MAX;
	while (r->next_drain <= now)
		r->next_drain += r->period_ns;
	while (flushed && r->next_flush <= now)
		r->next_flush += r->interval_ns;
}
