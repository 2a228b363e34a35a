/* SPDX-License-Identifier: MIT */
/*
 * trace_steps.h - what a trace has seen of each step in all: its counts, and a histogram of durations
 *
 * Of all episodes that closed, whether they were told one by one or not. Pure but for the locale.
 */
#ifndef TRACE_STEPS_H
#define TRACE_STEPS_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h"

/* Series, of which each may hold some 30 kB of durations; those beyond are only counted. */
#define TRACE_STEPS_MOST 4096
/* Buckets of 1, 2 and 5 from 10 us to 500 s, and what is longer. */
#define TRACE_BUCKETS 25

struct trace_steps;

/* NULL when out of memory. */
struct trace_steps *trace_steps_new(void);
/* NULL is fine. */
void trace_steps_free(struct trace_steps *t);

/* A series as it is at the end of an interval, with that interval's durations. -ENOMEM: some are missing. */
int trace_steps_add(struct trace_steps *t, const struct series *series);
/* Series that there was no room for. */
size_t trace_steps_unlisted(const struct trace_steps *t);

/* A histogram of each step and state that had any episodes, in lines of `width` where names let them. */
void trace_steps_write(const struct trace_steps *t, size_t width, bool utf8, FILE *out);
/* The same as objects of TRACE_JSON_HELP. 0 or -errno. */
int trace_steps_write_json(const struct trace_steps *t, FILE *out);

#endif /* TRACE_STEPS_H */
