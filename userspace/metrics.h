/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - the names a user sees, once
 *
 * A plain record of what is counted per step, and the table that names it. Counters are cumulative
 * since this observer first saw the step and only grow; times are in ns here and in ms on the wire.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>

enum counter {
	COUNTER_SEND,
	COUNTER_RECEIVE,
	COUNTER_SEND_TIME,
	COUNTER_RECEIVE_TIME,
	COUNTER_SEND_SELF_TIME,
	COUNTER_SEND_EPISODES,
	COUNTER_RECEIVE_EPISODES,
	COUNTER_SEND_ABANDONED,
	COUNTER_RECEIVE_ABANDONED,
	COUNTER_SEND_PARTIAL,
	COUNTER_RECEIVE_PARTIAL,
	COUNTER_SEND_FOLDED,
	COUNTER_RECEIVE_FOLDED,
	COUNTER_ACCEPTED,
	COUNTER_FORWARDED,
	COUNTER_BUSY_TIME, /* by samples: a thread was inside it, and in no step behind it */
	/* Of a consumer, not of a step. By samples, within what its steps' exact times allow. */
	COUNTER_SOME_TIME, /* any step refuses */
	COUNTER_FULL_TIME, /* the head refuses: nothing gets in */
	COUNTERS,
};

enum gauge {
	GAUGE_SEND_SPELL,
	GAUGE_RECEIVE_SPELL,
	GAUGE_INSTANCES,
	GAUGE_QUEUE_DEPTH,
	GAUGE_QUEUE_CAPACITY,
	GAUGES,
};

struct metric_name {
	const char *name; /* without the prefix */
	bool is_time;     /* kept in ns, sent in whole ms */
};

extern const struct metric_name counter_names[COUNTERS];
extern const struct metric_name gauge_names[GAUGES];
/* [PUSHBACK_SEND], [PUSHBACK_RECEIVE] */
extern const char *const duration_names[2];

#endif /* METRICS_H */
