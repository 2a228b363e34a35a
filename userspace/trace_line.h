/* SPDX-License-Identifier: MIT */
/*
 * trace_line.h - an episode in a line: for people, or as an object of TRACE_JSON_HELP
 *
 * Pure but for the locale and the time zone. Names are as the consumers wrote them.
 */
#ifndef TRACE_LINE_H
#define TRACE_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "pushback_abi.h"

enum trace_end { TRACE_CLOSED, TRACE_PARTIAL, TRACE_ABANDONED, TRACE_OPEN };

struct trace_episode {
	struct pb_step_key key;
	enum trace_end end;
	int direction;
	int64_t time_ns;   /* since 1970: of its end, or of now where it is open */
	uint64_t began_ns; /* CLOCK_MONOTONIC; of a partial one, since when it is known */
	uint64_t ns;
	bool at_least; /* its beginning was not seen */
	bool late;     /* it had ended before `time_ns`: nobody knows when */
	bool counted;  /* the next two are known */
	uint64_t rejections;
	uint64_t self_ns;           /* of PUSHBACK_SEND */
	uint64_t folded, folded_ns; /* before it */
	uint64_t untold;            /* likewise, for lack of room */
	char process[16];           /* terminated, as the next */
	char name[PUSHBACK_NAME_SIZE];
};

/* Of an end that the kernel tells, any bytes; `offset`: from CLOCK_MONOTONIC to the time since 1970. */
void trace_of_close(struct trace_episode *e, const struct pb_close *close, int64_t offset);

/* How wide columns are by now: they grow with what is in them, since nothing is cut. */
struct trace_columns {
	size_t pid, process, step;
	bool utf8;
};

/* For lines of `width`, if names are no longer than usual. */
void trace_columns_begin(struct trace_columns *c, size_t width, bool utf8);
void trace_titles(struct trace_columns *c, FILE *out);
void trace_line(struct trace_columns *c, const struct trace_episode *e, FILE *out);

/* Which keys there are, for the help. */
/* clang-format off */
#define TRACE_JSON_HELP \
	"--json prints an object per line. Times are ms but for `time`, and what is not\n" \
	"known is null. An episode:\n" \
	"  kind               episode\n" \
	"  time               when it ended, seconds since 1970; open: of the line\n" \
	"  pid, process, step, instance (text: it has 64 bits)\n" \
	"  state              refusing, or blocked: refused by the next step\n" \
	"  end                closed; open: still; partial: its beginning was not seen;\n" \
	"                     abandoned: ended by step_end or exit\n" \
	"  duration, at_least how long, and whether it was longer: as of partial ones\n" \
	"  late               it had ended some time before `time`\n" \
	"  rejections         attempts in it that were refused; null where its beginning\n" \
	"                     was not told\n" \
	"  self               how long it was not itself blocked; null of blocked ones\n" \
	"  folded, folded_time\n" \
	"                     episodes of this instance and state that closed since its\n" \
	"                     line before and have none: how many, and their sum\n" \
	"  untold             likewise those that there was no room to tell of\n" \
	"At the end, of each step and state that had any episodes:\n" \
	"  kind               histogram\n" \
	"  pid, process, step, state\n" \
	"  episodes           all that closed, told or not; folded: of them\n" \
	"  partial, abandoned other ends\n" \
	"  time               in this state, what is open included\n" \
	"  p50, p99, longest  of those that closed\n" \
	"  buckets            [[below, count], ...]; below is null in the last\n" \
	"and last of all:\n" \
	"  kind               end\n" \
	"  lines              episodes that ended and have one\n" \
	"  short              left out: --min\n" \
	"  other              left out: --step\n" \
	"  untold             ends that there was no room to tell of\n" \
	"  unlisted           steps that are in no histogram, since there were too many\n" \
	"  partly             files that --budget had watched for a part of the time\n" \
	"  lost               {reason: count}: as in top --json\n"
/* clang-format on */

/* NULL when out of memory. */
json_t *trace_object(const struct trace_episode *e);

#endif /* TRACE_LINE_H */
