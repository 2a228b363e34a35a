/* SPDX-License-Identifier: MIT */
#include "top_partly.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "top_text.h"

#define NAME_SHOWN 40 /* as in verdicts */

static const struct top_step *most_self(const struct top_step *steps, size_t count)
{
	const struct top_step *most = NULL;

	for (size_t i = 0; i < count; i++)
		if (steps[i].judged && steps[i].self > (most ? most->self : 0))
			most = &steps[i];
	return most;
}

static bool is_any_judged(const struct top_step *steps, size_t count)
{
	bool judged = false;

	for (size_t i = 0; i < count; i++)
		judged |= steps[i].judged;
	return judged;
}

static void say(struct top_consumer *c, const struct top_step *steps, double part, bool away)
{
	char share[TOP_NUMBER_SIZE], self[TOP_NUMBER_SIZE], name[TOP_TEXT_SIZE(NAME_SHOWN)];
	const struct top_step *most = most_self(steps, c->count);
	char last[sizeof(name) + 64] = "";

	top_text_percent(share, part);
	if (most) {
		top_text_percent(self, most->self);
		top_text_line(name, text_name(most->name), NAME_SHOWN, true);
		snprintf(last, sizeof(last), "; %s had most self time in it (%s %%)", name, self);
	} else if (!is_any_judged(steps, c->count)) {
		snprintf(last, sizeof(last), "; too short for shares");
	}
	snprintf(c->verdict, sizeof(c->verdict),
		 "by --budget watched %s %% of the time%s, so no verdict: ~ counts and durations "
		 "are "
		 "of the last part only%s",
		 share, away ? ", not just now" : "", last);
}

void top_partly_mark(struct top_consumer *c, struct top_step *steps, double part, bool away)
{
	c->partly = true;
	c->kind = VERDICT_PARTLY;
	c->culprit = c->count;
	c->pressed = false;
	for (size_t i = 0; i < c->count; i++) {
		steps[i].partly |= away;
		steps[i].part = steps[i].partly ? part : 1;
		steps[i].at_fault = false;
		steps[i].state = top_step_state(&steps[i]);
		if (steps[i].partly)
			steps[i].since_ns = 0;
	}
	say(c, steps, part, away);
}

/* By its name: when it comes again, it is a new instance. */
static bool is_back(const struct top_step *step, const struct top_snapshot *now)
{
	for (size_t i = 0; i < now->consumer_count; i++) {
		const struct top_consumer *c = &now->consumers[i];

		if (memcmp(&c->process, &step->key.process, sizeof(c->process)) != 0)
			continue;
		for (size_t j = c->first; j < c->first + c->count; j++)
			if (!strcmp(step->name, now->steps[j].name))
				return true;
	}
	return false;
}

static bool has_ended(const struct top_step *step, const struct top_step *ended, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!memcmp(&step->key, &ended[i].key, sizeof(step->key)))
			return true;
	}
	return false;
}

bool top_partly_is_away(const struct top_consumer *c, const struct top_snapshot *last,
			const struct top_snapshot *now, const struct top_step *ended,
			size_t ended_count)
{
	for (size_t i = c->first; i < c->first + c->count; i++)
		if (is_back(&last->steps[i], now) || has_ended(&last->steps[i], ended, ended_count))
			return false;
	return true;
}
