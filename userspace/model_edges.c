/* SPDX-License-Identifier: MIT */
/*
 * Which of a step's next steps refuses it. A step knows only how often it was refused in all, and its
 * next steps how often they refused by themselves, whoever asked. What is not known from that (what a
 * next step handed through, and the calls of a step with several callers) is shared out by what has
 * been seen at the probes. The edges of one step add up to what it was refused, but for the only edge of
 * one that hands on to something unwatched as well.
 */
#include <string.h>

#include "model_internal.h"

__extension__ typedef unsigned __int128 wide;

/* Edges of one step, while their refusals are being found. */
struct share {
	uint64_t own;    /* made by `to`, and for nobody else */
	uint64_t weight; /* of what is not told apart */
};

/* What `part` of `whole` is of `count`, rounded down; all of it where they are the same. */
static uint64_t part_of(uint64_t count, wide part, wide whole)
{
	/* Both in 64 bits, or a product would not fit; whoever counts that far may be inexact. */
	for (; whole >> 64; whole >>= 1)
		part >>= 1;
	return whole ? (uint64_t)((wide)count * part / whole) : 0;
}

/*
 * Adds `refusals` to the edges', shared out by weights that are not all 0. Counts of several steps are
 * read one after the other: what is only the difference of these moments is no estimate.
 */
static void share_out(struct edge_view *edges, const struct share *shares, size_t count,
		      uint64_t refusals, bool estimated)
{
	wide whole = 0, part = 0;
	uint64_t given = 0;

	for (size_t i = 0; i < count; i++)
		whole += shares[i].weight;
	for (size_t i = 0; i < count; i++) {
		uint64_t upto;

		part += shares[i].weight;
		upto = part_of(refusals, part, whole);
		edges[i].refused += upto - given;
		edges[i].estimated |= estimated && shares[i].weight > 0;
		given = upto;
	}
}

static const struct step *step_of(const struct model *m, const struct step_view *view)
{
	return m->living[view - m->views];
}

static uint64_t weight_of(const struct step *from, const struct step *to)
{
	for (int i = 0; i < PB_MAX_NEXT; i++)
		if (from->to[i] == to)
			return from->record.next[i].refusals;
	return 0;
}

/*
 * The weights of what is not told apart: what the probes have seen there, of those steps that can have
 * handed a refusal through or have other callers as well. Equal ones where nothing was seen.
 */
static void set_weights(const struct model *m, const struct edge_view *edges, struct share *shares,
			size_t count, const struct step *from)
{
	bool takes_part[PB_MAX_NEXT], any = false, seen = false;

	for (size_t i = 0; i < count; i++) {
		const struct step *to = step_of(m, edges[i].to);

		/* One that was never refused has handed no refusal through. */
		takes_part[i] = to->callers > 1 || to->record.counter[COUNTER_RECEIVE];
		any |= takes_part[i];
	}
	for (size_t i = 0; i < count; i++) {
		if (takes_part[i] || !any)
			shares[i].weight = weight_of(from, step_of(m, edges[i].to));
		seen |= shares[i].weight > 0;
	}
	for (size_t i = 0; i < count && !seen; i++)
		shares[i].weight = takes_part[i] || !any;
}

/* More own refusals than there were in all: they were counted at another moment. */
static void cut_down(struct edge_view *edges, struct share *shares, size_t count, uint64_t refused,
		     wide own)
{
	for (size_t i = 0; i < count; i++)
		shares[i].weight = shares[i].own;
	share_out(edges, shares, count, refused, own * 99 > (wide)refused * 100);
}

