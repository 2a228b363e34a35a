/* SPDX-License-Identifier: MIT */
/* report_strips.h - the strips of a stretch of time, by consumer, in cells of equal length. Pure. */
#ifndef REPORT_STRIPS_H
#define REPORT_STRIPS_H

#include "recorder.h"

struct report_step {
	const struct recorder_strip *strip;
	struct recorder_sums all;
	struct recorder_sums *cells;
};

/* In pipeline order. */
struct report_consumer {
	struct report_step *steps;
	size_t count;
	uint64_t refusing; /* of the step that has most */
};

struct report_strips {
	uint64_t from, until; /* seconds */
	uint64_t width;       /* of a cell, seconds; the last one may be shorter */
	size_t cell_count;
	struct report_step *steps;
	size_t step_count;
	/* Those that refused longest first. */
	struct report_consumer *consumers;
	size_t consumer_count;
	struct recorder_sums *cells;
};

/*
 * Of those that did anything in the last `last_s` seconds (0: all), in at most `most` cells. 0 or
 * -ENOMEM, to be freed in any case.
 */
int report_strips_new(struct report_strips *s, const struct recorder *r, uint64_t last_s,
		      size_t most);
void report_strips_free(struct report_strips *s);

/* Seconds in cell i. */
uint64_t report_cell_seconds(const struct report_strips *s, size_t i);

#endif /* REPORT_STRIPS_H */
