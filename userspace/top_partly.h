/* SPDX-License-Identifier: MIT */
/*
 * top_partly.h - consumers that --budget keeps watched for a part of the time only
 *
 * Nothing of them is as exact as of others: what share of the time is watched is said, no step is accused,
 * and their durations are of the last such part. Between two of them a consumer stays as it was seen last. Pure.
 */
#ifndef TOP_PARTLY_H
#define TOP_PARTLY_H

#include "top_rows.h"

/* Its verdict and its steps' states; `part` of the time, `away`: it is not watched just now. */
void top_partly_mark(struct top_consumer *c, struct top_step *steps, double part, bool away);

/* `c` is one of `last`. Whether it has neither ended nor come again in `now`, by these ended ones. */
bool top_partly_is_away(const struct top_consumer *c, const struct top_snapshot *last,
			const struct top_snapshot *now, const struct top_step *ended,
			size_t ended_count);

#endif /* TOP_PARTLY_H */
