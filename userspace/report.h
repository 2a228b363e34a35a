/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a recorder has of a stretch of time, as the object that a report's page embeds
 *
 * What the eye cannot tell apart is merged: at most REPORT_CELLS cells a strip, fewer where many steps
 * would make the page larger than REPORT_BYTES. The object says how long a cell is. Library code.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>

#include "recorder.h"

#define REPORT_CELLS 600
#define REPORT_BYTES 1900000u /* of JSON */

struct report_options {
	const struct recorder *recorder;
	json_t *agent;     /* its status object; stays the caller's */
	uint64_t last_s;   /* of the recorder's end; 0: all that there is */
	int64_t offset_ns; /* from the recorder's clock to the time since 1970 */
	const char *note;  /* a sentence about how it came about, or NULL */
};

/*
 * Printable ASCII without '<', so that it can stand inside of a page; malloc'ed. 0, -ENOMEM, or -ENODATA:
 * no step was recorded in that time.
 */
int report_text(const struct report_options *options, char **text);

#endif /* REPORT_H */
