/* SPDX-License-Identifier: MIT */
/*
 * rounds.h - when the next drain and the next flush are due
 *
 * A round is a drain, with a flush where one is due. Drains are a second apart, or an interval if that is
 * less; flushes an interval. A round that was late is not made up for: counts are cumulative. All times are
 * ns of one clock. Pure.
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct rounds {
	uint64_t interval_ns, period_ns;
	uint64_t first, next_drain, next_flush;
};

void rounds_begin(struct rounds *r, uint64_t interval_ns, uint64_t now);
/* When the next round begins. It may be over: then it is late. */
uint64_t rounds_due(const struct rounds *r);
/* Whether the round that begins at `now` is to flush. */
bool rounds_flush_is_due(const struct rounds *r, uint64_t now);
/* It is over by `now`; it began with `flushed` as rounds_flush_is_due() said. */
void rounds_next(struct rounds *r, bool flushed, uint64_t now);

#endif /* ROUNDS_H */
