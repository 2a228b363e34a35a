/* SPDX-License-Identifier: MIT */
#include "top_draw.h"

#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top_help.h"

#define COLUMNS_MAX   512 /* of a terminal; what is beyond stays empty */
#define WORDS_SIZE    1024
#define VERDICT_LINES 3
#define SILENT_PART   7 /* of so many lines one, and at most two */

static const short pair_colors[TOP_STYLES] = {
	[TOP_STYLE_GOOD] = COLOR_GREEN,
	[TOP_STYLE_BUSY] = COLOR_MAGENTA,
	[TOP_STYLE_WARN] = COLOR_YELLOW,
	[TOP_STYLE_BAD] = COLOR_RED,
};

void top_draw_begin(bool color)
{
	if (!color)
		return;
	start_color();
	use_default_colors();
	for (short i = 0; i < (short)TOP_STYLES; i++)
		if (pair_colors[i])
			init_pair(i, pair_colors[i], -1);
}

static attr_t attributes(const struct top_picture *p, enum top_style style)
{
	attr_t bold = style == TOP_STYLE_STRONG || style == TOP_STYLE_BAD ? A_BOLD : A_NORMAL;

	if (style == TOP_STYLE_DIM)
		return A_DIM;
	return p->color && pair_colors[style] ? bold | COLOR_PAIR(style) : bold;
}

static size_t width_of(void)
{
	return COLS < COLUMNS_MAX ? (size_t)COLS : COLUMNS_MAX;
}

static void put(int y, size_t x, const char *text, attr_t attr)
{
	attrset(attr);
	mvaddstr(y, (int)x, text);
	attrset(A_NORMAL);
}

/* One line, cut or filled up to the terminal's width. */
static void put_line(const struct top_picture *p, int y, const char *text, attr_t attr)
{
	char line[TOP_TEXT_SIZE(COLUMNS_MAX)];

	top_text_fit(line, text, width_of(), false, p->utf8);
	put(y, 0, line, attr);
}

/* As many lines as it takes, at most `most`; returns the next y. */
static int put_words(const struct top_picture *p, int y, int most, const char *text, attr_t attr)
{
	char line[TOP_TEXT_SIZE(COLUMNS_MAX)];

	for (; *text && most > 0; y++, most--) {
		size_t taken = top_text_line(line, text, width_of(), p->utf8);

		if (!taken)
			break;
		put(y, 0, line, attr);
		text += taken;
	}
	return y;
}

/* ---- What stands around the rows ---- */

static void draw_title(const struct top_picture *p)
{
	char text[WORDS_SIZE];

	top_words_title(p->keys, p->snapshot, p->clock, width_of(), p->utf8, text, sizeof(text));
	put_line(p, 0, text, A_BOLD);
}

/* Of the selected consumer, or of the one in most trouble. */
static int draw_verdict(const struct top_picture *p, const struct top_layout *l, size_t selected,
			int y)
{
	char text[WORDS_SIZE];
	size_t i = selected < p->count ? selected : 0;
	const struct top_consumer *c;

	if (!p->count)
		return y;
	c = p->rows[i].consumer;
	top_words_verdict(l, c, text, sizeof(text));
	return put_words(p, y, VERDICT_LINES, text,
			 c->kind == VERDICT_FLOWING || c->kind == VERDICT_NOTHING ? A_NORMAL
										  : A_BOLD);
}

static void draw_titles(const struct top_picture *p, const struct top_layout *l, int y)
{
	char cell[TOP_CELL_SIZE];

	put_line(p, y, "", A_REVERSE);
	for (size_t i = 0; i < l->count; i++) {
		top_layout_title(l, i, cell);
		put(y, top_layout_offset(l, i), cell,
		    A_REVERSE | (top_layout_is_sorted(l, i) ? A_BOLD | A_UNDERLINE : A_NORMAL));
	}
}

static void draw_bottom(const struct top_picture *p, int y)
{
	char text[WORDS_SIZE];

	top_words_keys(p->keys, width_of(), p->utf8, text, sizeof(text));
	put_line(p, y, text, p->keys->editing ? A_BOLD : A_NORMAL);
}

/* ---- Rows ---- */

static void draw_step(const struct top_picture *p, const struct top_layout *l,
		      const struct top_row *row, int y, bool selected)
{
	attr_t also = selected ? A_REVERSE : A_NORMAL;
	char cell[TOP_CELL_SIZE];

	if (selected)
		put_line(p, y, ">", also);
	for (size_t i = 0; i < l->count; i++) {
		enum top_style style = top_layout_cell(l, i, row, cell);

		/* In reverse a colour would be hard to read. */
		if (i || !selected || row->step->at_fault || row->step->partly)
			put(y, top_layout_offset(l, i), cell,
			    selected ? also : attributes(p, style));
	}
}

static void draw_consumer(const struct top_picture *p, const struct top_layout *l,
			  const struct top_consumer *c, int y, bool selected)
{
	char line[TOP_TEXT_SIZE(COLUMNS_MAX)];

	if (selected)
		put_line(p, y, "", A_REVERSE);
	top_layout_consumer(l, c, width_of(), line);
	put(y, 0, line, selected ? A_REVERSE : A_BOLD);
}

static void draw_rows(const struct top_picture *p, const struct top_layout *l, int y, size_t page,
		      size_t selected)
{
	size_t first = p->keys->scroll;

	for (size_t i = first; i < p->count && i < first + page; i++, y++) {
		const struct top_row *row = &p->rows[i];

		if (row->step)
			draw_step(p, l, row, y, i == selected);
		else
			draw_consumer(p, l, row->consumer, y, i == selected);
	}
}

/* ---- Help ---- */

static size_t draw_help(const struct top_picture *p)
{
	size_t width = width_of(), page = LINES > 1 ? (size_t)LINES - 1 : 1;
	size_t count = top_help_count(width, p->utf8);
	char line[TOP_TEXT_SIZE(COLUMNS_MAX)];
	size_t first = top_keys_place_help(p->keys, count, page);

	put_line(p, 0,
		 count > page ? "pushback top: j k move, others go back"
			      : "pushback top: any key goes back",
		 A_REVERSE);
	for (size_t i = first; i < count && i < first + page; i++) {
		top_help_line(i, width, p->utf8, line);
		put_line(p, (int)(i - first) + 1, line, A_NORMAL);
	}
	return page;
}

size_t top_draw(const struct top_picture *p)
{
	struct top_layout l;
	size_t selected, page;
	int y = 1, bottom = LINES - 1;

	erase();
	top_layout_make(&l, p->rows, p->count, &p->keys->view, width_of(), p->utf8);
	selected = top_keys_place(p->keys, p->rows, p->count, 1);
	if (p->keys->help) {
		return draw_help(p);
	}
	draw_title(p);
	y = draw_verdict(p, &l, selected, y);
	y = put_words(p, y, 2, p->lost, attributes(p, TOP_STYLE_WARN) | A_BOLD);
	/* On a low screen the rows come first. */
	y = put_words(p, y, LINES < 2 * SILENT_PART ? LINES / SILENT_PART : 2, p->silent,
		      attributes(p, TOP_STYLE_WARN));
	y = put_words(p, y, 2, p->said, attributes(p, TOP_STYLE_WARN));
	draw_titles(p, &l, y++);
	page = bottom > y ? (size_t)(bottom - y) : 1;
	selected = top_keys_place(p->keys, p->rows, p->count, page);
	if (p->count)
		draw_rows(p, &l, y, page, selected);
	else
		put_words(p, y, 2, top_words_empty(p->snapshot, &p->keys->view), A_NORMAL);
	draw_bottom(p, bottom);
	return page;
}
