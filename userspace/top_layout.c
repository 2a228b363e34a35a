/* SPDX-License-Identifier: MIT */
#include "top_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Names up to here are shown whole before the less important columns come. */
#define NAME_WANTED    16
#define NAME_LEAST     8
#define LESS_IMPORTANT 8 /* rank from which on that is so */
#define PROCESS_LEAST  8

#define BAR_COLUMNS   8
#define SINCE_COLUMNS 5

/* What may be missing altogether, and then takes no room. */
enum need { ALWAYS, DEPTHS, MARKS, MERGED, PROCESSES, FLAT_NOT_MERGED };

struct top_column {
	const char *title, *blocked_title; /* the second on the blocked side, where it differs */
	size_t width;
	unsigned int rank; /* the higher, the sooner it is given up */
	bool right;
	enum need need;
	enum top_sort sort; /* the order in which this is what rows are sorted by */
	void (*text)(const struct top_layout *l, const struct top_row *row, char *out);
	enum top_style (*style)(const struct top_row *row);
};

/* ---- What stands in the columns ---- */

static const struct top_side *side_of(const struct top_layout *l, const struct top_row *row)
{
	return &row->step->side[l->view.side];
}

static void unknown(char *out)
{
	strcpy(out, "-");
}

static void put_percent(bool known, double share, char *out)
{
	if (known)
		top_text_percent(out, share);
	else
		unknown(out);
}

static void put_rate(bool known, double rate, char *out)
{
	if (known)
		top_text_count(out, rate);
	else
		unknown(out);
}

static void put_time(uint64_t ns, char *out)
{
	if (ns)
		top_text_time(out, ns);
	else
		unknown(out);
}

/* ">1m": what is at least that long is not more exact than fits, and in the column's width. */
static void put_at_least(uint64_t ns, bool at_least, char *out)
{
	char *unit;

	*out = '>';
	put_time(ns, out + at_least);
	if (!at_least || !ns || strlen(out) <= SINCE_COLUMNS)
		return;
	unit = strpbrk(out, "hm");
	if (unit)
		unit[1] = '\0';
}

static void text_mark(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	strcpy(out, row->step->partly ? "~" : row->step->at_fault ? "*" : "");
}

static void text_pid(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	snprintf(out, TOP_CELL_SIZE, "%" PRIu32, row->step->key.process.tgid);
}

static void text_process(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	strcpy(out, text_name(row->step->process));
}

static void text_step(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	strcpy(out, text_name(row->step->name));
}

static void text_instances(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	top_text_count(out, (double)row->step->merged);
}

static void text_state(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	if (row->step->judged || row->step->partly)
		strcpy(out, top_state_names[row->step->state]);
	else
		unknown(out);
}

static void text_since(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	put_at_least(row->step->since_ns, row->step->since_at_least, out);
}

static void text_refusing(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	put_percent(row->step->judged, row->step->side[PUSHBACK_SEND].share, out);
}

static void text_blocked(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	put_percent(row->step->judged, row->step->side[PUSHBACK_RECEIVE].share, out);
}

static void text_self(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	put_percent(row->step->judged, row->step->self, out);
}

static void text_busy(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	if (row->step->marks)
		put_percent(row->step->judged, row->step->busy, out);
	else
		strcpy(out, "?");
}

/*
 * These four are of one measure and add up to 100; REF% and BLK% are exact and overlap. Without enter
 * marks busy and idle are not told apart.
 */
static void text_split(const struct top_layout *l, const struct top_row *row, char *out)
{
	static const enum model_state order[] = { MODEL_BUSY, MODEL_BLOCKED, MODEL_REFUSING,
						  MODEL_IDLE };
	const struct top_step *step = row->step;
	double sum = 0;

	(void)l;
	for (int i = 0; i < MODEL_STATES; i++)
		sum += step->split[i];
	if (!step->judged || !(sum > 0)) {
		unknown(out);
		return;
	}
	for (size_t i = 0; i < MODEL_STATES; i++) {
		bool told = step->marks || order[i] == MODEL_BLOCKED || order[i] == MODEL_REFUSING;
		char share[TOP_NUMBER_SIZE] = "?";

		if (told)
			top_text_percent(share, step->split[order[i]]);
		out += sprintf(out, "%s%3s", i ? "+" : "", share);
	}
}

static void text_accepted(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	put_rate(row->step->judged, row->step->rate[COUNTER_ACCEPTED], out);
}

