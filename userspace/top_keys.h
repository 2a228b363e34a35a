/* SPDX-License-Identifier: MIT */
/*
 * top_keys.h - what a key does to the view
 *
 * Pure: what the terminal sends has become a key, and rows have become indices.
 */
#ifndef TOP_KEYS_H
#define TOP_KEYS_H

#include "top_order.h"

enum top_key {
	TOP_KEY_TEXT, /* a character */
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
};

/* Which row is selected: it is kept when rows move, and lost when its step ends. */
struct top_cursor {
	bool on;
	struct pb_step_key key; /* instance 0 and ... */
	uint64_t consumer;      /* ... its instance: a consumer's own line */
	char step[PUSHBACK_NAME_SIZE], process[16];
};

/* Zeroed is the beginning. */
struct top_keys {
	struct top_view view;
	bool paused;
	bool help;                    /* shown instead of rows, */
	size_t help_first, help_last; /* from this line on; the last one from which on it may be */
	bool editing;                 /* the filter */
	bool quit;
	struct top_cursor cursor;
	size_t scroll; /* index of the first row that is shown */
};

/* `text`: the character of TOP_KEY_TEXT, in UTF-8. `page`: rows shown at a time. */
void top_keys_press(struct top_keys *k, enum top_key key, const char *text,
		    const struct top_row *rows, size_t count, size_t page);

/* After rows have changed: finds the selected one (`count`: none is) and keeps it in view. */
size_t top_keys_place(struct top_keys *k, const struct top_row *rows, size_t count, size_t page);

/* The first of the help's `count` lines that is shown where `page` of them fit. */
size_t top_keys_place_help(struct top_keys *k, size_t count, size_t page);

#endif /* TOP_KEYS_H */
