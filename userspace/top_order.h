/* SPDX-License-Identifier: MIT */
/*
 * top_order.h - which rows of a snapshot are shown, and in which order
 *
 * In pipeline order each consumer has a line of its own before its steps; sorted by anything else the
 * steps of all consumers are one list. Pure.
 */
#ifndef TOP_ORDER_H
#define TOP_ORDER_H

#include "top_rows.h"

#define TOP_FILTER_SIZE 64

enum top_sort {
	TOP_BY_PIPELINE,
	TOP_BY_SELF,
	TOP_BY_SHARE, /* of the side that is shown, as are spell, rejections and longest */
	TOP_BY_SPELL,
	TOP_BY_ACCEPTED,
	TOP_BY_REJECTED,
	TOP_BY_P99,
	TOP_BY_LONGEST,
	TOP_BY_NAME,
	TOP_SORTS,
};

/* What the user has chosen. Zeroed: pipeline order, the refusing side, every step. */
struct top_view {
	enum top_sort sort;
	int side;   /* PUSHBACK_SEND: refusing, PUSHBACK_RECEIVE: blocked */
	bool merge; /* processes of one name are one */
	/* Part of a step's or process's name, whatever the case, or a whole pid; "": all. */
	char filter[TOP_FILTER_SIZE];
};

struct top_row {
	const struct top_consumer *consumer;
	const struct top_step *step; /* NULL: the consumer's own line */
};

struct top_order;

/* NULL when out of memory. */
struct top_order *top_order_new(void);
void top_order_free(struct top_order *o);

/*
 * The rows of a snapshot, which has to stay as it is while they are used. NULL when out of memory.
 */
const struct top_row *top_order_rows(struct top_order *o, const struct top_snapshot *s,
				     const struct top_view *view, size_t *count);

/* What is sorted by, for a title: "pipeline", "self time", "refusing", ... */
const char *top_sort_name(const struct top_view *view);

#endif /* TOP_ORDER_H */
