/* SPDX-License-Identifier: MIT */
#include "top_screen.h"

#include <limits.h>
#include <ncurses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "msg.h"
#include "top_draw.h"
#include "top_terminal.h"

#define WORDS_SIZE   1024
#define ESCAPE_MS    25
#define SAID_NS      10000000000ull /* how long a message stays */
#define KEYS_AT_ONCE 256            /* of one poll: a paste must not hold up the agent */

struct top_screen {
	struct sink sink;
	struct top_screen_options options;
	struct top_terminal *terminal;
	struct top_rows *rows;
	struct top_order *order;
	struct top_keys keys;
	const struct top_row *shown; /* rows as they were drawn */
	size_t count, page;
	char clock[16], lost[WORDS_SIZE], silent[WORDS_SIZE], said[WORDS_SIZE];
	uint64_t said_until, now;
	bool done;
};

static struct top_screen *screen_of(struct sink *sink)
{
	return (struct top_screen *)sink;
}

/* ---- Drawing ---- */

static void draw(struct top_screen *ts)
{
	struct top_picture picture = {
		.snapshot = top_rows_snapshot(ts->rows),
		.keys = &ts->keys,
		.utf8 = ts->options.utf8,
		.color = ts->options.color,
		.clock = ts->clock,
		.lost = ts->lost,
		.silent = ts->silent,
		.said = ts->said,
	};

	/* Once the one before is out, poll comes back here. */
	if (!top_terminal_is_ready(ts->terminal))
		return;
	ts->count = 0;
	ts->shown = top_order_rows(ts->order, picture.snapshot, &ts->keys.view, &ts->count);
	/* Out of memory: no rows, for now. */
	picture.rows = ts->shown;
	picture.count = ts->count;
	ts->page = top_draw(&picture);
	top_terminal_paint(ts->terminal);
}

static void read_clock(struct top_screen *ts)
{
	time_t now = time(NULL);
	struct tm when;

	ts->clock[0] = '\0';
	if (localtime_r(&now, &when))
		strftime(ts->clock, sizeof(ts->clock), "%H:%M:%S", &when);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct top_screen *ts = screen_of(sink);
	bool hold = ts->keys.paused || !top_terminal_is_ready(ts->terminal);

	if (last)
		return;
	top_rows_partly(ts->rows, stats->files_partly, stats->part);
	ts->now = now;
	if (now >= ts->said_until)
		ts->said[0] = '\0';
	if (top_rows_take(ts->rows, m, now, hold))
		msg_warn("out of memory: what is shown is not all, or not new");
	if (hold)
		return;
	read_clock(ts);
	top_words_lost(stats, ts->lost, sizeof(ts->lost));
	silent_words(&stats->silent, ts->silent, sizeof(ts->silent));
	draw(ts);
}

/* ---- Keys ---- */

static enum top_key special_key(wint_t code)
{
	switch (code) {
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case KEY_ENTER:
		return TOP_KEY_ENTER;
	case KEY_BACKSPACE:
		return TOP_KEY_BACKSPACE;
	default:
		return TOP_KEY_TEXT;
	}
}

static enum top_key character_key(wint_t code)
{
	switch (code) {
	case '\r':
	case '\n':
		return TOP_KEY_ENTER;
	case 0x1b:
		return TOP_KEY_ESCAPE;
	case '\b':
	case 0x7f:
		return TOP_KEY_BACKSPACE;
	default:
		return TOP_KEY_TEXT;
	}
}

static void press(struct top_screen *ts, int kind, wint_t code)
{
	enum top_key key = kind == KEY_CODE_YES ? special_key(code) : character_key(code);
	char text[MB_LEN_MAX + 1] = "";

	if (key == TOP_KEY_TEXT && kind != KEY_CODE_YES && code >= ' ') {
		mbstate_t state = { 0 };
		size_t size = wcrtomb(text, (wchar_t)code, &state);

		text[size <= MB_LEN_MAX ? size : 0] = '\0';
	}
	top_keys_press(&ts->keys, key, text, ts->shown, ts->count, ts->page);
}

/* A terminal that is gone can be read for ever, and has nothing to say. */
static bool has_hung_up(const struct top_screen *ts)
{
	struct pollfd fd = { .fd = fileno(ts->options.in), .events = POLLIN };

	return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	top_rows_take(screen_of(sink)->rows, m, now, true);
}

static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	struct top_screen *ts = screen_of(sink);

	if (ts->keys.paused || !top_terminal_is_ready(ts->terminal))
		return;
	top_rows_keep(ts->rows, m, now);
	/* The rows that were drawn are no more. */
	draw(ts);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	struct top_screen *ts = screen_of(sink);

	(void)now;
	if (has_hung_up(ts)) {
		ts->done = true;
		return;
	}
	if (top_terminal_poll(ts->terminal))
		draw(ts);
	if (top_terminal_is_away(ts->terminal))
		return;
	for (int i = 0; i < KEYS_AT_ONCE && !ts->keys.quit; i++) {
		wint_t code;
		int kind = get_wch(&code);

		if (kind == ERR)
			break;
		press(ts, kind, code);
		/* The next key's rows are what this one has made of them. */
		draw(ts);
	}
	ts->done |= ts->keys.quit;
}

/* ---- Beginning and end ---- */

static void listen(const char *line, void *context)
{
	struct top_screen *ts = context;

	strncpy(ts->said, line, sizeof(ts->said) - 1);
	ts->said_until = ts->now + SAID_NS;
}

static void ended(struct sink *sink, const struct record *record)
{
	/* Out of memory: it is not known that there was one. */
	top_rows_ended(screen_of(sink)->rows, record);
}

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	const struct top_screen *ts = (const struct top_screen *)sink;

	fds[0] = top_out_poll(ts->options.out);
	fds[1] = (struct pollfd){ .fd = fileno(ts->options.in), .events = POLLIN };
	return top_terminal_is_away(ts->terminal) ? 1 : 2;
}

static bool is_done(const struct sink *sink)
{
	return ((const struct top_screen *)sink)->done;
}

static void free_sink(struct sink *sink)
{
	struct top_screen *ts = screen_of(sink);

	if (ts->terminal) {
		msg_listen(NULL, NULL);
		top_terminal_free(ts->terminal);
	}
	top_rows_free(ts->rows);
	top_order_free(ts->order);
	free(ts);
}

static const struct sink_ops ops = {
	.name = "screen",
	.flush = flush,
	.early = early,
	.pausing = pausing,
	.poll = poll_sink,
	.ended = ended,
	.fds = fds_of,
	.done = is_done,
	.free = free_sink,
};

static bool open_terminal(struct top_screen *ts)
{
	ts->terminal = top_terminal_new(ts->options.in, ts->options.out);
	if (!ts->terminal)
		return false;
	nodelay(stdscr, TRUE);
	leaveok(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	ts->options.color &= has_colors();
	top_draw_begin(ts->options.color);
	msg_listen(listen, ts);
	return true;
}

struct sink *top_screen_new(const struct top_screen_options *options, uint64_t now)
{
	struct top_screen *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return NULL;
	ts->sink.ops = &ops;
	ts->options = *options;
	ts->now = now;
	ts->rows = top_rows_new(options->process);
	ts->order = top_order_new();
	if (!ts->rows || !ts->order || !open_terminal(ts)) {
		free_sink(&ts->sink);
		return NULL;
	}
	read_clock(ts);
	draw(ts);
	return &ts->sink;
}
