/* SPDX-License-Identifier: MIT */
#include "top_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void top_words_count(const struct top_snapshot *s, char *out, size_t size)
{
	snprintf(out, size, "%zu consumer%s, %zu step%s", s->consumer_count,
		 s->consumer_count == 1 ? "" : "s", s->step_count, s->step_count == 1 ? "" : "s");
}

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
