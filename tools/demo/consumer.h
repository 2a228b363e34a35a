/* SPDX-License-Identifier: MIT */
/*
 * consumer.h - the main loop, after arroyo's StreamProcessor
 */
#ifndef DEMO_CONSUMER_H
#define DEMO_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "source.h"

struct consumer {
	struct source *source;
	struct chain *chain;
	uint64_t max_messages; /* 0: no end */

	struct message carried; /* what the chain refused */
	bool has_carried;
	bool paused;
	bool refused;      /* it was, once: said so */
	uint64_t messages; /* read */
	uint64_t invalid;
	uint64_t loops;
	uint64_t elapsed; /* ns */
};

/*
 * Runs until it is stopped or max_messages are through the chain; then ends its steps. Returns 0,
 * or -ENOMEM.
 */
int consumer_run(struct consumer *consumer);

/* A table for people, on stderr. */
void consumer_summary(const struct consumer *consumer);

#endif /* DEMO_CONSUMER_H */
