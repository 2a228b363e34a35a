/* SPDX-License-Identifier: MIT */
/*
 * table.h - a text table with aligned columns
 *
 * As wide as its content: nothing is cut. Cells may hold what a consumer has chosen: they are shown as
 * top_text.h says, and no control character reaches a terminal. Not thread-safe.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool right;    /* aligned: numbers */
	bool optional; /* left out, with its title, where every row has "-" */
};

struct table;

/* `columns` (at most TABLE_COLUMNS_MAX, ends with a NULL title) outlives it. NULL: no memory. */
struct table *table_new(const struct table_column *columns, bool utf8);
void table_free(struct table *t);

/* A row: a cell for each column; they are copied. 0 or -ENOMEM. */
int table_add(struct table *t, const char *const *cells);

/* Titles, then rows, each a line that begins with `indent`. 0 or -errno. */
int table_write(const struct table *t, const char *indent, FILE *out);

#endif /* TABLE_H */
