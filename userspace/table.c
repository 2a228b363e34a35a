/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "top_text.h"

#define GAP "  "

struct row {
	struct row *next;
	char *cells[TABLE_COLUMNS_MAX];
};

struct table {
	const struct table_column *columns;
	bool utf8;
	size_t count;
	struct row *first;
	struct row **last;
	size_t widths[TABLE_COLUMNS_MAX];
	bool shown[TABLE_COLUMNS_MAX];
};

struct table *table_new(const struct table_column *columns, bool utf8)
{
	struct table *t = calloc(1, sizeof(*t));
	size_t i;

	if (!t)
		return NULL;
	t->columns = columns;
	t->utf8 = utf8;
	t->last = &t->first;
	for (i = 0; columns[i].title; i++) {
		t->widths[i] = strlen(columns[i].title);
		t->shown[i] = !columns[i].optional;
	}
	t->count = i;
	return t;
}

static void free_row(struct row *row)
{
	size_t i;

	for (i = 0; i < TABLE_COLUMNS_MAX; i++)
		free(row->cells[i]);
	free(row);
}

void table_free(struct table *t)
{
	struct row *row, *next;

	if (!t)
		return;
	for (row = t->first; row; row = next) {
		next = row->next;
		free_row(row);
	}
	free(t);
}

static char *clean(const char *cell, bool utf8)
{
	size_t width = top_text_width(cell, utf8);
	char *copy = malloc(TOP_TEXT_SIZE(width));

	if (copy)
		top_text_fit(copy, cell, width, false, utf8);
	return copy;
}

int table_add(struct table *t, const char *const *cells)
{
	struct row *row = calloc(1, sizeof(*row));
	size_t i;

	if (!row)
		return -ENOMEM;
	for (i = 0; i < t->count; i++) {
		row->cells[i] = clean(cells[i], t->utf8);
		if (!row->cells[i]) {
			free_row(row);
			return -ENOMEM;
		}
	}
	for (i = 0; i < t->count; i++) {
		size_t width = top_text_width(row->cells[i], t->utf8);

		t->widths[i] = width > t->widths[i] ? width : t->widths[i];
		t->shown[i] |= strcmp(row->cells[i], "-") != 0;
	}
	*t->last = row;
	t->last = &row->next;
	return 0;
}

static void pad(size_t width, size_t used, FILE *out)
{
	for (; used < width; used++)
		fputc(' ', out);
}

/* Blanks go before a cell, not behind it: no line ends with any. */
static void write_line(const struct table *t, const char *const *cells, const char *indent,
		       FILE *out)
{
	const char *gap = indent;
	size_t i, owed = 0;

	for (i = 0; i < t->count; i++) {
		size_t size = top_text_width(cells[i], t->utf8);

		if (!t->shown[i])
			continue;
		pad(owed, 0, out);
		fputs(gap, out);
		if (t->columns[i].right)
			pad(t->widths[i], size, out);
		fputs(cells[i], out);
		owed = t->columns[i].right ? 0 : t->widths[i] - size;
		gap = GAP;
	}
	fputc('\n', out);
}

int table_write(const struct table *t, const char *indent, FILE *out)
{
	const char *titles[TABLE_COLUMNS_MAX];
	const struct row *row;
	size_t i;

	for (i = 0; i < t->count; i++)
		titles[i] = t->columns[i].title;
	errno = 0;
	write_line(t, titles, indent, out);
	for (row = t->first; row; row = row->next)
		write_line(t, (const char *const *)row->cells, indent, out);
	if (!fflush(out) && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}
