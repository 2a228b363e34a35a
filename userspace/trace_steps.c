/* SPDX-License-Identifier: MIT */
#include "trace_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "json_out.h"
#include "text.h"
#include "top_text.h"

#define FIRST_NS 10000
#define MS_NS    1000000
/* That the kernel's buckets have, and as many again. */
#define VALUES_MOST (2 * PB_HIST_BUCKETS)
/* Before a bar: "   10us to   20us     12345 ". */
#define BAR_AT    28
#define BAR_LEAST 8
#define BAR_MOST  60

struct entry {
	uint64_t id; /* the series' */
	uint32_t pid;
	char process[16];
	char name[PUSHBACK_NAME_SIZE];
	uint64_t counter[COUNTERS];
	struct hist durations[2];
	UT_hash_handle hh;
};

struct trace_steps {
	struct entry *entries;
	uint64_t unlisted_from, unlisted; /* ids grow: those from there on have none */
};

/* What of a series is told of a direction. */
struct side {
	const char *state;
	enum counter closed, folded, partial, abandoned, time;
};

static const struct side sides[] = {
	{ "refusing", COUNTER_SEND_EPISODES, COUNTER_SEND_FOLDED, COUNTER_SEND_PARTIAL,
	  COUNTER_SEND_ABANDONED, COUNTER_SEND_TIME },
	{ "blocked", COUNTER_RECEIVE_EPISODES, COUNTER_RECEIVE_FOLDED, COUNTER_RECEIVE_PARTIAL,
	  COUNTER_RECEIVE_ABANDONED, COUNTER_RECEIVE_TIME },
};

struct trace_steps *trace_steps_new(void)
{
	return calloc(1, sizeof(struct trace_steps));
}

static void forget(struct trace_steps *t, struct entry *e)
{
	HASH_DEL(t->entries, e);
	hist_free(&e->durations[0]);
	hist_free(&e->durations[1]);
	free(e);
}

void trace_steps_free(struct trace_steps *t)
{
	struct entry *e, *next;

	if (!t)
		return;
	HASH_ITER (hh, t->entries, e, next)
		forget(t, e);
	free(t);
}

size_t trace_steps_unlisted(const struct trace_steps *t)
{
	return (size_t)t->unlisted;
}

/* ---- Adding ---- */

/* Of the tags "pid:4711,watched:partly": there is one. */
static uint32_t pid_of(const char *tags)
{
	const char *pid = strstr(tags, "pid:");

	return pid ? (uint32_t)strtoul(pid + strlen("pid:"), NULL, 10) : 0;
}

static struct entry *entry_new(struct trace_steps *t, const struct series *series)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->id = series->id;
	e->pid = pid_of(series->tags);
	snprintf(e->process, sizeof(e->process), "%s", series->process);
	snprintf(e->name, sizeof(e->name), "%s", series->step);
	HASH_ADD(hh, t->entries, id, sizeof(e->id), e);
	if (e->hh.tbl)
		return e;
	free(e);
	return NULL;
}

int trace_steps_add(struct trace_steps *t, const struct series *series)
{
	struct entry *e;
	int err = 0;

	if (!series->step)
		return 0;
	HASH_FIND(hh, t->entries, &series->id, sizeof(series->id), e);
	if (!e && HASH_COUNT(t->entries) >= TRACE_STEPS_MOST) {
		t->unlisted += series->id >= t->unlisted_from;
		t->unlisted_from =
			series->id >= t->unlisted_from ? series->id + 1 : t->unlisted_from;
		return 0;
	}
	if (!e)
		e = entry_new(t, series);
	if (!e)
		return -ENOMEM;
	memcpy(e->counter, series->counter, sizeof(e->counter));
	for (int i = 0; i < 2; i++) {
		if (hist_add_all(&e->durations[i], &series->durations[i]))
			err = -ENOMEM;
		/* Means of what was told in bulk may be any number of values. */
		if (e->durations[i].size > VALUES_MOST)
			hist_reduce(&e->durations[i], VALUES_MOST / 2);
	}
	return err;
}

/* ---- Buckets ---- */

/* Where bucket `i` ends; the last one does not. */
static uint64_t bucket_end(size_t i)
{
	static const uint64_t steps[] = { 1, 2, 5 };
	uint64_t ns = FIRST_NS * steps[i % 3];

	for (size_t decades = i / 3; decades; decades--)
		ns *= 10;
	return ns;
}

static void fill(const struct hist *h, uint64_t buckets[TRACE_BUCKETS])
{
	size_t at = 0;

	memset(buckets, 0, TRACE_BUCKETS * sizeof(*buckets));
	for (size_t i = 0; i < h->size; i++) {
		while (at < TRACE_BUCKETS - 1 && h->values[i].ns >= bucket_end(at))
			at++;
		buckets[at] += h->values[i].count;
	}
}

static bool is_empty(const struct entry *e, int direction)
{
	const struct side *side = &sides[direction];

	return !e->counter[side->closed] && !e->counter[side->partial] &&
	       !e->counter[side->abandoned] && !e->counter[side->time];
}

static uint64_t longest_of(const struct hist *h)
{
	return h->size ? h->values[h->size - 1].ns : 0;
}

/* ---- For people ---- */

static void put_name(const char *name, bool utf8, FILE *out)
{
	char safe[TOP_TEXT_SIZE(PUSHBACK_NAME_SIZE)];

	top_text_safe(safe, sizeof(safe), text_name(name), utf8);
	fputs(safe, out);
}

