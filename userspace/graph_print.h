/* SPDX-License-Identifier: MIT */
/*
 * graph_print.h - consumers as graphs: a tree of text, Graphviz, or a line of JSON
 *
 * Each edge says how often what was offered along it was refused since the observer's first sight;
 * "~" stands before a number that is shared out and not counted (edge_view.estimated). Names are
 * made safe, see top_text.h for `utf8`. Each returns 0 or -errno of the stream; -ENOMEM.
 */
#ifndef GRAPH_PRINT_H
#define GRAPH_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h"

/*
 * A step below the one that hands on to it. One that several hand on to is drawn below the first of
 * them; the others point to it. Names are cut so that a line takes `width` columns, where that leaves
 * room for one. `partly`: it is watched for a part of the time only, and that is said.
 */
int graph_print_text(FILE *out, const struct consumer_view *consumer, bool partly, size_t width,
		     bool utf8);
/* A cluster of a digraph; between begin and end. `number` tells clusters apart. */
int graph_dot_begin(FILE *out);
int graph_print_dot(FILE *out, const struct consumer_view *consumer, bool partly, size_t number,
		    bool utf8);
int graph_dot_end(FILE *out);
/*
 * {"pid", "watched": "all" or "partly", "process", "steps": [{"step", "instance", "level", "accepted", "rejected"}...],
 *  "edges": [{"from", "from_instance", "to", "to_instance", "refused", "estimated"}...]}
 */
int graph_print_json(FILE *out, const struct consumer_view *consumer, bool partly);

#endif /* GRAPH_PRINT_H */
