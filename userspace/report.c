/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json_out.h"
#include "report_strips.h"
#include "report_verdict.h"

#ifndef PUSHBACK_TOOL_VERSION
#define PUSHBACK_TOOL_VERSION "unknown"
#endif

#define SECOND_NS   1000000000u
#define CELLS_LEAST 30

struct report {
	const struct report_options *options;
	struct report_strips strips;
};

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

/* 64 bits, which not all that read JSON can hold in a number. */
static json_t *identity(uint64_t value)
{
	return json_sprintf("%" PRIu64, value);
}

static json_t *milliseconds(uint64_t us)
{
	return number((us + 500) / 1000);
}

/* A second of the recorder as ms since 1970. */
static json_t *wall(const struct report *r, uint64_t second)
{
	const struct report_options *o = r->options;
	/* What was kept may say anything of when it began: unsigned, since that has no overflow. */
	uint64_t ns = recorder_began(o->recorder) + second * SECOND_NS + (uint64_t)o->offset_ns;

	return json_integer((int64_t)ns / 1000000);
}

/* ---- A step ---- */

enum line { LINE_REFUSING, LINE_BLOCKED, LINE_SELF, LINE_BUSY, LINE_ACCEPTED, LINE_DEPTH };

static uint64_t value_of(const struct recorder_sums *sums, enum line line, uint64_t seconds)
{
	const uint64_t us[] = { sums->refusing, sums->blocked, sums->self, sums->busy };
	uint64_t percent;

	if (line == LINE_DEPTH)
		return sums->depth;
	if (line == LINE_ACCEPTED)
		return (sums->accepted + seconds / 2) / seconds;
	percent = (us[line] / seconds + 5000) / 10000;
	return percent < 100 ? percent : 100;
}

/* Empty where all are 0. */
static json_t *line_array(const struct report *r, const struct report_step *step, enum line line)
{
	json_t *array = json_array();
	bool any = false;

	for (size_t i = 0; array && i < r->strips.cell_count; i++) {
		uint64_t seconds = report_cell_seconds(&r->strips, i);
		uint64_t value = value_of(&step->cells[i], line, seconds);

		any |= value != 0;
		if (json_array_append_new(array, number(value))) {
			json_decref(array);
			return NULL;
		}
	}
	if (!any)
		json_array_clear(array);
	return array;
}

static json_t *strip_object(const struct report *r, const struct report_step *step)
{
	return json_pack(
		"{s:o,s:o,s:o,s:o,s:o,s:o}", "refusing", line_array(r, step, LINE_REFUSING),
		"blocked", line_array(r, step, LINE_BLOCKED), "self",
		line_array(r, step, LINE_SELF), "busy", line_array(r, step, LINE_BUSY), "accepted",
		line_array(r, step, LINE_ACCEPTED), "depth", line_array(r, step, LINE_DEPTH));
}

/* [[ns, episodes], ...]: from ns on to twice that. */
static json_t *bars_of(const struct hist *h)
{
	json_t *bars = json_array();
	uint64_t bar = 0, count = 0;

	for (size_t i = 0; i <= h->size; i++) {
		uint64_t ns = i < h->size && h->values[i].ns ? h->values[i].ns : 1;
		uint64_t of = 1ull << (63 - __builtin_clzll(ns));

		if (i == h->size || of != bar) {
			if (count)
				json_array_append_new(
					bars, json_pack("[o,o]", number(bar), number(count)));
			bar = of;
			count = 0;
		}
		if (i < h->size)
			count += h->values[i].count;
	}
	return bars;
}

static json_t *durations_object(const struct hist *h)
{
	if (!h->count)
		return json_null();
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "count", number(h->count), "p50_ns",
			 number(hist_quantile(h, 0.5)), "p99_ns", number(hist_quantile(h, 0.99)),
			 "longest_ns", number(h->values[h->size - 1].ns), "bars", bars_of(h));
}

