/* SPDX-License-Identifier: MIT */
#include "graph_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "text.h"
#include "top_text.h"

/* What nobody has, in columns, and what is left of a name in a narrow place. */
#define NAME_MOST  PUSHBACK_NAME_SIZE
#define NAME_LEAST 8
#define NAME_SIZE  TOP_TEXT_SIZE(NAME_MOST)
/* "  " and a number, twice. */
#define NUMBERS 32
/* Deeper than any chain that fits a screen: what is below is drawn at this depth. */
#define DEPTH_MAX 64

static int status_of(FILE *out)
{
	return ferror(out) ? -EIO : 0;
}

/* As it is shown, in at most `most` columns. */
static const char *fit(const char *name, size_t most, bool utf8, char text[NAME_SIZE])
{
	size_t width = top_text_width(text_name(name), utf8);

	top_text_fit(text, text_name(name), width < most ? width : most, false, utf8);
	return text;
}

/* ---- Text ---- */

struct tree {
	FILE *out; /* NULL: only `width` is wanted */
	bool utf8;
	size_t most; /* columns for branches and a name */
	const struct consumer_view *consumer;
	bool *drawn;          /* by place in consumer->steps */
	bool last[DEPTH_MAX]; /* nothing more follows at this depth */
	size_t width;         /* of the widest branch with its name */
};

static size_t place_of(const struct consumer_view *c, const struct step_view *step)
{
	size_t i;

	for (i = 0; i < c->step_count && c->steps[i] != step; i++)
		;
	return i;
}

/* The next edge of `step` from number `i` on; edge_count if there is none. */
static size_t next_edge(const struct consumer_view *c, const struct step_view *step, size_t i)
{
	while (i < c->edge_count && c->edges[i].from != step)
		i++;
	return i;
}

/* Three columns each: one goes on, nothing more, a branch, the last branch. */
static const char *const branches[2][4] = {
	{ "|  ", "   ", "|- ", "`- " },
	{ "│  ", "   ", "├─ ", "└─ " },
};

static void draw_branches(const struct tree *t, size_t depth)
{
	const char *const *drawn = branches[t->utf8];
	size_t i;

	fputs("  ", t->out);
	for (i = 1; i < depth; i++)
		fputs(drawn[t->last[i - 1]], t->out);
	if (depth)
		fputs(drawn[2 + t->last[depth - 1]], t->out);
}

static void draw_line(struct tree *t, const struct step_view *step, const struct edge_view *edge,
		      size_t depth, bool again)
{
	char name[NAME_SIZE], refused[32] = "";
	size_t width = 2 + 3 * depth, room = t->most > width ? t->most - width : 0;

	fit(step->record->name, room > NAME_LEAST ? room : NAME_LEAST, t->utf8, name);
	width += top_text_width(name, t->utf8);
	if (width > t->width)
		t->width = width;
	if (!t->out)
		return;
	draw_branches(t, depth);
	if (edge)
		snprintf(refused, sizeof(refused), "%s%" PRIu64, edge->estimated ? "~" : "",
			 edge->refused);
	fprintf(t->out, "%s%*s  %14s  ", name, (int)(t->width - width), "", refused);
	if (again)
		fputs("    (see above)\n", t->out);
	else
		fprintf(t->out, "%14" PRIu64 "\n", step->record->counter[COUNTER_ACCEPTED]);
}

static void draw_step(struct tree *t, const struct step_view *step, const struct edge_view *edge,
		      size_t depth)
{
	const struct consumer_view *c = t->consumer;
	size_t place = place_of(c, step), i, next;
	bool again = place == c->step_count || t->drawn[place];

	draw_line(t, step, edge, depth, again);
	if (again)
		return;
	t->drawn[place] = true;
	for (i = next_edge(c, step, 0); i < c->edge_count && depth < DEPTH_MAX; i = next) {
		next = next_edge(c, step, i + 1);
		t->last[depth] = next == c->edge_count;
		draw_step(t, c->edges[i].to, &c->edges[i], depth + 1);
	}
}

/* Heads come first; what is then left can only be below DEPTH_MAX. */
static void draw_all(struct tree *t)
{
	size_t i;

	memset(t->drawn, 0, t->consumer->step_count * sizeof(*t->drawn));
	for (i = 0; i < t->consumer->step_count; i++) {
		if (!t->drawn[i])
			draw_step(t, t->consumer->steps[i], NULL, 0);
	}
}

