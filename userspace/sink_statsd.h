/* SPDX-License-Identifier: MIT */
/* sink_statsd.h - the statsd sink: dialects, exact rates, packing; see statsd_socket.h for sockets */
#ifndef SINK_STATSD_H
#define SINK_STATSD_H

#include "sink.h"

/*
 * What goes out for durations: weighted lines of a type of one's choice (dogstatsd) or always `ms`
 * (etsy: others become counters there), or exact .count and .sum with a few gauges (summary). In the
 * latter two a ':' inside of a tag value becomes '_', which those servers would take out.
 */
enum statsd_format { STATSD_DOGSTATSD, STATSD_ETSY, STATSD_SUMMARY };
enum statsd_histogram { STATSD_DISTRIBUTION, STATSD_HISTOGRAM, STATSD_TIMER };

struct statsd_options {
	const char *address;     /* udp://host:port, unixgram:///path, unix:///path; stays */
	const char *prefix;      /* without the last dot */
	const char *const *tags; /* global ones, "k:v", NULL-terminated; may be NULL */
	enum statsd_format format;
	enum statsd_histogram histogram; /* dogstatsd only */
	uint64_t stuck_ns; /* spells of so many ns are sent as events, dogstatsd only; 0: none */
};

/*
 * Checks the options; no network yet: a host that does not resolve is not an error, it is retried.
 * NULL with a one-line reason in `why`, which says what is wrong and what would help.
 */
struct sink *sink_statsd_new(const struct statsd_options *options, char *why, size_t why_size);

#endif /* SINK_STATSD_H */
