/* SPDX-License-Identifier: MIT */
/*
 * plain.h - what a consumer without our probes knows of its own steps
 *
 * Counted by the consumer itself, call by call, and printed as JSON at its end: what a recipe must have
 * found. One thread drives a chain; chains of the same steps add up.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum plain_outcome { PLAIN_ACCEPTED, PLAIN_REJECTED, PLAIN_PROPAGATED, PLAIN_INVALID };

struct plain_truth {
	uint64_t accepted, rejected, propagated, invalid;
	uint64_t forwarded, refused;
	uint64_t send_episodes, receive_episodes;
	uint64_t send_abandoned, receive_abandoned;
	bool send_open, receive_open;
};

static inline void plain_edge(bool *open, uint64_t *episodes, bool opens)
{
	if (!opens && *open)
		(*episodes)++;
	*open = opens;
}

static inline void plain_submitted(struct plain_truth *t, enum plain_outcome outcome)
{
	t->accepted += outcome == PLAIN_ACCEPTED;
	t->rejected += outcome == PLAIN_REJECTED;
	t->propagated += outcome == PLAIN_PROPAGATED;
	t->invalid += outcome == PLAIN_INVALID;
	if (outcome == PLAIN_ACCEPTED || outcome == PLAIN_REJECTED)
		plain_edge(&t->send_open, &t->send_episodes, outcome == PLAIN_REJECTED);
}

static inline void plain_forwarded(struct plain_truth *t, enum plain_outcome outcome)
{
	bool refused = outcome == PLAIN_REJECTED || outcome == PLAIN_PROPAGATED;

	if (outcome == PLAIN_INVALID)
		return;
	t->forwarded += !refused;
	t->refused += refused;
	plain_edge(&t->receive_open, &t->receive_episodes, refused);
}

static inline void plain_ready(struct plain_truth *t, bool ready)
{
	if (ready)
		plain_edge(&t->send_open, &t->send_episodes, false);
}

static inline void plain_ended(struct plain_truth *t)
{
	t->send_abandoned += t->send_open;
	t->receive_abandoned += t->receive_open;
	t->send_open = t->receive_open = false;
}

static inline void plain_print(const char *step, const struct plain_truth *t)
{
	printf("{\"step\": \"%s\", \"submit_accepted\": %llu, \"send_backpressure\": %llu, "
	       "\"propagated\": %llu, \"invalid\": %llu, \"submit_forwarded\": %llu, "
	       "\"receive_backpressure\": %llu, \"send_backpressure_episodes\": %llu, "
	       "\"receive_backpressure_episodes\": %llu, \"send_backpressure_abandoned\": %llu, "
	       "\"receive_backpressure_abandoned\": %llu}\n",
	       step, (unsigned long long)t->accepted, (unsigned long long)t->rejected,
	       (unsigned long long)t->propagated, (unsigned long long)t->invalid,
	       (unsigned long long)t->forwarded, (unsigned long long)t->refused,
	       (unsigned long long)t->send_episodes, (unsigned long long)t->receive_episodes,
	       (unsigned long long)t->send_abandoned, (unsigned long long)t->receive_abandoned);
}

/* Of no quality at all; the same for the same seed. */
static inline uint32_t plain_roll(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

#endif /* PLAIN_H */