int graph_print_text(FILE *out, const struct consumer_view *consumer, bool partly, size_t width,
		     bool utf8)
{
	char name[NAME_SIZE], title[NAME_SIZE + 48];
	struct tree t = { .consumer = consumer, .utf8 = utf8 };

	t.drawn = calloc(consumer->step_count + 1, sizeof(*t.drawn));
	if (!t.drawn)
		return -ENOMEM;
	snprintf(title, sizeof(title), "%s (%" PRIu32 ")%s",
		 fit(consumer->name, NAME_MOST, utf8, name), consumer->process.tgid,
		 partly ? " watched partly" : "");
	t.most = width > NUMBERS ? width - NUMBERS : 0;
	t.width = top_text_width(title, utf8);
	draw_all(&t);
	t.out = out;
	fprintf(out, "%s%*s  %14s  %14s\n", title, (int)(t.width - top_text_width(title, utf8)), "",
		"refused to it", "accepted");
	draw_all(&t);
	free(t.drawn);
	return status_of(out);
}

/* ---- Graphviz ---- */

int graph_dot_begin(FILE *out)
{
	fputs("digraph pushback {\n\trankdir=LR;\n\tnode [shape=box];\n", out);
	return status_of(out);
}

int graph_dot_end(FILE *out)
{
	fputs("}\n", out);
	return status_of(out);
}

/* Names that are safe on a screen may have these two. */
static void dot_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

int graph_print_dot(FILE *out, const struct consumer_view *consumer, bool partly, size_t number,
		    bool utf8)
{
	char name[NAME_SIZE];
	size_t i;

	fprintf(out, "\tsubgraph cluster_%zu {\n\t\tlabel=\"", number);
	dot_text(out, fit(consumer->name, NAME_MOST, utf8, name));
	fprintf(out, " (%" PRIu32 ")%s\";\n", consumer->process.tgid,
		partly ? " watched partly" : "");
	for (i = 0; i < consumer->step_count; i++) {
		fprintf(out, "\t\ts%zu_%zu [label=\"", number, i);
		dot_text(out, fit(consumer->steps[i]->record->name, NAME_MOST, utf8, name));
		fprintf(out, "\\naccepted %" PRIu64 "\"];\n",
			consumer->steps[i]->record->counter[COUNTER_ACCEPTED]);
	}
	for (i = 0; i < consumer->edge_count; i++) {
		const struct edge_view *edge = &consumer->edges[i];

		fprintf(out, "\t\ts%zu_%zu -> s%zu_%zu [label=\"%s%" PRIu64 "\"];\n", number,
			place_of(consumer, edge->from), number, place_of(consumer, edge->to),
			edge->estimated ? "~" : "", edge->refused);
	}
	fputs("\t}\n", out);
	return status_of(out);
}

/* ---- JSON ---- */

static json_t *step_name(const struct step_view *step)
{
	return json_text(step->record->name, sizeof(step->record->name));
}

/* Instance numbers have 64 bits, JSON's integers in many readers 53: as text. */
static json_t *step_instance(const struct step_view *step)
{
	return json_sprintf("%" PRIu64, step->record->key.instance);
}

static json_t *json_steps(const struct consumer_view *c)
{
	json_t *steps = json_array();
	size_t i;

	for (i = 0; i < c->step_count; i++) {
		const struct step_view *s = c->steps[i];

		json_array_append_new(
			steps,
			json_pack("{s:o, s:o, s:I, s:I, s:I}", "step", step_name(s), "instance",
				  step_instance(s), "level", (json_int_t)s->level, "accepted",
				  (json_int_t)s->record->counter[COUNTER_ACCEPTED], "rejected",
				  (json_int_t)s->record->counter[COUNTER_SEND]));
	}
	return steps;
}

static json_t *json_edges(const struct consumer_view *c)
{
	json_t *edges = json_array();
	size_t i;

	for (i = 0; i < c->edge_count; i++) {
		const struct edge_view *e = &c->edges[i];

		json_array_append_new(edges,
				      json_pack("{s:o, s:o, s:o, s:o, s:I, s:b}", "from",
						step_name(e->from), "from_instance",
						step_instance(e->from), "to", step_name(e->to),
						"to_instance", step_instance(e->to), "refused",
						(json_int_t)e->refused, "estimated", e->estimated));
	}
	return edges;
}

int graph_print_json(FILE *out, const struct consumer_view *consumer, bool partly)
{
	return json_line(out,
			 json_pack("{s:i, s:s, s:o, s:o, s:o}", "pid", (int)consumer->process.tgid,
				   "watched", partly ? "partly" : "all", "process",
				   json_text(consumer->name, strlen(consumer->name)), "steps",
				   json_steps(consumer), "edges", json_edges(consumer)));
}
