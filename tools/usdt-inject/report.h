/* SPDX-License-Identifier: MIT */
/*
 * report.h - what is said of a run: lines for people, or one JSON object when it is over
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>

#include "image.h"
#include "options.h"
#include "plan.h"

struct report {
	const struct options *options;
	json_t *object; /* NULL: lines */
	bool is_broken; /* memory ran out */
};

void report_open(struct report *report, const struct options *options);
/* Prints the object. false: it can't. */
bool report_close(struct report *report);

void report_machine(struct report *report, const struct image *image);

/* For each site: probe, address, offset, place, instruction, cost, arguments; lines only if nothing is written. */
void report_plan(struct report *report, const struct plan *plan);

/* Of each note of the file. -EBADMSG: they are damaged, behind those that were told. */
int report_notes(struct report *report, const struct image *image);

/* What one should know. */
__attribute__((format(printf, 2, 3))) void report_remark(struct report *report, const char *format,
							 ...);

/* That it is done, what there is now, and its size. */
__attribute__((format(printf, 3, 4))) void report_done(struct report *report, size_t size,
						       const char *text, ...);

/* What went wrong with a file; lines on stderr say so in any case. */
void report_error(struct report *report, const char *file, const struct why *why);

/* The file that is written to. */
const char *report_target(const struct options *options);

#endif /* REPORT_H */
