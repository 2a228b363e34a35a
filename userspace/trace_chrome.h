/* SPDX-License-Identifier: MIT */
/*
 * trace_chrome.h - episodes as a Trace Event file, which Perfetto and chrome://tracing open
 *
 * A track per step instance and state, a slice per episode. Written as it comes: it is valid JSON once it
 * has its end. Failures of the stream are the caller's to ask for.
 */
#ifndef TRACE_CHROME_H
#define TRACE_CHROME_H

#include <stdio.h>

#include "trace_line.h"

/* Instances that a trace may have seen; slices of others are counted. */
#define TRACE_CHROME_TRACKS 65536

struct trace_chrome;

/* The stream stays the caller's. NULL when out of memory. */
struct trace_chrome *trace_chrome_new(FILE *out);
/* NULL is fine. */
void trace_chrome_free(struct trace_chrome *c);

void trace_chrome_slice(struct trace_chrome *c, const struct trace_episode *e);
/* `untold`: ends of which there are no slices. */
void trace_chrome_end(struct trace_chrome *c, uint64_t untold);
/* Slices that there was no track for. */
uint64_t trace_chrome_left_out(const struct trace_chrome *c);

#endif /* TRACE_CHROME_H */
