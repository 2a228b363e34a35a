/* SPDX-License-Identifier: MIT */
/* top_draw.h - rows, and what stands around them, onto a curses window */
#ifndef TOP_DRAW_H
#define TOP_DRAW_H

#include "top_keys.h"
#include "top_words.h"

/* What there is to be seen. */
struct top_picture {
	const struct top_snapshot *snapshot;
	const struct top_row *rows;
	size_t count;
	struct top_keys *keys; /* its cursor and scroll are kept within the rows */
	bool utf8, color;
	const char *clock;  /* "11:12:13" */
	const char *lost;   /* "" or what is missing */
	const char *silent; /* "" or who is */
	const char *said;   /* "" or the last message */
};

/* Once, after curses has started. */
void top_draw_begin(bool color);
/* Draws all of it. Returns how many rows there is room for, at least 1. */
size_t top_draw(const struct top_picture *p);

#endif /* TOP_DRAW_H */
