/* SPDX-License-Identifier: MIT */
/*
 * top_merge.h - one consumer for all processes of one name
 *
 * Steps of one name become one row: rates and counts added up, durations thrown together; shares,
 * spells, state and queue are those of the worst. Of pressure too the largest, and the verdict is
 * that of the consumer in most trouble. Pure.
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