static bool set(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static bool set_durations(const struct report *r, json_t *object, const struct report_step *step)
{
	const struct recorder_series *series = step->strip->series;
	struct hist found[2] = { { 0 } };
	bool done = !recorder_add_durations(step->strip, r->strips.from, r->strips.until, found);

	done = done && set(object, "refusing_durations", durations_object(&found[0])) &&
	       set(object, "blocked_durations", durations_object(&found[1])) &&
	       set(object, "durations_of", number(series ? series->users : 0));
	hist_free(&found[0]);
	hist_free(&found[1]);
	return done;
}

static bool set_totals(json_t *object, const struct report_step *step)
{
	const struct recorder_sums *all = &step->all;
	const struct recorder_strip *strip = step->strip;

	return set(object, "refusing_ms", milliseconds(all->refusing)) &&
	       set(object, "blocked_ms", milliseconds(all->blocked)) &&
	       set(object, "self_ms", milliseconds(all->self)) &&
	       set(object, "busy_ms", strip->marks ? milliseconds(all->busy) : json_null()) &&
	       set(object, "accepted", number(all->accepted)) &&
	       set(object, "rejected", number(all->rejected)) &&
	       set(object, "forwarded", number(all->forwarded)) &&
	       set(object, "refused", number(all->refused)) &&
	       set(object, "refusing_episodes", number(all->episodes[0])) &&
	       set(object, "blocked_episodes", number(all->episodes[1])) &&
	       set(object, "depth_most", strip->has_depth ? number(all->depth) : json_null()) &&
	       set(object, "capacity",
		   strip->has_depth && strip->capacity ? number(strip->capacity) : json_null());
}

/* What it was refused, on all of its edges: shared out where there are several. */
static json_t *next_array(const struct report_step *step)
{
	const struct recorder_next *next = step->strip->next;
	json_t *array = json_array();
	double weight = 0;
	size_t count = 0;

	while (count < PB_MAX_NEXT && next[count].instance)
		weight += (double)next[count++].refusals;
	for (size_t i = 0; array && i < count; i++) {
		double part = weight > 0 ? (double)next[i].refusals / weight : 1 / (double)count;
		uint64_t refused = count == 1 ? step->all.refused
					      : (uint64_t)((double)step->all.refused * part);

		json_array_append_new(array, json_pack("{s:o,s:o,s:b}", "instance",
						       identity(next[i].instance), "refused",
						       number(refused), "estimated", count > 1));
	}
	return array;
}

static json_t *step_object(const struct report *r, const struct report_step *step, bool accused)
{
	const struct recorder_strip *s = step->strip;
	uint64_t began = recorder_began(r->options->recorder);
	json_t *object = json_pack("{s:o,s:o,s:o,s:b,s:b,s:b,s:o,s:o}", "step",
				   json_text(s->name, sizeof(s->name)), "instance",
				   identity(s->key.instance), "level", number(s->level), "accused",
				   accused, "marks", s->marks, "partly", s->partly, "next",
				   next_array(step), "strip", strip_object(r, step));

	if (object &&
	    set(object, "ended",
		s->ended ? wall(r, (s->ended - began) / SECOND_NS) : json_null()) &&
	    set_totals(object, step) && set_durations(r, object, step))
		return object;
	json_decref(object);
	return NULL;
}

/* ---- A consumer ---- */

static json_t *verdict_object(const struct report *r, const struct report_verdict *v)
{
	uint64_t from = r->strips.from + v->longest * r->strips.width;
	uint64_t until = from + v->longest_count * r->strips.width;

	if (until > r->strips.until)
		until = r->strips.until;
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "text", json_text(v->text, sizeof(v->text)),
			 "pressed_s", number(v->pressed_s), "judged_s", number(v->judged_s),
			 "stretches", number(v->stretches), "longest",
			 v->longest_count ? json_pack("[o,o]", wall(r, from), wall(r, until))
					  : json_null());
}

