/* SPDX-License-Identifier: MIT */
/*
 * sink_log.h - a line per step that was in backpressure, every so often, and one as it gets stuck
 *
 * What is said adds up: each episode, refusal and ms of a run is in one line of its step, or in none
 * where that many others had more.
 */
#ifndef SINK_LOG_H
#define SINK_LOG_H

#include "sink.h"

struct log_options {
	uint64_t every_ns; /* or the next flush after it; 0: no such lines */
	uint64_t stuck_ns; /* of spells that are told of; 0: none */
	/* Gets each line, without an end, in the agent's thread. */
	void (*say)(const char *line, void *context);
	void *context;
};

/* Its first stretch begins now. NULL when out of memory. */
struct sink *sink_log_new(const struct log_options *options);

#endif /* SINK_LOG_H */
