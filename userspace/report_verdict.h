/* SPDX-License-Identifier: MIT */
/*
 * report_verdict.h - who was at fault over a stretch of time
 *
 * Judged as the last second is (verdict.h), but over all cells in which some step of the consumer
 * refused half of the time or more; where there are none, over all in which it was driven. Pure.
 */
#ifndef REPORT_VERDICT_H
#define REPORT_VERDICT_H

#include "report_strips.h"
#include "verdict.h"

#define REPORT_VERDICT_SIZE 512

struct report_verdict {
	enum verdict_kind kind;
	char text[REPORT_VERDICT_SIZE];
	uint64_t pressed_s; /* in so many seconds some step refused half of the time or more */
	uint64_t judged_s;  /* the verdict is of so many; 0: it was never driven */
	size_t stretches;   /* in a row */
	size_t longest, longest_count; /* the first cell of the longest one, and how many */
	bool *accused;                 /* for each step, to be freed */
};

/* 0 or -ENOMEM. */
int report_judge(const struct report_strips *s, const struct report_consumer *c,
		 struct report_verdict *out);

#endif /* REPORT_VERDICT_H */
