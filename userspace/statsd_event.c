/* SPDX-License-Identifier: MIT */
#include "statsd_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "statsd_line.h"

#define NAME_SIZE (STATSD_TEXT_MAX + 1)
#define PART_SIZE 512

/* No | in it: not all servers go by the length. */
static void write_text(char text[PART_SIZE], const struct stuck_news *news)
{
	const char *what =
		news->held_up ? "What is behind it refused" : "It refused what was submitted";
	const char *when = news->gone ? "until it ended" : news->ended ? "until now" : "by now";

	snprintf(text, PART_SIZE, "%s, most of the time for %s%" PRIu64 ".%03" PRIu64 " s %s.",
		 what, news->ended ? "about " : "", news->ns / 1000000000,
		 news->ns / 1000000 % 1000, when);
}

/* Where to look is a warning; what is only held up shows how far it reaches. */
static const char *type_of(const struct stuck_news *news)
{
	if (news->held_up || news->gone)
		return "info";
	return news->ended ? "success" : "warning";
}

size_t statsd_event(char out[STATSD_EVENT_SIZE], const struct stuck_news *news, const char *tags)
{
	char process[NAME_SIZE], step[NAME_SIZE], title[PART_SIZE], text[PART_SIZE];
	int n;

	statsd_value(process, sizeof(process), news->process);
	statsd_value(step, sizeof(step), news->step);
	snprintf(title, sizeof(title), "%s: %s is %s%s", process, step,
		 news->ended ? "no longer " : "", news->held_up ? "held up" : "stuck");
	write_text(text, news);
	n = snprintf(out, STATSD_EVENT_SIZE, "_e{%zu,%zu}:%s|%s|k:pushback %s %s|t:%s%s%s",
		     strlen(title), strlen(text), title, text, process, step, type_of(news),
		     *tags ? "|#" : "", tags);
	return n > 0 && n < STATSD_EVENT_SIZE ? (size_t)n : 0;
}
