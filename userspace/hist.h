/* SPDX-License-Identifier: MIT */
/*
 * hist.h - durations as (value, count) pairs
 *
 * The kernel keeps log-linear buckets (pushback_abi.h); this is their loader's half: which duration
 * a bucket stands for, a sparse collection of pairs that grows, and its reduction to a few pairs.
 * Pure: no I/O, no clock. Durations in ns. Not thread-safe.
 */
#ifndef HIST_H
#define HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a statsd line can carry per step, direction and interval: see hist_reduce(). */
#define HIST_VALUES_MAX 32

struct hist_value {
	uint64_t ns;
	uint64_t count;
};

/*
 * Distinct durations with their counts, in ascending order of ns. Zeroed is empty. The whole count is
 * at most UINT64_MAX: what would go beyond is not added (no clock gets there, a hostile one may).
 */
struct hist {
	struct hist_value *values;
	size_t size;
	size_t capacity;
	uint64_t count; /* of all */
};

/* The middle of bucket `index` (< PB_HIST_BUCKETS), in ns. */
uint64_t hist_bucket_ns(unsigned int index);

/* Adds `count` durations of `ns` each. 0, or -ENOMEM with the histogram unchanged. */
int hist_add(struct hist *h, uint64_t ns, uint64_t count);
/* Adds all of `from`, which is another one. 0, or -ENOMEM with the histogram unchanged. */
int hist_add_all(struct hist *h, const struct hist *from);
/* Forgets the values, keeps the memory. */
void hist_clear(struct hist *h);
void hist_free(struct hist *h);

/* The sum of all durations, saturating. */
uint64_t hist_sum(const struct hist *h);
/* The duration at quantile q (0 to 1), nearest rank; 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double q);
/*
 * Takes away `count` durations (at most all): one by one from the value that is then the most
 * frequent, of equals from the largest. So the rare ones, smallest and largest among them, stay.
 */
void hist_trim(struct hist *h, uint64_t count);
/* Takes away `count` (at least 1) of just `ns`. False: there are not as many, and all stay. */
bool hist_take(struct hist *h, uint64_t ns, uint64_t count);
/*
 * Merges neighbours until at most `most` (>= 1) distinct values are left, those first whose merging
 * moves the least weight the least far (relative to their size); a merged value is its parts' weighted
 * mean, the smallest and the largest value stay as they are where `most` >= 3. Count is unchanged,
 * and the sum but for rounding (less than half a ns per duration of the most frequent value).
 * Allocates nothing.
 */
void hist_reduce(struct hist *h, size_t most);

#endif /* HIST_H */
