/* SPDX-License-Identifier: MIT */
/* trace_open.h - which open episodes have been shown, so that each is once. Pure. */
#ifndef TRACE_OPEN_H
#define TRACE_OPEN_H

#include <stdbool.h>

#include "pushback_abi.h"

struct trace_open;

/* NULL when out of memory. */
struct trace_open *trace_open_new(void);
/* NULL is fine. */
void trace_open_free(struct trace_open *o);

/* A look at all that is open: between the two, trace_open_is_new() of each. Others are forgotten. */
void trace_open_begin(struct trace_open *o);
void trace_open_end(struct trace_open *o);
/* Whether this episode, which is open since then, is asked for the first time. */
bool trace_open_is_new(struct trace_open *o, const struct pb_step_key *key, int direction,
		       uint64_t since);

#endif /* TRACE_OPEN_H */
