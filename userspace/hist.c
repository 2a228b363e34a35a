/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <float.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hist.h"
#include "pushback_abi.h"

/* Sums and products of 64-bit values; pedantic compilers want to hear that it is an extension. */
__extension__ typedef __int128 wide;

uint64_t hist_bucket_ns(unsigned int index)
{
	unsigned int shift = index / PB_HIST_SUB + PB_HIST_MIN_SHIFT;
	uint64_t width = (1ULL << shift) / PB_HIST_SUB;

	return (1ULL << shift) + index % PB_HIST_SUB * width + width / 2;
}

/* Room for `size` values. 0 or -ENOMEM. */
static int reserve(struct hist *h, size_t size)
{
	size_t capacity = h->capacity ? h->capacity : 8;
	struct hist_value *values;

	if (size <= h->capacity)
		return 0;
	while (capacity < size)
		capacity *= 2;
	values = realloc(h->values, capacity * sizeof(*values));
	if (!values)
		return -ENOMEM;
	h->values = values;
	h->capacity = capacity;
	return 0;
}

/* The index of the first value that is not below `ns`. */
static size_t lower_bound(const struct hist *h, uint64_t ns)
{
	size_t low = 0, high = h->size;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->values[middle].ns < ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int hist_add(struct hist *h, uint64_t ns, uint64_t count)
{
	size_t at = lower_bound(h, ns);
	int err;

	if (count > UINT64_MAX - h->count)
		count = UINT64_MAX - h->count;
	if (!count)
		return 0;
	if (at == h->size || h->values[at].ns != ns) {
		err = reserve(h, h->size + 1);
		if (err)
			return err;
		memmove(&h->values[at + 1], &h->values[at], (h->size - at) * sizeof(*h->values));
		h->values[at] = (struct hist_value){ .ns = ns };
		h->size++;
	}
	h->values[at].count += count;
	h->count += count;
	return 0;
}

/* How many distinct values both have together. */
static size_t union_size(const struct hist *a, const struct hist *b)
{
	size_t i = 0, j = 0, size = 0;

	for (; i < a->size && j < b->size; size++) {
		uint64_t x = a->values[i].ns, y = b->values[j].ns;

		i += x <= y;
		j += y <= x;
	}
	return size + (a->size - i) + (b->size - j);
}

int hist_add_all(struct hist *h, const struct hist *from)
{
	size_t i = h->size, j = from->size, size = union_size(h, from);
	int err = reserve(h, size);

	if (err)
		return err;
	if (from->count > UINT64_MAX - h->count) {
		/* There is room for all, so none of these fails; each adds what still fits. */
		for (size_t k = 0; k < from->size; k++)
			hist_add(h, from->values[k].ns, from->values[k].count);
		return 0;
	}
	/* Merged from the back, in place: what is written has been read. */
	h->size = size;
	while (j > 0) {
		const struct hist_value *value = &from->values[j - 1];
		struct hist_value *to = &h->values[--size];

		if (i > 0 && h->values[i - 1].ns >= value->ns) {
			*to = h->values[--i];
			if (to->ns == value->ns) {
				to->count += value->count;
				j--;
			}
		} else {
			*to = *value;
			j--;
		}
	}
	h->count += from->count;
	return 0;
}

void hist_clear(struct hist *h)
{
	h->size = 0;
	h->count = 0;
}

void hist_free(struct hist *h)
{
	free(h->values);
	*h = (struct hist){ 0 };
}

uint64_t hist_sum(const struct hist *h)
{
	uint64_t sum = 0, part;

	for (size_t i = 0; i < h->size; i++) {
		if (__builtin_mul_overflow(h->values[i].ns, h->values[i].count, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return UINT64_MAX;
	}
	return sum;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	/* A little less, so that 0.07 of 100 is the 7th and not, by a rounding error, the 8th. */
	double rank = q * (double)h->count * (1 - 4 * DBL_EPSILON);
	uint64_t below = 0;

	if (!h->size)
		return 0;
	for (size_t i = 0; i + 1 < h->size; i++) {
		below += h->values[i].count;
		if (!((double)below < rank))
			return h->values[i].ns;
	}
	return h->values[h->size - 1].ns;
}

/* How many durations are above `level`, over all values. */
static uint64_t excess(const struct hist *h, uint64_t level)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->size; i++)
		if (h->values[i].count > level)
			sum += h->values[i].count - level;
	return sum;
}

/* The highest level with at least `count` durations above it. */
static uint64_t trim_level(const struct hist *h, uint64_t count)
{
	uint64_t low = 0, high = h->count;

	while (low < high) {
		uint64_t middle = high - (high - low) / 2;

		if (excess(h, middle) >= count)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

void hist_trim(struct hist *h, uint64_t count)
{
	uint64_t level, back;
	size_t kept = 0;

	if (count >= h->count) {
		hist_clear(h);
		return;
	}
	if (!count)
		return;
	level = trim_level(h, count);
	back = excess(h, level) - count;
	for (size_t i = 0; i < h->size; i++) {
		struct hist_value value = h->values[i];

		if (value.count > level) {
			value.count = level + (back > 0);
			back -= back > 0;
		}
		if (value.count)
			h->values[kept++] = value;
	}
	h->size = kept;
	h->count -= count;
}

bool hist_take(struct hist *h, uint64_t ns, uint64_t count)
{
	size_t at = lower_bound(h, ns);
	struct hist_value *value;

	if (at == h->size || h->values[at].ns != ns || h->values[at].count < count)
		return false;
	value = &h->values[at];
	value->count -= count;
	h->count -= count;
	if (!value->count) {
		h->size--;
		memmove(value, value + 1, (h->size - at) * sizeof(*value));
	}
	return true;
}

/*
 * A stretch of values that is being reduced. `error` is what rounding the merged values has taken
 * from the sum so far; each merging is rounded so that it becomes small again.
 */
struct stretch {
	struct hist_value *values;
	size_t size;
	wide error;
};

/*
 * How far merging `a` and its next neighbour `b` moves their durations: the sum over all of
 * distance over size, each in terms of its own, so that a few short ones are not easily taken for
 * long.
 */
static double merge_cost(const struct hist_value *a, const struct hist_value *b)
{
	double m = (double)a->count, n = (double)b->count;
	double x = (double)a->ns + 1, y = (double)b->ns + 1; /* 0 has a size, too */

	return m * n / (m + n) * (y - x) * (x + y) / (x * y);
}

static struct hist_value merged(struct stretch *s, const struct hist_value *a,
				const struct hist_value *b)
{
	uint64_t count = a->count + b->count;
	wide moved = (wide)b->count * (b->ns - a->ns);
	uint64_t mean = (uint64_t)(moved / count);
	wide error = s->error + (moved - (wide)mean * count);

	if (error * 2 > count) {
		mean++;
		error -= count;
	}
	s->error = error;
	return (struct hist_value){ .ns = a->ns + mean, .count = count };
}

/* Merges the cheapest pair. */
static void merge_one(struct stretch *s)
{
	double least = DBL_MAX;
	size_t best = 0;

	for (size_t i = 0; i + 1 < s->size; i++) {
		double cost = merge_cost(&s->values[i], &s->values[i + 1]);

		if (cost < least) {
			least = cost;
			best = i;
		}
	}
	s->values[best] = merged(s, &s->values[best], &s->values[best + 1]);
	s->size--;
	memmove(&s->values[best + 1], &s->values[best + 2],
		(s->size - best - 1) * sizeof(*s->values));
}

/*
 * A cost that the cheapest pair reaches, and of many alike usually half: the harmonic mean, which
 * the few dear ones, as between a histogram's humps, don't raise.
 */
static double cheap(const struct stretch *s)
{
	double least = DBL_MAX, sum = 0;

	for (size_t i = 0; i + 1 < s->size; i++) {
		double cost = merge_cost(&s->values[i], &s->values[i + 1]);

		sum += 1 / cost;
		if (cost < least)
			least = cost;
	}
	sum = (double)(s->size - 1) / sum;
	return sum > least ? sum : least;
}

/* Is the pair of `i` and its next neighbour below `limit`, and no dearer than the next pair? */
static bool is_cheap(const struct stretch *s, size_t i, double limit)
{
	const struct hist_value *at = &s->values[i];
	double cost = merge_cost(at, at + 1);

	return cost <= limit && (i + 2 == s->size || cost <= merge_cost(at + 1, at + 2));
}

/*
 * Merges cheap pairs in one sweep, about those that merging one by one would find, too. The
 * cheapest, or one that overlaps it, is always among them, and never more than half are merged.
 */
static void merge_many(struct stretch *s)
{
	double limit = cheap(s);
	size_t kept = 0, i = 0;

	while (i < s->size) {
		if (i + 1 < s->size && is_cheap(s, i, limit)) {
			s->values[kept++] = merged(s, &s->values[i], &s->values[i + 1]);
			i += 2;
		} else {
			s->values[kept++] = s->values[i++];
		}
	}
	s->size = kept;
}

void hist_reduce(struct hist *h, size_t most)
{
	/* The smallest and the largest stay out of it where there is room for one more. */
	size_t ends = most >= 3 ? 1 : 0;
	size_t goal = most ? most - 2 * ends : 1;
	struct hist_value last;
	struct stretch s;

	if (h->size <= 1 || h->size <= most)
		return;
	last = h->values[h->size - 1];
	s = (struct stretch){ .values = h->values + ends, .size = h->size - 2 * ends };
	while (s.size > 4 * goal)
		merge_many(&s);
	while (s.size > goal)
		merge_one(&s);
	h->size = s.size + 2 * ends;
	if (ends)
		h->values[h->size - 1] = last;
}