static void put_time(const char *before, uint64_t ns, FILE *out)
{
	char text[TOP_NUMBER_SIZE];

	top_text_time(text, ns);
	fprintf(out, "%s%s", before, text);
}

static void put_count(uint64_t count, const char *what, FILE *out)
{
	if (count)
		fprintf(out, ", %" PRIu64 " %s", count, what);
}

static void put_title(const struct entry *e, int direction, bool utf8, FILE *out)
{
	const struct side *side = &sides[direction];
	const struct hist *h = &e->durations[direction];
	uint64_t closed = e->counter[side->closed];

	put_name(e->process, utf8, out);
	fprintf(out, "[%" PRIu32 "] ", e->pid);
	put_name(e->name, utf8, out);
	fprintf(out, " %s", side->state);
	put_time(" ", e->counter[side->time], out);
	fprintf(out, ": %" PRIu64 " episode%s", closed, closed == 1 ? "" : "s");
	put_count(e->counter[side->folded], "of them folded", out);
	put_count(e->counter[side->partial], "of unknown beginning", out);
	put_count(e->counter[side->abandoned], "abandoned", out);
	fputc('\n', out);
	if (!h->count)
		return;
	put_time("  p50 ", hist_quantile(h, 0.5), out);
	put_time("  p99 ", hist_quantile(h, 0.99), out);
	put_time("  longest ", longest_of(h), out);
	fputc('\n', out);
}

static void put_bar(uint64_t n, uint64_t most, size_t width, FILE *out)
{
	size_t room = width < BAR_AT + BAR_LEAST ? BAR_LEAST : width - BAR_AT;
	size_t size;

	room = room > BAR_MOST ? BAR_MOST : room;
	size = (size_t)((double)n / (double)most * (double)room);
	for (size += n && !size; size; size--)
		fputc('|', out);
	fputc('\n', out);
}

static void put_bucket(size_t at, uint64_t n, uint64_t most, size_t width, FILE *out)
{
	char from[TOP_NUMBER_SIZE] = "0", to[TOP_NUMBER_SIZE] = "";

	if (at)
		top_text_time(from, bucket_end(at - 1));
	if (at < TRACE_BUCKETS - 1)
		top_text_time(to, bucket_end(at));
	fprintf(out, "  %5s %-2s %5s %10" PRIu64, from, *to ? "to" : "up", to, n);
	if (n)
		fputc(' ', out);
	put_bar(n, most, width, out);
}

static void put_buckets(const struct hist *h, size_t width, FILE *out)
{
	uint64_t buckets[TRACE_BUCKETS], most = 0;
	size_t first = TRACE_BUCKETS, last = 0;

	fill(h, buckets);
	for (size_t i = 0; i < TRACE_BUCKETS; i++) {
		if (!buckets[i])
			continue;
		first = i < first ? i : first;
		last = i;
		most = buckets[i] > most ? buckets[i] : most;
	}
	for (size_t i = first; i <= last && i < TRACE_BUCKETS; i++)
		put_bucket(i, buckets[i], most, width, out);
}

void trace_steps_write(const struct trace_steps *t, size_t width, bool utf8, FILE *out)
{
	for (const struct entry *e = t->entries; e; e = e->hh.next) {
		for (int i = 0; i < 2; i++) {
			if (is_empty(e, i))
				continue;
			fputc('\n', out);
			put_title(e, i, utf8, out);
			put_buckets(&e->durations[i], width, out);
		}
	}
}

/* ---- For machines ---- */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

static json_t *milliseconds(uint64_t ns)
{
	return json_real((double)ns / MS_NS);
}

static json_t *if_any(const struct hist *h, uint64_t ns)
{
	return h->count ? milliseconds(ns) : json_null();
}

static json_t *buckets_array(const struct hist *h)
{
	uint64_t buckets[TRACE_BUCKETS];
	json_t *array = json_array();

	fill(h, buckets);
	for (size_t i = 0; array && i < TRACE_BUCKETS; i++) {
		bool ends = i < TRACE_BUCKETS - 1;

		if (!buckets[i])
			continue;
		if (json_array_append_new(
			    array,
			    json_pack("[o,o]", ends ? milliseconds(bucket_end(i)) : json_null(),
				      number(buckets[i])))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *side_object(const struct entry *e, int direction)
{
	const struct side *side = &sides[direction];
	const struct hist *h = &e->durations[direction];

	return json_pack(
		"{s:s,s:I,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "kind", "histogram",
		"pid", (json_int_t)e->pid, "process", json_text(e->process, sizeof(e->process)),
		"step", json_text(e->name, sizeof(e->name)), "state", side->state, "episodes",
		number(e->counter[side->closed]), "folded", number(e->counter[side->folded]),
		"partial", number(e->counter[side->partial]), "abandoned",
		number(e->counter[side->abandoned]), "time", milliseconds(e->counter[side->time]),
		"p50", if_any(h, hist_quantile(h, 0.5)), "p99", if_any(h, hist_quantile(h, 0.99)),
		"longest", if_any(h, longest_of(h)), "buckets", buckets_array(h));
}

int trace_steps_write_json(const struct trace_steps *t, FILE *out)
{
	int err = 0;

	for (const struct entry *e = t->entries; e && !err; e = e->hh.next)
		for (int i = 0; i < 2 && !err; i++)
			if (!is_empty(e, i))
				err = json_line(out, side_object(e, i));
	return err;
}