static void text_rejected(const struct top_layout *l, const struct top_row *row, char *out)
{
	bool send = l->view.side == PUSHBACK_SEND;

	put_rate(row->step->judged, row->step->rate[send ? COUNTER_SEND : COUNTER_RECEIVE], out);
}

static void text_episodes(const struct top_layout *l, const struct top_row *row, char *out)
{
	bool send = l->view.side == PUSHBACK_SEND;

	put_rate(row->step->judged,
		 row->step->rate[send ? COUNTER_SEND_EPISODES : COUNTER_RECEIVE_EPISODES], out);
}

static void text_p50(const struct top_layout *l, const struct top_row *row, char *out)
{
	put_time(side_of(l, row)->p50, out);
}

static void text_p99(const struct top_layout *l, const struct top_row *row, char *out)
{
	put_time(side_of(l, row)->p99, out);
}

static void text_longest(const struct top_layout *l, const struct top_row *row, char *out)
{
	const struct top_side *side = side_of(l, row);

	*out = '>';
	put_time(side->longest, out + side->at_least);
}

static void text_queue(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	if (!row->step->has_depth) {
		unknown(out);
		return;
	}
	top_text_count(out, row->step->depth);
	if (!row->step->capacity)
		return;
	strcat(out, "/");
	top_text_count(out + strlen(out), row->step->capacity);
}

static void text_fill(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	if (row->step->has_depth && row->step->capacity)
		top_text_bar(out, BAR_COLUMNS, row->step->depth, row->step->capacity);
	else
		*out = '\0';
}

static void text_accepted_total(const struct top_layout *l, const struct top_row *row, char *out)
{
	(void)l;
	top_text_count(out, (double)row->step->counter[COUNTER_ACCEPTED]);
}

static void text_rejected_total(const struct top_layout *l, const struct top_row *row, char *out)
{
	bool send = l->view.side == PUSHBACK_SEND;

	top_text_count(out, (double)row->step->counter[send ? COUNTER_SEND : COUNTER_RECEIVE]);
}

/* ---- How they look ---- */

static enum top_style style_strong(const struct top_row *row)
{
	return row->step->at_fault ? TOP_STYLE_STRONG : TOP_STYLE_PLAIN;
}

static enum top_style style_state(const struct top_row *row)
{
	static const enum top_style styles[TOP_STATES] = {
		[TOP_ENDED] = TOP_STYLE_DIM,    [TOP_UNKNOWN] = TOP_STYLE_DIM,
		[TOP_PARTLY] = TOP_STYLE_DIM,   [TOP_IDLE] = TOP_STYLE_DIM,
		[TOP_FLOWING] = TOP_STYLE_GOOD, [TOP_BUSY] = TOP_STYLE_BUSY,
		[TOP_BLOCKED] = TOP_STYLE_WARN, [TOP_REFUSING] = TOP_STYLE_BAD,
	};

	return styles[row->step->state];
}

static enum top_style style_self(const struct top_row *row)
{
	return row->step->self >= 0.5 ? TOP_STYLE_BAD : TOP_STYLE_PLAIN;
}

/* clang-format off */
static const struct top_column columns[] = {
	{ "", NULL, 1, 0, false, ALWAYS, TOP_SORTS, text_mark, style_strong },
	{ "PID", NULL, 7, 0, true, FLAT_NOT_MERGED, TOP_SORTS, text_pid, NULL },
	{ "PROCESS", NULL, PROCESS_LEAST, 7, false, PROCESSES, TOP_SORTS, text_process, NULL },
	{ "STEP", NULL, NAME_LEAST, 0, false, ALWAYS, TOP_BY_NAME, text_step, style_strong },
	{ "N", NULL, 4, 1, true, MERGED, TOP_SORTS, text_instances, NULL },
	{ "STATE", NULL, 8, 1, false, ALWAYS, TOP_SORTS, text_state, style_state },
	{ "SINCE", NULL, SINCE_COLUMNS, 4, true, ALWAYS, TOP_BY_SPELL, text_since, NULL },
	{ "REF%", NULL, 4, 3, true, ALWAYS, TOP_SORTS, text_refusing, NULL },
	{ "BLK%", NULL, 4, 3, true, ALWAYS, TOP_SORTS, text_blocked, NULL },
	{ "SELF%", NULL, 5, 2, true, ALWAYS, TOP_BY_SELF, text_self, style_self },
	{ "BUSY%", NULL, 5, 11, true, MARKS, TOP_SORTS, text_busy, NULL },
	{ "ACC/s", NULL, 5, 5, true, ALWAYS, TOP_BY_ACCEPTED, text_accepted, NULL },
	{ "REJ/s", "BLK/s", 5, 5, true, ALWAYS, TOP_BY_REJECTED, text_rejected, NULL },
	{ "BUSY+BLK+REF+IDLE", NULL, 17, 16, true, MARKS, TOP_SORTS, text_split, NULL },
	{ "EPI/s", NULL, 5, 12, true, ALWAYS, TOP_SORTS, text_episodes, NULL },
	{ "P50", NULL, 5, 10, true, ALWAYS, TOP_SORTS, text_p50, NULL },
	{ "P99", NULL, 5, 6, true, ALWAYS, TOP_BY_P99, text_p99, NULL },
	{ "MAX", NULL, 6, 8, true, ALWAYS, TOP_BY_LONGEST, text_longest, NULL },
	{ "QUEUE", NULL, 7, 9, true, DEPTHS, TOP_SORTS, text_queue, NULL },
	{ "", NULL, BAR_COLUMNS, 13, false, DEPTHS, TOP_SORTS, text_fill, NULL },
	{ "ACCEPTED", NULL, 8, 15, true, ALWAYS, TOP_SORTS, text_accepted_total, NULL },
	{ "REJECTED", "BLOCKED", 8, 14, true, ALWAYS, TOP_SORTS, text_rejected_total, NULL },
};
/* clang-format on */

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define RANKS   17

