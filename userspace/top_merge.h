/* SPDX-License-Identifier: MIT */
/*
 * top_merge.h - one consumer for all processes of one name
 *
 * Steps of one name become one row: rates and counts added up, durations thrown together; shares
 * are the mean, from which its state follows; since when is the longest of those in that state, the
 * queue the fullest. Of pressure too the mean. The verdict says in how many it is what. Pure.
 */
#ifndef TOP_MERGE_H
#define TOP_MERGE_H

#include "top_rows.h"

struct top_merge;

/* NULL when out of memory. */
struct top_merge *top_merge_new(void);
void top_merge_free(struct top_merge *m);

/* Valid until the next call. NULL when out of memory. */
const struct top_snapshot *top_merge_snapshot(struct top_merge *m, const struct top_snapshot *s);

#endif /* TOP_MERGE_H */
