/* SPDX-License-Identifier: MIT */
/*
 * seed.h - random numbers of property tests: the seed is printed, and PUSHBACK_SEED sets it
 */
#ifndef SEED_H
#define SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct seed {
	uint64_t state;
};

static inline struct seed seed_new(const char *test)
{
	const char *set = getenv("PUSHBACK_SEED");
	uint64_t seed =
		set ? strtoull(set, NULL, 0) : (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();

	printf("%s: PUSHBACK_SEED=%llu\n", test, (unsigned long long)seed);
	return (struct seed){ .state = seed };
}

/* 64 bits: splitmix64. */
static inline uint64_t seed_next(struct seed *s)
{
	uint64_t z = s->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static inline uint64_t seed_below(struct seed *s, uint64_t n)
{
	return seed_next(s) % n;
}

/* True `percent` times of 100. */
static inline int seed_chance(struct seed *s, unsigned int percent)
{
	return seed_below(s, 100) < percent;
}

/* A magnitude first, then a number of it: durations of all sizes up to 2^bits. */
static inline uint64_t seed_log(struct seed *s, unsigned int bits)
{
	return seed_next(s) >> (63 - seed_below(s, bits));
}

#endif /* SEED_H */
