/* SPDX-License-Identifier: MIT */
#include "log_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pushback.h"
#include "text.h"
#include "top_text.h"

#define NAME_SIZE 140
#define TAGS_SIZE 160
#define TIME_SIZE 24

struct line {
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
	size_t room = LOG_TEXT_SIZE - line->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->used, room, format, args);
	va_end(args);
	if (n > 0)
		line->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* To the ms: what adds up over lines does so in what they say. */
static const char *seconds(char text[TIME_SIZE], uint64_t ns)
{
	snprintf(text, TIME_SIZE, "%" PRIu64 ".%03" PRIu64 " s", ns / 1000000000,
		 ns / 1000000 % 1000);
	return text;
}

/* A log is read by programs as well: of what is not ASCII a ? stays. */
static void add_name(struct line *line, const char *process, const char *step, const char *tags)
{
	char safe[NAME_SIZE], labels[TAGS_SIZE];

	top_text_safe(safe, sizeof(safe), text_name(process), false);
	add(line, "%s ", safe);
	top_text_safe(safe, sizeof(safe), text_name(step), false);
	add(line, "%s", safe);
	if (!*tags)
		return;
	top_text_safe(labels, sizeof(labels), tags, false);
	add(line, " (%s)", labels);
}

static void add_episodes(struct line *line, uint64_t count, const struct hist *durations)
{
	char middle[TOP_NUMBER_SIZE], longest[TOP_NUMBER_SIZE];

	add(line, "%" PRIu64 " episode%s", count, count == 1 ? "" : "s");
	if (!durations || !durations->size)
		return;
	top_text_time(middle, hist_quantile(durations, 0.5));
	top_text_time(longest, hist_quantile(durations, 1));
	add(line, ", median %s, longest %s", middle, longest);
}

static void add_refusing(struct line *line, const struct log_step *step)
{
	const uint64_t *c = step->counter;
	char time[TIME_SIZE];

	add(line, "refused %" PRIu64 " of %" PRIu64 " submits, for %s", c[COUNTER_SEND],
	    c[COUNTER_SEND] + c[COUNTER_ACCEPTED], seconds(time, c[COUNTER_SEND_TIME]));
	add(line, ", by itself for %s (", seconds(time, c[COUNTER_SEND_SELF_TIME]));
	add_episodes(line, c[COUNTER_SEND_EPISODES], step->durations[PUSHBACK_SEND]);
	add(line, ")");
}

static void add_blocked(struct line *line, const struct log_step *step)
{
	char time[TIME_SIZE];

	add(line, "was blocked for %s (", seconds(time, step->counter[COUNTER_RECEIVE_TIME]));
	add_episodes(line, step->counter[COUNTER_RECEIVE_EPISODES],
		     step->durations[PUSHBACK_RECEIVE]);
	add(line, ")");
}

void log_text_step(char out[LOG_TEXT_SIZE], const struct log_step *step)
{
	const uint64_t *c = step->counter;
	bool refuses = c[COUNTER_SEND] || c[COUNTER_SEND_TIME] || c[COUNTER_SEND_EPISODES];
	bool blocked = c[COUNTER_RECEIVE_TIME] || c[COUNTER_RECEIVE_EPISODES];
	struct line line = { out, 0 };
	char time[TIME_SIZE];

	add_name(&line, step->process, step->step, step->tags);
	add(&line, ": in %s it ", seconds(time, step->ns));
	if (refuses || !blocked)
		add_refusing(&line, step);
	if (refuses && blocked)
		add(&line, ", and ");
	if (blocked)
		add_blocked(&line, step);
}

void log_text_more(char out[LOG_TEXT_SIZE], uint64_t steps, uint64_t ns)
{
	char time[TIME_SIZE];

	snprintf(out, LOG_TEXT_SIZE,
		 "in these %s %" PRIu64 " more step%s in backpressure, each for less time",
		 seconds(time, ns), steps, steps == 1 ? " was" : "s were");
}

void log_text_lost(char out[LOG_TEXT_SIZE], const char *words, uint64_t ns)
{
	char time[TIME_SIZE];

	snprintf(out, LOG_TEXT_SIZE, "in these %s %s", seconds(time, ns), words);
}

void log_text_spell(char out[LOG_TEXT_SIZE], const struct stuck_news *news)
{
	const char *what = news->held_up ? "held up by what is behind it" : "stuck";
	struct line line = { out, 0 };
	char time[TIME_SIZE];

	seconds(time, news->ns);
	add_name(&line, news->process, news->step, news->tags);
	if (news->gone)
		add(&line, ": has ended, and was %s most of the last %s", what, time);
	else if (news->ended)
		add(&line, ": is no longer %s, after about %s", what, time);
	else
		add(&line, ": is %s, most of the time for %s by now", what, time);
}

void log_text_spells_more(char out[LOG_TEXT_SIZE], uint64_t spells)
{
	snprintf(out, LOG_TEXT_SIZE,
		 "%" PRIu64 " more line%s of steps that are stuck %s left out here", spells,
		 spells == 1 ? "" : "s", spells == 1 ? "was" : "were");
}
