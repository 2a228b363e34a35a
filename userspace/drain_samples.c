/* SPDX-License-Identifier: MIT */
#include "drain_samples.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PB_HIST_PART % 2 == 0, "a part is read two buckets at a time");

/* Both wrap, as the kernel's counts do. */
struct samples_bucket {
	uint16_t index;
	uint32_t read;
	uint32_t handed_on;
};

void samples_free(struct samples *samples)
{
	free(samples->buckets);
	*samples = (struct samples){ 0 };
}

static int reserve(struct samples *samples)
{
	size_t more = samples->capacity ? samples->capacity * 2 : 8;
	struct samples_bucket *buckets;

	if (samples->size < samples->capacity)
		return 0;
	buckets = realloc(samples->buckets, more * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	samples->buckets = buckets;
	samples->capacity = more;
	return 0;
}

/* One that was 0 up to now, at its place in the order. */
static int add_bucket(struct samples *samples, size_t at, unsigned int index)
{
	struct samples_bucket *bucket;
	int err = reserve(samples);

	if (err)
		return err;
	bucket = &samples->buckets[at];
	memmove(bucket + 1, bucket, (samples->size - at) * sizeof(*bucket));
	samples->size++;
	*bucket = (struct samples_bucket){ .index = (uint16_t)index };
	return 0;
}

/* The next one from `i` on that is not 0. Most are, so they are passed over two at a time. */
static unsigned int next_used(const struct pb_hist *counts, unsigned int i)
{
	uint64_t two;

	while (i < PB_HIST_PART) {
		if (counts->count[i])
			break;
		i++;
		for (; i % 2 == 0 && i < PB_HIST_PART; i += 2) {
			memcpy(&two, &counts->count[i], sizeof(two));
			if (two)
				break;
		}
	}
	return i;
}

int samples_read(struct samples *samples, unsigned int part, const struct pb_hist *counts)
{
	unsigned int first = part * PB_HIST_PART, last = first + PB_HIST_PART;
	size_t begin = 0, at;

	while (begin < samples->size && samples->buckets[begin].index < first)
		begin++;
	for (at = begin; at < samples->size && samples->buckets[at].index < last; at++)
		samples->buckets[at].read = counts->count[samples->buckets[at].index - first];
	at = begin;
	for (unsigned int i = next_used(counts, 0); i < PB_HIST_PART && first + i < PB_HIST_BUCKETS;
	     i = next_used(counts, i + 1)) {
		while (at < samples->size && samples->buckets[at].index < first + i)
			at++;
		if (at < samples->size && samples->buckets[at].index == first + i)
			continue;
		if (add_bucket(samples, at, first + i))
			return -ENOMEM;
		samples->buckets[at].read = counts->count[i];
	}
	return 0;
}

int samples_hand_on(struct samples *samples, uint64_t most, struct hist *into)
{
	for (size_t i = 0; most && i < samples->size; i++) {
		struct samples_bucket *bucket = &samples->buckets[i];
		uint32_t fresh = bucket->read - bucket->handed_on;
		int err;

		if (!fresh)
			continue;
		if (fresh > most)
			fresh = (uint32_t)most;
		err = hist_add(into, hist_bucket_ns(bucket->index), fresh);
		if (err)
			return err;
		bucket->handed_on += fresh;
		samples->total += fresh;
		most -= fresh;
	}
	return 0;
}

/* Where it is, or where it would be. */
static size_t find(const struct samples *samples, unsigned int index)
{
	size_t low = 0, high = samples->size;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (samples->buckets[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int samples_pass(struct samples *samples, unsigned int index, uint32_t weight, struct hist *into)
{
	size_t at = find(samples, index);
	struct samples_bucket *bucket;
	int err = 0;

	if (at == samples->size || samples->buckets[at].index != index)
		err = add_bucket(samples, at, index);
	if (!err)
		err = hist_add(into, hist_bucket_ns(index), weight);
	if (err)
		return err;
	bucket = &samples->buckets[at];
	bucket->handed_on += weight;
	/* It may have been read with it, or before. */
	if ((int32_t)(bucket->read - bucket->handed_on) < 0)
		bucket->read = bucket->handed_on;
	samples->total += weight;
	return 0;
}

void samples_save(const struct samples *samples, struct keep_writer *w)
{
	keep_number(w, samples->total);
	keep_number(w, samples->size);
	for (size_t i = 0; i < samples->size; i++) {
		keep_number(w, samples->buckets[i].index);
		keep_number(w, samples->buckets[i].handed_on);
	}
}

int samples_load(struct samples *samples, struct keep_reader *r)
{
	uint64_t index, next = 0;
	size_t count;

	samples->total = keep_read(r);
	count = keep_read_count(r);
	for (size_t i = 0; i < count; i++, next = index + 1) {
		uint32_t handed_on;
		int err;

		index = keep_read(r);
		handed_on = (uint32_t)keep_read(r);
		if (r->failed || index < next || index >= PB_HIST_BUCKETS)
			return -EBADMSG;
		err = add_bucket(samples, samples->size, (unsigned int)index);
		if (err)
			return err;
		samples->buckets[i].read = samples->buckets[i].handed_on = handed_on;
	}
	return keep_result(r);
}
