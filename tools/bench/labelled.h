/* SPDX-License-Identifier: MIT */
/*
 * labelled.h - counters and timers as a framework has them: found by name and labels at each use
 *
 * At its cheapest: the key is hashed eight bytes at a time, nothing is formatted or allocated but at a
 * series' first use, and finding takes no lock. Clients in use do more. For one test of its cost.
 */
#ifndef LABELLED_H
#define LABELLED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <time.h>

#define LABELLED_SLOTS   256 /* a power of two */
#define LABELLED_BUCKETS 64
#define LABELLED_KEY     192

struct labelled {
	char key[LABELLED_KEY]; /* NAME step=STEP outcome=OUTCOME; zeros behind it */
	size_t size;
	_Atomic uint64_t value; /* or the sum of what was observed */
	_Atomic uint64_t bucket[LABELLED_BUCKETS];
};

static _Atomic(struct labelled *) labelled_slots[LABELLED_SLOTS];
static pthread_mutex_t labelled_lock = PTHREAD_MUTEX_INITIALIZER;

/* The labels' values with the name, as the parts that they are. */
struct labelled_key {
	const char *part[3];
	size_t size[3];
};

static inline uint64_t labelled_mix(uint64_t hash, const char *text, size_t size)
{
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), text += sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = ((hash << 5 | hash >> 59) ^ word) * 0x517cc1b727220a95u;
	}
	for (; size; size--, text++)
		hash = ((hash << 5 | hash >> 59) ^ (unsigned char)*text) * 0x517cc1b727220a95u;
	return hash;
}

static inline bool labelled_is(const struct labelled *series, const struct labelled_key *key)
{
	const char *at = series->key;
	int i;

	if (series->size != key->size[0] + key->size[1] + key->size[2])
		return false;
	for (i = 0; i < 3; at += key->size[i++]) {
		if (memcmp(at, key->part[i], key->size[i]))
			return false;
	}
	return true;
}

/* A series' first use. */
static __attribute__((noinline, cold)) struct labelled *labelled_new(const struct labelled_key *key)
{
	struct labelled *series = calloc(1, sizeof(*series));
	int i;

	if (!series || key->size[0] + key->size[1] + key->size[2] > LABELLED_KEY)
		abort();
	for (i = 0; i < 3; i++) {
		memcpy(series->key + series->size, key->part[i], key->size[i]);
		series->size += key->size[i];
	}
	return series;
}

static inline struct labelled *labelled_find(const char *name, const char *step,
					     const char *outcome)
{
	struct labelled_key key = { { name, step, outcome },
				    { strlen(name), strlen(step), strlen(outcome) } };
	struct labelled *series;
	uint64_t hash = 0;
	size_t slot;
	int i;

	for (i = 0; i < 3; i++)
		hash = labelled_mix(hash, key.part[i], key.size[i]);
	for (slot = hash >> 32;; slot++) {
		slot %= LABELLED_SLOTS;
		series = atomic_load_explicit(&labelled_slots[slot], memory_order_acquire);
		if (series && labelled_is(series, &key))
			return series;
		if (series)
			continue;
		pthread_mutex_lock(&labelled_lock);
		if (!atomic_load(&labelled_slots[slot]))
			atomic_store(&labelled_slots[slot], labelled_new(&key));
		pthread_mutex_unlock(&labelled_lock);
		slot--; /* it may be another's */
	}
}

static inline void labelled_count(const char *name, const char *step, const char *outcome)
{
	atomic_fetch_add_explicit(&labelled_find(name, step, outcome)->value, 1,
				  memory_order_relaxed);
}

/* Into a bucket for each power of two. */
static inline void labelled_observe(const char *name, const char *step, const char *outcome,
				    uint64_t ns)
{
	struct labelled *series = labelled_find(name, step, outcome);

	atomic_fetch_add_explicit(&series->bucket[63 - __builtin_clzll(ns | 1)], 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&series->value, ns, memory_order_relaxed);
}

#endif /* LABELLED_H */
