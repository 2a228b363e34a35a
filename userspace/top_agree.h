/* SPDX-License-Identifier: MIT */
/*
 * top_agree.h - one verdict for the processes of a name: where they agree, and where they do not
 *
 * "in all 3 transform is the bottleneck: 97 % self time", or "in 2 of 3 transform is the bottleneck,
 * in 1 sink is the bottleneck". Pure.
 */
#ifndef TOP_AGREE_H
#define TOP_AGREE_H

#include "top_rows.h"

/* What one consumer's verdict says, for top_agree(). */
struct top_opinion {
	size_t group; /* index of the merged consumer */
	const struct top_consumer *consumer;
	const char *step; /* whom it is about; "": nobody */
};

/* That of consumer number `consumer` of `s`. */
struct top_opinion top_opinion_of(const struct top_snapshot *s, size_t consumer, size_t group);
/*
 * Fills in the verdicts of `merged`, whose steps are complete, where a consumer stands for several.
 * There are `count` opinions, of all groups; they are put in order.
 */
void top_agree(struct top_snapshot *merged, struct top_opinion *opinions, size_t count);

#endif /* TOP_AGREE_H */