static json_t *consumer_object(const struct report *r, const struct report_consumer *c)
{
	const struct recorder_strip *first = c->steps[0].strip;
	json_t *steps = json_array(), *object;
	struct report_verdict v;

	if (report_judge(&r->strips, c, &v)) {
		json_decref(steps);
		return NULL;
	}
	object = json_pack("{s:i,s:o,s:o,s:o}", "pid", (int)first->key.process.tgid, "process",
			   json_text(first->process, sizeof(first->process)), "tags",
			   json_text(first->tags, 4096), "verdict", verdict_object(r, &v));
	for (size_t i = 0; i < c->count; i++)
		if (json_array_append_new(steps, step_object(r, &c->steps[i], v.accused[i]))) {
			json_decref(object);
			object = NULL;
		}
	free(v.accused);
	if (object && set(object, "steps", steps))
		return object;
	if (!object)
		json_decref(steps);
	json_decref(object);
	return NULL;
}

/* ---- The whole ---- */

static json_t *host_object(void)
{
	struct utsname u = { 0 };

	uname(&u);
	return json_pack("{s:o,s:s,s:s,s:i}", "name", json_text(u.nodename, sizeof(u.nodename)),
			 "kernel", u.release, "machine", u.machine, "cpus",
			 (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static json_t *recorder_object(const struct report *r)
{
	const struct recorder *recorder = r->options->recorder;
	struct recorder_lost lost = recorder_lost(recorder);

	return json_pack("{s:o,s:o,s:o,s:o,s:b}", "bytes", number(recorder_bytes(recorder)),
			 "steps_without_room", number(lost.steps), "steps_dropped",
			 number(lost.dropped), "memory_failed", number(lost.memory), "coarse",
			 recorder_is_coarse(recorder, r->strips.from));
}

static json_t *window_object(const struct report *r)
{
	const struct report_strips *s = &r->strips;

	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "from", wall(r, s->from), "until",
			 wall(r, s->until), "seconds", number(s->until - s->from), "cell_s",
			 number(s->width), "cells", number(s->cell_count));
}

static json_t *report_object(const struct report *r)
{
	const struct report_options *o = r->options;
	json_t *consumers = json_array();

	for (size_t i = 0; i < r->strips.consumer_count; i++)
		if (json_array_append_new(consumers, consumer_object(r, &r->strips.consumers[i]))) {
			json_decref(consumers);
			return NULL;
		}
	return json_pack("{s:s,s:o,s:o,s:o,s:O,s:o,s:o}", "version", PUSHBACK_TOOL_VERSION, "note",
			 o->note ? json_text(o->note, 512) : json_null(), "host", host_object(),
			 "window", window_object(r), "agent", o->agent, "recorder",
			 recorder_object(r), "consumers", consumers);
}

/* These only stand in strings: there they can be written otherwise. jansson takes DEL for printable. */
static bool is_to_be_escaped(char c)
{
	return c == '<' || c == '\x7f';
}

static char *escaped(char *text)
{
	size_t more = 0, length = strlen(text);
	char *out, *at;

	for (const char *c = text; *c; c++)
		more += is_to_be_escaped(*c) ? 5 : 0;
	out = at = malloc(length + more + 1);
	for (const char *c = text; out && *c; c++) {
		if (is_to_be_escaped(*c))
			at += sprintf(at, "\\u%04x", (unsigned int)*c);
		else
			*at++ = *c;
	}
	if (out)
		*at = '\0';
	free(text);
	return out;
}

static int text_of(const struct report_options *options, size_t cells, char **text)
{
	struct report r = { .options = options };
	json_t *object;
	int err = report_strips_new(&r.strips, options->recorder, options->last_s, cells);

	*text = NULL;
	if (!err && (!r.strips.step_count || !r.strips.cell_count))
		err = -ENODATA;
	object = err ? NULL : report_object(&r);
	if (object)
		*text = json_dumps(object,
				   JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(object);
	report_strips_free(&r.strips);
	if (*text)
		*text = escaped(*text);
	return err ? err : *text ? 0 : -ENOMEM;
}

int report_text(const struct report_options *options, char **text)
{
	size_t cells = REPORT_CELLS, size;
	int err = text_of(options, cells, text);

	while (!err && (size = strlen(*text)) > REPORT_BYTES && cells > CELLS_LEAST) {
		free(*text);
		/* Somewhat less than would do if all of it were cells. */
		cells = cells * (REPORT_BYTES / 16) / (size / 16) * 19 / 20;
		err = text_of(options, cells, text);
	}
	return err;
}
