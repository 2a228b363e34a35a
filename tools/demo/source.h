/* SPDX-License-Identifier: MIT */
/*
 * source.h - where messages come from
 */
#ifndef DEMO_SOURCE_H
#define DEMO_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

struct source;

struct source_ops {
	/* Waits up to 100 ms for the next message; false if there is none, which is no error. */
	bool (*poll)(struct source *source, struct message *message);
	void (*close)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

/* `rate`: messages a second, 0 as fast as they are taken. NULL: out of memory. */
struct source *source_memory_open(uint64_t rate);

/*
 * Reads all partitions of `topic` from their beginnings; waits some seconds for the cluster.
 * Returns NULL, with what is wrong in `error`.
 */
struct source *source_kafka_open(const char *brokers, const char *topic, char *error,
				 size_t error_size);

#endif /* DEMO_SOURCE_H */
