/* SPDX-License-Identifier: MIT */
/*
 * chain.h - the steps of the consumer: in a row, or a row that a broadcast step splits into several
 */
#ifndef DEMO_CHAIN_H
#define DEMO_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slow.h"
#include "step.h"

#define CHAIN_MAX 64

struct chain_plan {
	const char *name;
	const struct step_ops *ops;
	size_t after; /* which step it is behind; of the first one itself */
};

struct chain {
	struct chain_plan plan[CHAIN_MAX]; /* names are the chain's own */
	char *names;
	size_t length;
	uint32_t batch_size;
	uint32_t concurrency;
	struct slow_list slow;
	struct step *steps[CHAIN_MAX];       /* what is running */
	struct step_counts ended[CHAIN_MAX]; /* of the instances that are no more */
};

/*
 * Takes "NAME[=KIND],...", KIND being the name if it is left out, and makes no step yet. Behind a
 * broadcast step, "/" begins its next branch: "decode,broadcast,a=sink/transform,b=sink". Returns NULL,
 * or what is wrong with it.
 */
const char *chain_plan(struct chain *chain, const char *steps);

bool chain_has(const struct chain *chain, const char *name);

/* Makes the steps; -ENOMEM. */
int chain_begin(struct chain *chain);

/* Ends all steps as they are; chain_begin may follow. */
void chain_end(struct chain *chain);

/* From now on these steps are slow, no other, also after the next chain_begin. */
void chain_set_slow(struct chain *chain, const struct slow_list *slow);

/* Hands on what is incomplete; true once nothing is on its way any more. */
bool chain_drained(struct chain *chain);

/* Ends the runs of the truth log: nobody is called for a while. */
void chain_cut_truth(struct chain *chain);

/* How often step number `i` answered how, over all its instances. */
struct step_counts chain_counts(const struct chain *chain, size_t i);

void chain_free(struct chain *chain);

#endif /* DEMO_CHAIN_H */
