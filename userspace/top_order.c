/* SPDX-License-Identifier: MIT */
#include "top_order.h"

#include <stdlib.h>
#include <string.h>

#include "top_merge.h"

struct top_order {
	struct top_merge *merge;
	struct top_row *rows;
	size_t room;
};

struct top_order *top_order_new(void)
{
	struct top_order *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->merge = top_merge_new();
	if (o->merge)
		return o;
	free(o);
	return NULL;
}

void top_order_free(struct top_order *o)
{
	if (!o)
		return;
	top_merge_free(o->merge);
	free(o->rows);
	free(o);
}

const char *top_sort_name(const struct top_view *view)
{
	static const char *const names[TOP_SORTS] = {
		[TOP_BY_PIPELINE] = "pipeline", [TOP_BY_SELF] = "self time",
		[TOP_BY_SHARE] = "refusing",    [TOP_BY_SPELL] = "spell",
		[TOP_BY_ACCEPTED] = "accepted", [TOP_BY_REJECTED] = "rejected",
		[TOP_BY_P99] = "p99",           [TOP_BY_LONGEST] = "longest",
		[TOP_BY_NAME] = "name",
	};

	if (view->sort == TOP_BY_SHARE && view->side == PUSHBACK_RECEIVE)
		return "blocked";
	return names[view->sort];
}

/* ---- The filter ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool starts_with(const char *text, const char *part)
{
	for (; *part; text++, part++)
		if (lower(*text) != lower(*part))
			return false;
	return true;
}

static bool contains(const char *text, const char *part)
{
	for (; *text; text++)
		if (starts_with(text, part))
			return true;
	return !*part;
}

static bool is_pid(const char *text, uint32_t pid)
{
	uint64_t number = 0;

	for (; *text >= '0' && *text <= '9' && number <= UINT32_MAX; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	return !*text && number == pid;
}

static bool is_wanted(const struct top_consumer *c, const struct top_step *step, const char *filter)
{
	return !*filter || contains(step->name, filter) || contains(c->name, filter) ||
	       is_pid(filter, c->process.tgid);
}

/* ---- The order ---- */

static double key_of(const struct top_step *step, const struct top_view *view)
{
	const struct top_side *side = &step->side[view->side];

	switch (view->sort) {
	case TOP_BY_SELF:
		return step->self;
	case TOP_BY_SHARE:
		return side->share;
	case TOP_BY_SPELL:
		return (double)step->since_ns;
	case TOP_BY_ACCEPTED:
		return step->rate[COUNTER_ACCEPTED];
	case TOP_BY_REJECTED:
		return step->rate[view->side == PUSHBACK_SEND ? COUNTER_SEND : COUNTER_RECEIVE];
	case TOP_BY_P99:
		return (double)side->p99;
	case TOP_BY_LONGEST:
		return (double)side->longest;
	default:
		return 0;
	}
}

/* Equal ones stay in pipeline order, which is that of their addresses. */
static int compare(const void *left, const void *right, void *context)
{
	const struct top_row *a = left, *b = right;
	const struct top_view *view = context;
	double x = key_of(a->step, view), y = key_of(b->step, view);
	int names = view->sort == TOP_BY_NAME ? strcmp(a->step->name, b->step->name) : 0;

	if (x != y)
		return x > y ? -1 : 1;
	if (names)
		return names;
	return a->step < b->step ? -1 : a->step > b->step;
}

const struct top_row *top_order_rows(struct top_order *o, const struct top_snapshot *s,
				     const struct top_view *view, size_t *count)
{
	bool grouped = view->sort == TOP_BY_PIPELINE;
	const struct top_consumer *last = NULL;
	size_t used = 0;

	if (view->merge)
		s = top_merge_snapshot(o->merge, s);
	if (!s)
		return NULL;
	if (s->step_count + s->consumer_count >= o->room) {
		size_t room = (s->step_count + s->consumer_count) * 2 + 1;
		struct top_row *rows = realloc(o->rows, room * sizeof(*rows));

		if (!rows)
			return NULL;
		o->rows = rows;
		o->room = room;
	}
	for (size_t i = 0; i < s->step_count; i++) {
		const struct top_consumer *c = &s->consumers[s->steps[i].consumer];

		if (!is_wanted(c, &s->steps[i], view->filter))
			continue;
		if (grouped && c != last)
			o->rows[used++] = (struct top_row){ .consumer = c };
		last = c;
		o->rows[used++] = (struct top_row){ .consumer = c, .step = &s->steps[i] };
	}
	if (!grouped)
		qsort_r(o->rows, used, sizeof(*o->rows), compare, (void *)view);
	*count = used;
	return o->rows;
}
