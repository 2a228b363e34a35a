/* SPDX-License-Identifier: MIT */
#include "top_plain.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ended.h"
#include "top_words.h"

#define WORDS_SIZE 1024

struct top_plain {
	struct sink sink;
	struct top_plain_options options;
	struct top_rows *rows;
	struct top_order *order;
	struct ended *gone;
	struct top_layout layout;
	char *line; /* TOP_TEXT_SIZE(width) */
	bool began; /* a table has been written */
	uint64_t once_at;
	bool ended; /* all that is shown has */
	bool done;
	FILE *to; /* while one is */
};

/* Without the blanks at its end. */
static void put_line(const struct top_plain *p, const char *text)
{
	size_t size = strlen(text);

	while (size && text[size - 1] == ' ')
		size--;
	fwrite(text, 1, size, p->to);
	fputc('\n', p->to);
}

/* In as many lines as it takes, each after `indent`, which is at most two columns. */
static void put_words(const struct top_plain *p, const char *text, const char *indent)
{
	size_t width = p->options.width - strlen(indent);

	while (*text) {
		text += top_text_line(p->line, text, width, p->options.utf8);
		fputs(indent, p->to);
		put_line(p, p->line);
	}
}

/* A row, or with NULL the titles. */
static void put_cells(const struct top_plain *p, const struct top_row *row)
{
	const struct top_layout *l = &p->layout;
	char cell[TOP_CELL_SIZE], *out = p->line;

	for (size_t i = 0; i < l->count; i++) {
		if (row)
			top_layout_cell(l, i, row, cell);
		else
			top_layout_title(l, i, cell);
		out = stpcpy(stpcpy(out, i > 1 ? " " : ""), cell);
	}
	put_line(p, p->line);
}

static void put_gone(const char *line, void *context)
{
	put_words(context, line, "");
}

static void put_head(struct top_plain *p, const struct top_snapshot *s,
		     const struct agent_stats *stats)
{
	char words[WORDS_SIZE], clock[16] = "";
	time_t now = time(NULL);
	struct tm when;

	if (localtime_r(&now, &when))
		strftime(clock, sizeof(clock), "%H:%M:%S  ", &when);
	fputs(p->began ? "\n" : "", p->to);
	fputs(clock, p->to);
	top_words_count(s, words, sizeof(words));
	put_line(p, words);
	top_words_lost(stats, words, sizeof(words));
	put_words(p, words, "");
	silent_words(&stats->silent, words, sizeof(words));
	put_words(p, words, "");
	if (p->ended)
		put_words(p, "All of them have ended; this is what was seen last.", "");
	ended_tell(p->gone, put_gone, p);
}

static void put_table(struct top_plain *p, const struct agent_stats *stats)
{
	static const struct top_view view;
	const struct top_snapshot *s = top_rows_snapshot(p->rows);
	size_t count;
	const struct top_row *rows = top_order_rows(p->order, s, &view, &count);

	if (!rows)
		return;
	top_layout_make(&p->layout, rows, count, &view, p->options.width, p->options.utf8);
	put_head(p, s, stats);
	if (!count)
		put_words(p, top_words_empty(s, &view), "");
	else
		put_cells(p, NULL);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].step) {
			put_cells(p, &rows[i]);
			continue;
		}
		top_layout_consumer(&p->layout, rows[i].consumer, p->options.width, p->line);
		put_line(p, p->line);
		put_words(p,
			  p->ended ? top_words_last(rows[i].consumer) : rows[i].consumer->verdict,
			  "  ");
	}
	p->began = true;
}

static void take(struct top_plain *p, const struct model *m, uint64_t now, bool hold)
{
	const struct top_snapshot *s;

	/* Out of memory: what there was is shown again, and its time says so. */
	top_rows_take(p->rows, m, now, hold);
	if (hold)
		return;
	s = top_rows_snapshot(p->rows);
	ended_begin_shown(p->gone);
	for (size_t i = 0; i < s->consumer_count; i++)
		ended_see(p->gone, &s->consumers[i].process, s->consumers[i].name, true);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct top_plain *p = (struct top_plain *)sink;
	struct agent_stats all;
	size_t left;

	/* The interval that a signal has cut short is no measurement. */
	if (p->done || (last && !p->once_at))
		return;
	model_steps(m, &left);
	top_rows_partly(p->rows, stats->files_partly, stats->part);
	p->ended = p->once_at && !left && !stats->files_partly &&
		   top_rows_snapshot(p->rows)->step_count;
	if (now < p->once_at && !last) {
		take(p, m, now, p->ended);
		return;
	}
	all = top_out_stats(p->options.out, stats);
	p->to = top_out_begin(p->options.out, last || p->once_at);
	take(p, m, now, p->ended || !p->to);
	if (!p->to)
		return;
	put_table(p, &all);
	top_out_end(p->options.out);
	p->done = p->once_at;
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	top_rows_take(((struct top_plain *)sink)->rows, m, now, true);
}

static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	top_rows_keep(((struct top_plain *)sink)->rows, m, now);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	(void)now;
	top_out_push(((struct top_plain *)sink)->options.out);
}

static void ended(struct sink *sink, const struct record *record)
{
	struct top_plain *p = (struct top_plain *)sink;

	/* Out of memory: it is not known that there was one. */
	top_rows_ended(p->rows, record);
	ended_see(p->gone, &record->key.process, record->process, false);
}

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	fds[0] = top_out_poll(((const struct top_plain *)sink)->options.out);
	return 1;
}

static bool is_done(const struct sink *sink)
{
	const struct top_plain *p = (const struct top_plain *)sink;

	return p->done || top_out_error(p->options.out) != 0;
}

static void free_sink(struct sink *sink)
{
	struct top_plain *p = (struct top_plain *)sink;

	top_rows_free(p->rows);
	top_order_free(p->order);
	ended_free(p->gone);
	free(p->line);
	free(p);
}

static const struct sink_ops ops = {
	.name = "plain",
	.flush = flush,
	.early = early,
	.pausing = pausing,
	.poll = poll_sink,
	.ended = ended,
	.fds = fds_of,
	.done = is_done,
	.free = free_sink,
};

struct sink *top_plain_new(const struct top_plain_options *options, uint64_t now)
{
	struct top_plain *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sink.ops = &ops;
	p->options = *options;
	if (options->once_ns)
		p->once_at = now + options->once_ns;
	p->rows = top_rows_new(options->process);
	p->order = top_order_new();
	p->gone = ended_new();
	p->line = malloc(TOP_TEXT_SIZE(options->width));
	if (p->rows && p->order && p->gone && p->line)
		return &p->sink;
	free_sink(&p->sink);
	return NULL;
}
