/* SPDX-License-Identifier: MIT */
/* openmetrics_internal.h - what openmetrics_series.c and openmetrics_keep.c share */
#ifndef OPENMETRICS_INTERNAL_H
#define OPENMETRICS_INTERNAL_H

#include "openmetrics_series.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct openmetrics_source {
	uint64_t id;
	struct openmetrics_entry *entry;
	uint64_t seen[COUNTERS]; /* of its counters, in the line already */
};

/* A line as it is found by its labels. */
struct openmetrics_entry {
	struct openmetrics_line line;
	UT_hash_handle hh;
	char labels[];
};

/* The line of these labels; NULL: there is none. */
struct openmetrics_entry *openmetrics_entry_find(const struct openmetrics_table *t,
						 const char *labels, size_t length);
/* Made where there is none, as the last one; NULL when out of memory. */
struct openmetrics_entry *openmetrics_entry_new(struct openmetrics_table *t, const char *labels,
						size_t length);

#endif /* OPENMETRICS_INTERNAL_H */
