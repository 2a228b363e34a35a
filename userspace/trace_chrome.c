/* SPDX-License-Identifier: MIT */
#include "trace_chrome.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "json_out.h"
#include "text.h"

/* Tracks are threads there, and numbers of threads are of all processes: above those that Linux has. */
#define FIRST_TRACK 5000000u

struct which {
	struct pb_step_key key;
	uint64_t direction; /* as wide as the rest: there is nothing in between */
};

struct track {
	struct which which;
	uint32_t number;
	UT_hash_handle hh;
};

struct trace_chrome {
	FILE *out;
	struct track *tracks;
	bool begun;
	uint64_t left_out;
};

struct trace_chrome *trace_chrome_new(FILE *out)
{
	struct trace_chrome *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->out = out;
	fputs("{\"traceEvents\":[", out);
	return c;
}

void trace_chrome_free(struct trace_chrome *c)
{
	struct track *track, *next;

	if (!c)
		return;
	HASH_ITER (hh, c->tracks, track, next) {
		HASH_DEL(c->tracks, track);
		free(track);
	}
	free(c);
}

static void begin_event(struct trace_chrome *c, const char *phase, uint32_t pid, uint32_t track)
{
	fprintf(c->out, "%s\n{\"ph\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32,
		c->begun ? "," : "", phase, pid, track);
	c->begun = true;
}

/* "what" of a process or of a track; the name is any bytes. */
static void put_name(struct trace_chrome *c, const char *what, const struct trace_episode *e,
		     uint32_t track, const char *name, const char *state)
{
	json_t *shown = json_text(name, PUSHBACK_NAME_SIZE);
	json_t *whole = shown ? json_sprintf("%s%s", json_string_value(shown), state) : NULL;
	char *text = whole ? json_dumps(whole, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	begin_event(c, "M", e->key.process.tgid, track);
	fprintf(c->out, ",\"name\":\"%s\",\"args\":{\"name\":%s}}", what, text ? text : "\"\"");
	free(text);
	json_decref(whole);
	json_decref(shown);
}

static void introduce(struct trace_chrome *c, const struct trace_episode *e, uint32_t track)
{
	put_name(c, "process_name", e, track, text_name(e->process), "");
	put_name(c, "thread_name", e, track, text_name(e->name),
		 e->direction == PUSHBACK_SEND ? " refusing" : " blocked");
	begin_event(c, "M", e->key.process.tgid, track);
	fprintf(c->out, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%" PRIu32 "}}",
		track - FIRST_TRACK);
}

/* 0: there is no room for one more. */
static uint32_t track_of(struct trace_chrome *c, const struct trace_episode *e)
{
	const struct which which = { .key = e->key, .direction = (uint64_t)e->direction };
	struct track *track;

	HASH_FIND(hh, c->tracks, &which, sizeof(which), track);
	if (track)
		return track->number;
	if (HASH_COUNT(c->tracks) >= TRACE_CHROME_TRACKS)
		return 0;
	track = calloc(1, sizeof(*track));
	if (!track)
		return 0;
	track->which = which;
	track->number = FIRST_TRACK + HASH_COUNT(c->tracks);
	HASH_ADD(hh, c->tracks, which, sizeof(track->which), track);
	if (!track->hh.tbl) {
		free(track);
		return 0;
	}
	introduce(c, e, track->number);
	return track->number;
}

/* Microseconds, as exact as they are known. */
static void put_time(FILE *out, const char *key, uint64_t ns)
{
	fprintf(out, ",\"%s\":%" PRIu64 ".%03" PRIu64, key, ns / 1000, ns % 1000);
}

/* What a consumer claims may be more than readers of JSON take, and the whole file would be lost to them. */
static void put_count(FILE *out, const char *key, uint64_t count)
{
	fprintf(out, ",\"%s\":%" PRIu64, key, count > INT64_MAX ? INT64_MAX : count);
}

void trace_chrome_slice(struct trace_chrome *c, const struct trace_episode *e)
{
	static const char *const ends[] = { "closed", "partial", "abandoned", "open" };
	uint32_t track = track_of(c, e);

	if (!track) {
		c->left_out++;
		return;
	}
	begin_event(c, "X", e->key.process.tgid, track);
	put_time(c->out, "ts", e->began_ns);
	put_time(c->out, "dur", e->ns);
	fprintf(c->out, ",\"name\":\"%s\",\"cat\":\"%s\",\"args\":{\"end\":\"%s\"",
		e->direction == PUSHBACK_SEND ? "refusing" : "blocked", ends[e->end], ends[e->end]);
	if (e->at_least)
		fputs(",\"at_least\":true", c->out);
	if (e->counted)
		put_count(c->out, "rejections", e->rejections);
	if (e->counted && e->direction == PUSHBACK_SEND)
		put_time(c->out, "self_us", e->self_ns);
	if (e->folded) {
		put_count(c->out, "folded_before", e->folded);
		put_time(c->out, "folded_before_us", e->folded_ns);
	}
	if (e->untold)
		put_count(c->out, "untold_before", e->untold);
	fputs("}}", c->out);
}

void trace_chrome_end(struct trace_chrome *c, uint64_t untold)
{
	fprintf(c->out,
		"\n],\n\"displayTimeUnit\":\"ms\",\"otherData\":{\"clock\":\"CLOCK_MONOTONIC\","
		"\"untold\":%" PRIu64 ",\"left_out\":%" PRIu64 "}}\n",
		untold, c->left_out);
}

uint64_t trace_chrome_left_out(const struct trace_chrome *c)
{
	return c->left_out;
}
