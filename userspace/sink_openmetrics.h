/* SPDX-License-Identifier: MIT */
/*
 * sink_openmetrics.h - the same metrics, for a scrape of http://ADDRESS/metrics
 *
 * Counters are since this sink was made, times in seconds. Counters and gauges are as of the last
 * drain, durations and the observer's own metrics as of the last flush. A scrape is answered by poll,
 * in pieces; see http_server.h for what a client can and cannot do to us.
 */
#ifndef SINK_OPENMETRICS_H
#define SINK_OPENMETRICS_H

#include "exit_status.h"
#include "openmetrics_address.h"
#include "sink.h"

struct openmetrics_options {
	const char *address;     /* see openmetrics_address.h */
	const char *prefix;      /* without the last dot; dots become '_' */
	const char *const *tags; /* global ones, "k:v", NULL-terminated; may be NULL */
};

/*
 * Listens. Else *out is NULL, the result the exit status, and `why` a one-line reason that says what
 * is wrong and what would help.
 */
enum exit_status sink_openmetrics_new(struct sink **out, const struct openmetrics_options *options,
				      char *why, size_t why_size);
/* "http://127.0.0.1:9000/metrics", with the port that was free. */
#define SINK_OPENMETRICS_URL_SIZE (OPENMETRICS_ADDRESS_SIZE + 20)
void sink_openmetrics_url(const struct sink *sink, char url[SINK_OPENMETRICS_URL_SIZE]);

#endif /* SINK_OPENMETRICS_H */
