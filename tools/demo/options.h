/* SPDX-License-Identifier: MIT */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "slow.h"

enum role { ROLE_CONSUMER, ROLE_BROKER };

struct options {
	enum role role;
	const char *brokers; /* NULL: its own */
	const char *topic;
	const char *truth; /* NULL: none */
	const char *steps;
	bool memory;
	struct slow_list slow;
	bool slow_given;
	uint64_t messages;
	uint64_t duration; /* ns */
	uint64_t rate;
	uint32_t batch_size;
	uint32_t concurrency;
};

/*
 * Returns -1 to go on, else the exit status: 0 after --help, 2 after a wrong option, about which
 * it has said on stderr what is wrong.
 */
int options_parse(struct options *options, int argc, char **argv);

#endif /* DEMO_OPTIONS_H */