static void weigh_several(const struct model *m, struct edge_view *edges, size_t count,
			  const struct step *from)
{
	uint64_t refused = from->record.counter[COUNTER_RECEIVE];
	struct share shares[PB_MAX_NEXT] = { 0 };
	wide own = 0;

	for (size_t i = 0; i < count; i++) {
		const struct step *to = step_of(m, edges[i].to);

		shares[i].own = to->callers == 1 ? to->record.counter[COUNTER_SEND] : 0;
		own += shares[i].own;
	}
	if (own > refused) {
		cut_down(edges, shares, count, refused, own);
		return;
	}
	for (size_t i = 0; i < count; i++)
		edges[i].refused = shares[i].own;
	if (own == refused)
		return;
	set_weights(m, edges, shares, count, from);
	share_out(edges, shares, count, refused - (uint64_t)own, own * 100 < (wide)refused * 99);
}

/* Of two steps each may be known, and have been heard last, so much later than the other. */
#define LATE_NS 1500000000u

/* Of `count` that `from` has counted, more than the different moments explain are not among `of_to`. */
static bool is_more(const struct model *m, const struct step *from, const struct step *to,
		    uint64_t count, uint64_t of_to)
{
	uint64_t late = LATE_NS, watched = m->now - from->first_at;

	if (to->first_at > from->first_at)
		late += to->first_at - from->first_at < LATE_NS ? to->first_at - from->first_at
								: LATE_NS;
	if (count <= of_to || m->now <= from->first_at || late >= watched)
		return false;
	return count - of_to > count / 100 + part_of(count, late, watched);
}

/*
 * The only edge that is known. All refusals were on it, unless the step has handed on more messages
 * than this one has accepted, or met more refusals than this one has made or can have handed through.
 */
static void weigh_only(const struct model *m, struct edge_view *edge, const struct step *from)
{
	const struct step *to = step_of(m, edge->to);
	const uint64_t *by = from->record.counter, *of = to->record.counter;
	uint64_t most = of[COUNTER_SEND];

	model_add(&most, of[COUNTER_RECEIVE]);
	edge->refused = by[COUNTER_RECEIVE];
	if (!edge->refused)
		return;
	edge->estimated = is_more(m, from, to, by[COUNTER_FORWARDED], of[COUNTER_ACCEPTED]);
	if (is_more(m, from, to, edge->refused, most)) {
		edge->estimated = true;
		edge->refused = most;
	}
}

static bool comes_before(const struct step *a, const struct step *b)
{
	return a->level != b->level ? a->level < b->level : a->index < b->index;
}

/* The edges of a step, those first whose ends come first in the pipeline. */
static size_t list_edges_of(const struct model *m, struct edge_view *edges, const struct step *from)
{
	size_t count = 0;

	for (int k = 0; k < PB_MAX_NEXT; k++) {
		const struct step *to = from->to[k];
		size_t i = count;

		if (!to)
			continue;
		for (; i && comes_before(to, step_of(m, edges[i - 1].to)); i--)
			edges[i] = edges[i - 1];
		edges[i] = (struct edge_view){ .from = &m->views[from->index],
					       .to = &m->views[to->index] };
		count++;
	}
	return count;
}

void model_list_edges(struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->consumer_count; i++) {
		struct consumer *consumer = &m->consumers[i];

		consumer->first_edge = count;
		for (size_t k = 0; k < consumer->count; k++)
			count +=
				list_edges_of(m, &m->edges[count], m->ordered[consumer->first + k]);
		consumer->edge_count = count - consumer->first_edge;
	}
}

void model_weigh_edges(struct model *m)
{
	size_t edges = m->consumer_count ? m->consumers[m->consumer_count - 1].first_edge +
						   m->consumers[m->consumer_count - 1].edge_count
					 : 0;

	for (size_t first = 0, count; first < edges; first += count) {
		struct edge_view *edge = &m->edges[first];
		const struct step *from = step_of(m, edge->from);

		for (count = 0; first + count < edges && edge[count].from == edge->from; count++) {
			edge[count].refused = 0;
			edge[count].estimated = false;
		}
		if (count == 1)
			weigh_only(m, edge, from);
		else
			weigh_several(m, edge, count, from);
	}
}
