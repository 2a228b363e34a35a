/* SPDX-License-Identifier: MIT */
#include "top_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void top_words_count(const struct top_snapshot *s, char *out, size_t size)
{
	snprintf(out, size, "%zu consumer%s, %zu step%s", s->consumer_count,
		 s->consumer_count == 1 ? "" : "s", s->step_count, s->step_count == 1 ? "" : "s");
}

/* ---- The title ---- */

struct words {
	char *out;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(w->out + w->used, w->size - w->used, format, args);
	va_end(args);
	if (more > 0)
		w->used += (size_t)more < w->size - w->used ? (size_t)more : w->size - w->used - 1;
}

/* From one to the next there is less in it. */
enum title { TITLE_WHOLE, TITLE_NO_COUNT, TITLE_NO_NAME, TITLE_NO_CLOCK, TITLE_SHORT, TITLE_LEAST };

static void add_view(struct words *w, const struct top_view *v, const char *first)
{
	const char *before = first;

	if (v->sort != TOP_BY_PIPELINE) {
		add(w, "%sby %s", before, top_sort_name(v));
		before = ", ";
	}
	if (v->side == PUSHBACK_RECEIVE) {
		add(w, "%sblocked side", before);
		before = ", ";
	}
	if (v->merge)
		add(w, "%smerged", before);
}

static void add_long(struct words *w, const struct top_keys *k, const char *count,
		     const char *clock, enum title form)
{
	add(w, "%stop", form < TITLE_NO_NAME ? "pushback " : "");
	if (k->paused)
		add(w, "  PAUSED");
	if (k->view.filter[0])
		add(w, "  filter '%s'", k->view.filter);
	if (form < TITLE_NO_CLOCK)
		add(w, "  %s", clock);
	if (form < TITLE_NO_COUNT)
		add(w, "  %s", count);
	add_view(w, &k->view, form < TITLE_NO_COUNT ? ", " : "  ");
}

/* The filter comes last: it alone may be of any length. */
static void add_short(struct words *w, const struct top_keys *k, enum title form)
{
	const struct top_view *v = &k->view;

	if (form < TITLE_LEAST)
		add(w, "top ");
	if (k->paused)
		add(w, "PAUSED ");
	if (v->merge)
		add(w, "merged ");
	if (v->side == PUSHBACK_RECEIVE)
		add(w, "blocked ");
	if (v->sort != TOP_BY_PIPELINE)
		add(w, "by %s ", top_sort_name(v));
	if (v->filter[0])
		add(w, "'%s'", v->filter);
}

void top_words_title(const struct top_keys *k, const struct top_snapshot *s, const char *clock,
		     size_t width, bool utf8, char *out, size_t size)
{
	char count[64];

	top_words_count(s, count, sizeof(count));
	for (enum title form = TITLE_WHOLE; form <= TITLE_LEAST; form++) {
		struct words w = { .out = out, .size = size };

		if (form < TITLE_SHORT)
			add_long(&w, k, count, clock, form);
		else
			add_short(&w, k, form);
		if (top_text_width(out, utf8) <= width)
			return;
	}
}

/* ---- The keys ---- */

/* The end of what is being typed is where one looks. */
static void typed(const char *filter, size_t width, bool utf8, char *out, size_t size)
{
	snprintf(out, size, "filter: %s_  (enter keeps it, escape: none)", filter);
	if (top_text_width(out, utf8) <= width)
		return;
	do {
		snprintf(out, size, "filter: %s_", filter);
		if (top_text_width(out, utf8) <= width || !*filter)
			return;
		/* A character of UTF-8 as a whole. */
		for (filter++; (*filter & 0xc0) == 0x80; filter++)
			;
	} while (true);
}

/* As with the title. */
enum keys { KEYS_WHOLE, KEYS_NO_SIDE, KEYS_SHORT, KEYS_LEAST };

static void add_keys(struct words *w, const struct top_keys *k, enum keys form)
{
	const char *pause = k->paused ? "go on" : "pause",
		   *merge = k->view.merge ? "split" : "merge";
	const char *side = k->view.side == PUSHBACK_SEND ? "blocked " : "refusing ";

	if (form <= KEYS_NO_SIDE)
		add(w, "q quit  s sort  / filter  p %s  d %sside  m %s  h help", pause,
		    form == KEYS_WHOLE ? side : "", merge);
	else if (form == KEYS_SHORT)
		add(w, "q quit  h help  p %s  m %s  s / d", pause, merge);
	else
		add(w, "q quit  h help");
}

void top_words_keys(const struct top_keys *k, size_t width, bool utf8, char *out, size_t size)
{
	if (k->editing) {
		typed(k->view.filter, width, utf8, out, size);
		return;
	}
	for (enum keys form = KEYS_WHOLE; form <= KEYS_LEAST; form++) {
		struct words w = { .out = out, .size = size };

		add_keys(&w, k, form);
		if (strlen(out) <= width)
			return;
	}
}

/* ---- What is missing ---- */

static bool is_cut(const char *reason)
{
	return !strcmp(reason, "name_cut");
}

static bool is_loss(const char *reason)
{
	return strcmp(reason, "note_dead") != 0 && strcmp(reason, "note_duplicate") != 0 &&
	       !is_cut(reason);
}

void top_words_lost(const struct agent_stats *stats, char *out, size_t size)
{
	uint64_t cut = 0;
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; stats->lost[i].reason && used < size; i++) {
		int more;

		if (is_cut(stats->lost[i].reason))
			cut = stats->lost[i].count;
		if (!is_loss(stats->lost[i].reason))
			continue;
		more = snprintf(out + used, size - used, "%s%" PRIu64 " %s",
				used ? ", " : "lost: ", stats->lost[i].count,
				stats->lost[i].reason);
		used += more > 0 ? (size_t)more : 0;
	}
	if (used && used < size)
		used += (size_t)snprintf(out + used, size - used,
					 " (these numbers are not complete)");
	if (cut && used < size)
		snprintf(out + used, size - used, "%snames cut: %" PRIu64, used ? "; " : "", cut);
}

const char *top_words_last(const struct top_consumer *c)
{
	return c->kind == VERDICT_MEASURING ? "ended before a full second was measured"
					    : c->verdict;
}

const char *top_words_empty(const struct top_snapshot *s, const struct top_view *view)
{
	if (view->filter[0] && s->step_count)
		return "No step, process or pid matches the filter.";
	if (!s->now)
		return "Measuring the first second.";
	if (s->any_ever)
		return "No consumer is left: all that were seen here have ended.";
	return "No step has returned since this began: not running, idle, or inside a call all the "
	       "time? See pushback list, pushback doctor --pid.";
}

void top_words_verdict(const struct top_layout *l, const struct top_consumer *c, char *out,
		       size_t size)
{
	char name[TOP_CELL_SIZE];

	top_layout_name(l, c, name);
	snprintf(out, size, "%.*s: %s", (int)sizeof(name), name, c->verdict);
}
