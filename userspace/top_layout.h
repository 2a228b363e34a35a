/* SPDX-License-Identifier: MIT */
/*
 * top_layout.h - rows -> cells of text for a width
 *
 * Which columns there are, in which order they are given up when it gets narrow, and what stands in
 * them. Pure but for the locale, see top_text.h.
 */
#ifndef TOP_LAYOUT_H
#define TOP_LAYOUT_H

#include "top_order.h"
#include "top_text.h"

#define TOP_COLUMNS_MAX 24
/* No cell is wider, and every one fits. */
#define TOP_NAME_COLUMNS 48
#define TOP_CELL_SIZE    TOP_TEXT_SIZE(TOP_NAME_COLUMNS)

/* How a cell looks where the terminal can do more than text; nothing is said by this alone. */
enum top_style {
	TOP_STYLE_PLAIN,
	TOP_STYLE_DIM,
	TOP_STYLE_GOOD,
	TOP_STYLE_BUSY,
	TOP_STYLE_WARN,
	TOP_STYLE_BAD,
	TOP_STYLE_STRONG,
	TOP_STYLES,
};

struct top_column;

struct top_layout {
	struct top_view view;
	bool utf8;
	size_t count;
	struct {
		const struct top_column *column;
		size_t width; /* a blank follows, but for the first one */
	} columns[TOP_COLUMNS_MAX];
};

/* Lays `rows` out in at most `width` columns. */
void top_layout_make(struct top_layout *l, const struct top_row *rows, size_t count,
		     const struct top_view *view, size_t width, bool utf8);

/* How many columns stand before column `i`; for i = count, how wide a row is. */
size_t top_layout_offset(const struct top_layout *l, size_t i);

/* Exactly as wide as the column. `out` has TOP_CELL_SIZE. */
void top_layout_title(const struct top_layout *l, size_t i, char *out);
enum top_style top_layout_cell(const struct top_layout *l, size_t i, const struct top_row *row,
			       char *out);
/* Whether rows are sorted by this column. */
bool top_layout_is_sorted(const struct top_layout *l, size_t i);

/* "consumer[4711]", "consumer[4711]/2" where there are several, "consumer x20". TOP_CELL_SIZE. */
void top_layout_name(const struct top_layout *l, const struct top_consumer *c, char *out);
/* A consumer's own line, in at most `width` columns. `out` has TOP_TEXT_SIZE(width). */
void top_layout_consumer(const struct top_layout *l, const struct top_consumer *c, size_t width,
			 char *out);

#endif /* TOP_LAYOUT_H */
