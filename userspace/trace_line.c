/* SPDX-License-Identifier: MIT */
#include "trace_line.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "json_out.h"
#include "text.h"
#include "top_text.h"

#define SECOND_NS 1000000000
#define MS_NS     1000000
/* Of what is before the pid, and of what is behind the step. */
#define CLOCK_SIZE 16
#define NUMBER_MAX 24
/* Room for columns that need not grow soon. */
#define WIDE 90

static const char *const state_names[] = { "refusing", "blocked" };
static const char *const end_names[] = { "closed", "partial", "abandoned", "open" };

void trace_of_close(struct trace_episode *e, const struct pb_close *close, int64_t offset)
{
	static const enum trace_end ends[] = { [PB_CLOSE_CLOSED] = TRACE_CLOSED,
					       [PB_CLOSE_PARTIAL] = TRACE_PARTIAL,
					       [PB_CLOSE_ABANDONED] = TRACE_ABANDONED };

	*e = (struct trace_episode){
		.key = close->key,
		.end = ends[close->kind % 3],
		.direction = close->direction == PUSHBACK_RECEIVE,
		.time_ns = (int64_t)(close->end_ns + (uint64_t)offset),
		.began_ns = pushback_since(close->ns, close->end_ns),
		.ns = close->ns,
		.at_least = close->flags & PB_CLOSE_AT_LEAST,
		.late = close->flags & PB_CLOSE_LATE,
		.counted = close->flags & PB_CLOSE_COUNTED,
		.rejections = close->rejections,
		.self_ns = close->self_ns,
		.folded = close->folded,
		.folded_ns = close->folded_ns,
		.untold = close->untold,
	};
	memcpy(e->process, close->comm, sizeof(e->process) - 1);
	memcpy(e->name, close->name, sizeof(e->name) - 1);
}

/* ---- For people ---- */

static void put(FILE *out, const char *text, size_t width, bool right, bool utf8)
{
	char cell[TOP_TEXT_SIZE(PUSHBACK_NAME_SIZE)];

	top_text_fit(cell, text, width < PUSHBACK_NAME_SIZE ? width : PUSHBACK_NAME_SIZE, right,
		     utf8);
	fputs(cell, out);
	fputc(' ', out);
}

static void grow(size_t *width, const char *text, bool utf8)
{
	size_t size = top_text_width(text, utf8);

	*width = size > *width ? size : *width;
}

static void put_head(struct trace_columns *c, const char *clock, const char *pid,
		     const char *process, const char *step, FILE *out)
{
	grow(&c->pid, pid, c->utf8);
	grow(&c->process, process, c->utf8);
	grow(&c->step, step, c->utf8);
	fprintf(out, "%-12s ", clock);
	put(out, pid, c->pid, true, c->utf8);
	put(out, process, c->process, false, c->utf8);
	put(out, step, c->step, false, c->utf8);
}

void trace_columns_begin(struct trace_columns *c, size_t width, bool utf8)
{
	bool wide = width >= WIDE;

	*c = (struct trace_columns){ .pid = 5, .utf8 = utf8 };
	c->process = wide ? 12 : 4;
	c->step = wide ? 16 : 4;
}

void trace_titles(struct trace_columns *c, FILE *out)
{
	put_head(c, "TIME", "PID", "PROCESS", "STEP", out);
	fputs("STATE     LASTED REJECTED  SELF FOLDED  MEAN\n", out);
}

static void clock_of(int64_t time_ns, char *out)
{
	time_t seconds = (time_t)(time_ns / SECOND_NS);
	struct tm when;
	size_t size = 0;

	if (localtime_r(&seconds, &when))
		size = strftime(out, CLOCK_SIZE, "%H:%M:%S", &when);
	snprintf(out + size, CLOCK_SIZE - size, ".%03d", (int)(time_ns % SECOND_NS / MS_NS));
}

static void lasted(const struct trace_episode *e, char *out)
{
	strcpy(out, ">=");
	top_text_time(out + (e->at_least ? 2 : 0), e->ns);
}

/* What an ordinary end needs no word for. */
static void put_notes(const struct trace_episode *e, FILE *out)
{
	const char *between = "  ";

	if (e->end == TRACE_OPEN || e->end == TRACE_ABANDONED) {
		fprintf(out, "%s%s", between, e->end == TRACE_OPEN ? "still open" : "abandoned");
		between = ", ";
	}
	if (e->late) {
		fprintf(out, "%sended before", between);
		between = ", ";
	}
	if (e->untold)
		fprintf(out, "%s%" PRIu64 " before it untold", between, e->untold);
}

void trace_line(struct trace_columns *c, const struct trace_episode *e, FILE *out)
{
	char clock[CLOCK_SIZE], pid[NUMBER_MAX], time[TOP_NUMBER_SIZE + 2];
	char rejected[NUMBER_MAX] = "-", self[TOP_NUMBER_SIZE] = "-", folded[NUMBER_MAX] = "-";
	char mean[TOP_NUMBER_SIZE] = "-";

	clock_of(e->time_ns, clock);
	snprintf(pid, sizeof(pid), "%" PRIu32, e->key.process.tgid);
	lasted(e, time);
	if (e->counted)
		snprintf(rejected, sizeof(rejected), "%" PRIu64, e->rejections);
	if (e->counted && e->direction == PUSHBACK_SEND)
		top_text_time(self, e->self_ns);
	if (e->folded) {
		snprintf(folded, sizeof(folded), "%" PRIu64, e->folded);
		top_text_time(mean, e->folded_ns / e->folded);
	}
	put_head(c, clock, pid, text_name(e->process), text_name(e->name), out);
	fprintf(out, "%-8s %7s %8s %5s %6s %5s", state_names[e->direction], time, rejected, self,
		folded, mean);
	put_notes(e, out);
	fputc('\n', out);
}

/* ---- For machines ---- */

static json_t *milliseconds(uint64_t ns)
{
	return json_real((double)ns / MS_NS);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

static json_t *if_known(bool known, json_t *value)
{
	if (known)
		return value;
	json_decref(value);
	return json_null();
}

json_t *trace_object(const struct trace_episode *e)
{
	bool self = e->counted && e->direction == PUSHBACK_SEND;

	return json_pack("{s:s,s:f,s:I,s:o,s:o,s:o,s:s,s:s,s:o,s:b,s:b,s:o,s:o,s:o,s:o,s:o}",
			 "kind", "episode", "time", (double)(e->time_ns / 1000) / 1e6, "pid",
			 (json_int_t)e->key.process.tgid, "process",
			 json_text(e->process, sizeof(e->process)), "step",
			 json_text(e->name, sizeof(e->name)), "instance",
			 json_sprintf("%" PRIu64, e->key.instance), "state",
			 state_names[e->direction], "end", end_names[e->end], "duration",
			 milliseconds(e->ns), "at_least", e->at_least, "late", e->late,
			 "rejections", if_known(e->counted, number(e->rejections)), "self",
			 if_known(self, milliseconds(e->self_ns)), "folded", number(e->folded),
			 "folded_time", milliseconds(e->folded_ns), "untold", number(e->untold));
}
