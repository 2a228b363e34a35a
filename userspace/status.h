/* SPDX-License-Identifier: MIT */
/*
 * status.h - what `pushback status` and SIGUSR1 show: made by the agent, an object; read by people
 *
 * Built with jansson. What reads it trusts nothing in it: the agent may be another version, and names in
 * it are consumers'.
 */
#ifndef STATUS_H
#define STATUS_H

#include <jansson.h>
#include <stdint.h>
#include <time.h>

#include "sink.h"

struct status {
	time_t started;
	uint64_t uptime_ns;
	uint64_t interval_ns;
	const char *watching; /* as agent_describe() says it */
	const struct agent_stats *stats;
	struct sink *const *sinks;
	size_t sinks_count;
};

/* NULL when out of memory. */
json_t *status_object(const struct status *s);
/* The object on a line, malloc'ed; takes the reference. NULL: it is NULL, or out of memory. */
char *status_line(json_t *object);

/* Its lines for people, one after the other. What is missing or of another kind is left out. */
void status_say(const json_t *object, void (*say)(const char *line, void *context), void *context);

#endif /* STATUS_H */