_Static_assert(COLUMNS <= TOP_COLUMNS_MAX, "every column has a place");

/* ---- What fits ---- */

/* What the rows have to show. */
struct wants {
	bool depths, marks;
	bool processes;       /* of several names */
	size_t name, process; /* columns of the longest one */
};

static struct wants wants_of(const struct top_row *rows, size_t count, bool utf8)
{
	struct wants w = { .name = NAME_LEAST, .process = PROCESS_LEAST };
	const char *process = count ? rows[0].consumer->name : "";

	for (size_t i = 0; i < count; i++) {
		const struct top_step *step = rows[i].step;
		size_t width;

		if (!step)
			continue;
		w.depths |= step->has_depth;
		w.marks |= step->marks;
		w.processes |= strcmp(step->process, process) != 0;
		width = top_text_width(text_name(step->name), utf8);
		if (width > w.name)
			w.name = width;
		width = top_text_width(text_name(step->process), utf8);
		if (width > w.process)
			w.process = width;
	}
	if (w.name > TOP_NAME_COLUMNS)
		w.name = TOP_NAME_COLUMNS;
	return w;
}

static bool is_needed(const struct top_column *c, const struct wants *w,
		      const struct top_view *view)
{
	bool flat = view->sort != TOP_BY_PIPELINE;

	switch (c->need) {
	case ALWAYS:
		return true;
	case DEPTHS:
		return w->depths;
	case MARKS:
		return w->marks;
	case MERGED:
		return view->merge;
	case PROCESSES:
		return flat && w->processes;
	case FLAT_NOT_MERGED:
		return flat && !view->merge;
	}
	return false;
}

static bool is_sorted(const struct top_column *c, const struct top_view *view)
{
	if (view->sort == TOP_BY_SHARE)
		return c->text == (view->side == PUSHBACK_SEND ? text_refusing : text_blocked);
	return c->sort == view->sort;
}

/*
 * What rows are sorted by is there as long as their state is, and so is what alone tells them apart:
 * merged ones have no pid.
 */
static unsigned int rank_of(const struct top_column *c, const struct top_view *view)
{
	bool matters = is_sorted(c, view) || (c->text == text_process && view->merge);

	return c->rank > 1 && matters ? 1 : c->rank;
}

/* What is left over goes to `width`, up to what it wants. */
static void widen(size_t *width, size_t wanted, size_t *room)
{
	size_t more = wanted > *width ? wanted - *width : 0;

	more = more < *room ? more : *room;
	*width += more;
	*room -= more;
}

/*
 * By rank: a column that does not fit ends it, so that what is shown at a width does not depend on
 * chance. In front of the less important ones the name gets what it wants.
 */
