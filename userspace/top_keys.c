/* SPDX-License-Identifier: MIT */
#include "top_keys.h"

#include <string.h>

/* ---- The selected row ---- */

static void select_row(struct top_cursor *c, const struct top_row *row)
{
	const struct top_consumer *consumer = row->consumer;

	*c = (struct top_cursor){ .on = true, .consumer = consumer->instance };
	memcpy(c->process, consumer->name, sizeof(c->process));
	c->key.process = consumer->process;
	if (!row->step)
		return;
	c->key = row->step->key;
	memcpy(c->step, row->step->name, sizeof(c->step));
}

static bool is_selected(const struct top_keys *k, const struct top_row *row)
{
	struct top_cursor other;

	select_row(&other, row);
	/* Merged, a row is that of no process. */
	if (k->view.merge)
		return !strcmp(other.process, k->cursor.process) &&
		       !strcmp(other.step, k->cursor.step) &&
		       !other.key.instance == !k->cursor.key.instance;
	return !memcmp(&other.key, &k->cursor.key, sizeof(other.key)) &&
	       (other.key.instance || other.consumer == k->cursor.consumer);
}

size_t top_keys_place(struct top_keys *k, const struct top_row *rows, size_t count, size_t page)
{
	size_t at = 0;

	while (k->cursor.on && at < count && !is_selected(k, &rows[at]))
		at++;
	if (!k->cursor.on || at == count) {
		k->cursor.on = false;
		at = count;
	} else if (at < k->scroll) {
		/* With a consumer's first step its own line. */
		k->scroll = at && !rows[at - 1].step ? at - 1 : at;
	} else if (at >= k->scroll + page) {
		k->scroll = at + 1 - page;
	}
	if (k->scroll + page > count)
		k->scroll = count > page ? count - page : 0;
	return at;
}

static void move_to(struct top_keys *k, const struct top_row *rows, size_t count, size_t page,
		    size_t to)
{
	if (!count)
		return;
	select_row(&k->cursor, &rows[to < count ? to : count - 1]);
	top_keys_place(k, rows, count, page);
}

/* True where the key was one that moves. */
static bool move_cursor(struct top_keys *k, enum top_key key, const struct top_row *rows,
			size_t count, size_t page)
{
	size_t at = top_keys_place(k, rows, count, page), first = k->scroll;
	bool on = k->cursor.on;

	switch (key) {
	case TOP_KEY_UP:
		move_to(k, rows, count, page, !on ? first : at ? at - 1 : 0);
		return true;
	case TOP_KEY_DOWN:
		move_to(k, rows, count, page, on ? at + 1 : first);
		return true;
	case TOP_KEY_PAGE_UP:
		at = on ? at : first;
		move_to(k, rows, count, page, at > page ? at - page : 0);
		return true;
	case TOP_KEY_PAGE_DOWN:
		move_to(k, rows, count, page, (on ? at : first) + page);
		return true;
	case TOP_KEY_HOME:
		move_to(k, rows, count, page, 0);
		return true;
	case TOP_KEY_END:
		move_to(k, rows, count, page, count);
		return true;
	default:
		return false;
	}
}

/* ---- The filter ---- */

static void edit_filter(struct top_keys *k, enum top_key key, const char *text)
{
	char *filter = k->view.filter;
	size_t size = strlen(filter);

	switch (key) {
	case TOP_KEY_TEXT:
		if (size + strlen(text) < TOP_FILTER_SIZE)
			strcat(filter, text);
		return;
	case TOP_KEY_BACKSPACE:
		/* A character, not a byte. */
		while (size && (filter[size - 1] & 0xc0) == 0x80)
			size--;
		if (size)
			size--;
		filter[size] = '\0';
		return;
	case TOP_KEY_ENTER:
		k->editing = false;
		return;
	case TOP_KEY_ESCAPE:
		k->editing = false;
		filter[0] = '\0';
		return;
	default:
		return;
	}
}

/* ---- The help ---- */

size_t top_keys_place_help(struct top_keys *k, size_t count, size_t page)
{
	k->help_last = count > page ? count - page : 0;
	if (k->help_first > k->help_last)
		k->help_first = k->help_last;
	return k->help_first;
}

static size_t less(size_t value, size_t by)
{
	return value > by ? value - by : 0;
}

/* True where the key was one that moves. */
static bool move_help(struct top_keys *k, enum top_key key, char letter, size_t page)
{
	size_t at = k->help_first;

	if (key == TOP_KEY_UP || letter == 'k')
		at = less(at, 1);
	else if (key == TOP_KEY_DOWN || letter == 'j')
		at++;
	else if (key == TOP_KEY_PAGE_UP)
		at = less(at, page);
	else if (key == TOP_KEY_PAGE_DOWN || letter == ' ')
		at += page;
	else if (key == TOP_KEY_HOME)
		at = 0;
	else if (key == TOP_KEY_END)
		at = k->help_last;
	else
		return false;
	k->help_first = at < k->help_last ? at : k->help_last;
	return true;
}

/* Any key leaves it that does not move it; to quit takes one. */
static void press_in_help(struct top_keys *k, enum top_key key, char letter, size_t page)
{
	if (k->help_last && move_help(k, key, letter, page))
		return;
	k->help = false;
	k->quit = letter == 'q';
}

/* ---- The rest ---- */

static void press_letter(struct top_keys *k, char letter, const struct top_row *rows, size_t count,
			 size_t page)
{
	switch (letter) {
	case 'q':
		k->quit = true;
		return;
	case 's':
		k->view.sort = (k->view.sort + 1) % TOP_SORTS;
		return;
	case 'S':
		k->view.sort = (k->view.sort + TOP_SORTS - 1) % TOP_SORTS;
		return;
	case '/':
		k->editing = true;
		k->view.filter[0] = '\0';
		return;
	case 'p':
	case ' ':
		k->paused = !k->paused;
		return;
	case 'd':
		k->view.side = !k->view.side;
		return;
	case 'm':
		k->view.merge = !k->view.merge;
		return;
	case 'h':
	case '?':
		k->help = true;
		k->help_first = 0;
		return;
	case 'k':
		move_cursor(k, TOP_KEY_UP, rows, count, page);
		return;
	case 'j':
		move_cursor(k, TOP_KEY_DOWN, rows, count, page);
		return;
	default:
		return;
	}
}

void top_keys_press(struct top_keys *k, enum top_key key, const char *text,
		    const struct top_row *rows, size_t count, size_t page)
{
	char letter = '\0';

	if (key == TOP_KEY_TEXT && text[0] && !text[1])
		letter = text[0];
	if (k->help) {
		press_in_help(k, key, letter, page);
		return;
	}
	if (move_cursor(k, key, rows, count, page))
		return;
	if (k->editing) {
		edit_filter(k, key, text);
		return;
	}
	if (key == TOP_KEY_ESCAPE) {
		/* First the selection, then the filter. */
		if (!k->cursor.on)
			k->view.filter[0] = '\0';
		k->cursor.on = false;
	} else if (letter) {
		press_letter(k, letter, rows, count, page);
	}
}
