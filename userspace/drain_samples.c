/* SPDX-License-Identifier: MIT */
#include "drain_samples.h"

#include <errno.h>
#include <stdlib.h>

void samples_free(struct samples_taken *taken)
{
	free(taken->buckets);
	*taken = (struct samples_taken){ 0 };
}

/* How much of bucket `index` was handed on; `at` moves along the sorted list. */
static uint32_t taken_of(const struct samples_taken *taken, size_t *at, unsigned int index)
{
	const struct samples_bucket *b = taken->buckets;

	while (*at < taken->count && b[*at].index < index)
		(*at)++;
	return *at < taken->count && b[*at].index == index ? b[*at].count : 0;
}

int samples_take(struct samples_taken *taken, const struct pb_hist *buckets, uint64_t most,
		 struct hist *into)
{
	struct samples_bucket *after;
	size_t count = 0, used = 0, at = 0;
	unsigned int i;

	for (i = 0; i < PB_HIST_BUCKETS; i++)
		used += buckets->count[i] != 0;
	after = malloc((used + taken->count + 1) * sizeof(*after));
	if (!after)
		return -ENOMEM;
	for (i = 0; i < PB_HIST_BUCKETS; i++) {
		uint32_t before = taken_of(taken, &at, i);
		uint32_t fresh = buckets->count[i] - before; /* counts wrap */

		if (fresh > most)
			fresh = (uint32_t)most;
		if (fresh && hist_add(into, hist_bucket_ns(i), fresh))
			fresh = 0;
		most -= fresh;
		taken->total += fresh;
		if (before + fresh)
			after[count++] = (struct samples_bucket){ (uint16_t)i, before + fresh };
	}
	free(taken->buckets);
	taken->buckets = after;
	taken->count = count;
	return 0;
}