static void choose(const struct wants *w, const struct top_view *view, size_t width,
		   bool chosen[COLUMNS], size_t *name, size_t *process)
{
	size_t used = 0, wanted = w->name < NAME_WANTED ? w->name : NAME_WANTED, room;
	bool full = false;

	*name = NAME_LEAST;
	*process = PROCESS_LEAST;
	for (unsigned int rank = 0; rank < RANKS && !full; rank++) {
		if (rank == LESS_IMPORTANT) {
			room = width > used ? width - used : 0;
			widen(name, wanted, &room);
			used += *name - NAME_LEAST;
		}
		for (size_t i = 0; i < COLUMNS && !full; i++) {
			/* The mark stands close to what follows. */
			size_t more = columns[i].width + (i > 0 && used > 1);

			if (rank_of(&columns[i], view) != rank || !is_needed(&columns[i], w, view))
				continue;
			full = used + more > width && rank > 0;
			chosen[i] = !full;
			used += full ? 0 : more;
		}
	}
	room = width > used ? width - used : 0;
	widen(name, w->name, &room);
	widen(process, w->process, &room);
}

void top_layout_make(struct top_layout *l, const struct top_row *rows, size_t count,
		     const struct top_view *view, size_t width, bool utf8)
{
	struct wants w = wants_of(rows, count, utf8);
	bool chosen[COLUMNS] = { false };
	size_t name, process;

	*l = (struct top_layout){ .view = *view, .utf8 = utf8 };
	choose(&w, view, width, chosen, &name, &process);
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!chosen[i])
			continue;
		l->columns[l->count].column = &columns[i];
		l->columns[l->count++].width = columns[i].text == text_step      ? name
					       : columns[i].text == text_process ? process
										 : columns[i].width;
	}
}

size_t top_layout_offset(const struct top_layout *l, size_t i)
{
	size_t at = 0;

	for (size_t k = 0; k < i; k++)
		at += l->columns[k].width + (k > 0 && k + 1 < l->count);
	return at;
}

void top_layout_title(const struct top_layout *l, size_t i, char *out)
{
	const struct top_column *c = l->columns[i].column;
	bool other = l->view.side == PUSHBACK_RECEIVE && c->blocked_title;

	top_text_fit(out, other ? c->blocked_title : c->title, l->columns[i].width, c->right,
		     l->utf8);
}

enum top_style top_layout_cell(const struct top_layout *l, size_t i, const struct top_row *row,
			       char *out)
{
	const struct top_column *c = l->columns[i].column;
	char text[TOP_CELL_SIZE];

	c->text(l, row, text);
	top_text_fit(out, text, l->columns[i].width, c->right, l->utf8);
	return c->style && row->step->judged ? c->style(row) : TOP_STYLE_PLAIN;
}

bool top_layout_is_sorted(const struct top_layout *l, size_t i)
{
	return is_sorted(l->columns[i].column, &l->view);
}

/* ---- Consumers ---- */

void top_layout_name(const struct top_layout *l, const struct top_consumer *c, char *out)
{
	char name[TOP_CELL_SIZE];

	top_text_line(name, text_name(c->name), sizeof(c->name), l->utf8);
	if (l->view.merge && c->merged > 1)
		snprintf(out, TOP_CELL_SIZE, "%.*s x%zu", (int)sizeof(name) - 32, name, c->merged);
	else if (c->sibling)
		snprintf(out, TOP_CELL_SIZE, "%.*s[%" PRIu32 "]/%zu", (int)sizeof(name) - 48, name,
			 c->process.tgid, c->sibling);
	else
		snprintf(out, TOP_CELL_SIZE, "%.*s[%" PRIu32 "]", (int)sizeof(name) - 32, name,
			 c->process.tgid);
}

/* As the kernel's pressure stall information, and before it the last second. */
static void put_pressure(bool known, char *out, size_t size, const char *what, double now,
			 const double *averages)
{
	char a[MODEL_AVGS + 1][TOP_NUMBER_SIZE];

	put_percent(known, now, a[0]);
	for (int i = 0; i < MODEL_AVGS; i++)
		put_percent(known, averages[i], a[i + 1]);
	snprintf(out, size, "%s %3s %3s %3s %3s", what, a[0], a[1], a[2], a[3]);
}

void top_layout_consumer(const struct top_layout *l, const struct top_consumer *c, size_t width,
			 char *out)
{
	char name[TOP_CELL_SIZE], some[64], full[64], text[TOP_CELL_SIZE + 192];
	size_t size;

	top_layout_name(l, c, name);
	put_pressure(c->pressed, some, sizeof(some), "some", c->some_share, c->some);
	put_pressure(c->pressed, full, sizeof(full), "full", c->full_share, c->full);
	snprintf(text, sizeof(text), "%s  %s  %s", name, some, full);
	size = strlen(text);
	snprintf(text + size, sizeof(text) - size, "  %% of 1/10/60/300 s");
	if (top_text_width(text, l->utf8) > width)
		text[size] = '\0';
	top_text_line(out, text, width, l->utf8);
}
