/* SPDX-License-Identifier: MIT */
#include "drain_samples.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct samples_bucket {
	uint16_t index;
	uint32_t count;
};

void samples_free(struct samples_taken *taken)
{
	free(taken->buckets);
	*taken = (struct samples_taken){ 0 };
}

/* Room for as many as can come with these counts. */
static int reserve(struct samples_taken *taken, const struct pb_hist *counts)
{
	struct samples_bucket *buckets;
	size_t used = 0;

	for (unsigned int i = 0; i < PB_HIST_PART; i++)
		used += counts->count[i] != 0;
	if (taken->capacity - taken->size >= used)
		return 0;
	buckets = realloc(taken->buckets, (taken->size + used) * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	taken->buckets = buckets;
	taken->capacity = taken->size + used;
	return 0;
}

/* The one of `index` at `at`, where it belongs, made if there is none. */
static struct samples_bucket *bucket_at(struct samples_taken *taken, size_t at, unsigned int index)
{
	struct samples_bucket *bucket = &taken->buckets[at];

	if (at < taken->size && bucket->index == index)
		return bucket;
	memmove(bucket + 1, bucket, (taken->size - at) * sizeof(*bucket));
	taken->size++;
	*bucket = (struct samples_bucket){ .index = (uint16_t)index };
	return bucket;
}

int samples_take(struct samples_taken *taken, unsigned int part, const struct pb_hist *counts,
		 uint64_t most, struct hist *into)
{
	unsigned int first = part * PB_HIST_PART, last = first + PB_HIST_PART, index;
	size_t at = 0;

	if (reserve(taken, counts))
		return -ENOMEM;
	while (at < taken->size && taken->buckets[at].index < first)
		at++;
	for (index = first; most && index < last && index < PB_HIST_BUCKETS; index++) {
		bool known = at < taken->size && taken->buckets[at].index == index;
		uint32_t before = known ? taken->buckets[at].count : 0;
		uint32_t fresh = counts->count[index - first] - before; /* counts wrap */

		if (fresh > most)
			fresh = (uint32_t)most;
		if (fresh && !hist_add(into, hist_bucket_ns(index), fresh)) {
			bucket_at(taken, at, index)->count += fresh;
			known = true;
			most -= fresh;
			taken->total += fresh;
		}
		at += known;
	}
	return 0;
}
