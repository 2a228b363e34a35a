/* SPDX-License-Identifier: MIT */
/*
 * top_out.h - where top writes to: what is not taken now waits, and nothing waits for it
 *
 * A pipe that nobody reads and a terminal that was stopped with Ctrl-S must hold up neither the
 * agent nor its end. Not thread-safe.
 */
#ifndef TOP_OUT_H
#define TOP_OUT_H

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

#include "sink.h"

struct top_out;

/* The descriptor stays the caller's. NULL when out of memory. */
struct top_out *top_out_new(int fd);
/* With what still waits. NULL is fine. */
void top_out_free(struct top_out *o);

/*
 * A refresh of text goes into what begin returns, until end. NULL: it is to be left out, since the
 * one before still waits, which is counted, or for lack of memory. The `last` one is not left out.
 */
FILE *top_out_begin(struct top_out *o, bool last);
void top_out_end(struct top_out *o);
/* Bytes that are not lines, in any pieces. 0 or -ENOMEM. */
int top_out_put(struct top_out *o, const void *data, size_t size);

/*
 * Writes what is taken now: of text whole lines, so that a pipe never holds a part of one. (Of a
 * line that is longer than the pipe it may.)
 */
void top_out_push(struct top_out *o);
/* Goes on for as long as some of it is taken, at most about a second. */
void top_out_linger(struct top_out *o);
/* Until all is written, or nobody reads any more. */
void top_out_finish(struct top_out *o);
/* What waits is given up. */
void top_out_drop(struct top_out *o);

bool top_out_waits(const struct top_out *o);
/* 0, or -errno: there is no more to be written, with -EPIPE because the reader has gone. */
int top_out_error(const struct top_out *o);
/* What wakes push: room while something waits, and always that the reader has gone. */
struct pollfd top_out_poll(const struct top_out *o);
int top_out_fd(const struct top_out *o);

/* With what was lost here, as "output_stuck": refreshes. */
struct agent_stats top_out_stats(const struct top_out *o, const struct agent_stats *stats);
/* One more reason, if there is room and `count` is not 0. */
void top_out_add_lost(struct agent_stats *stats, const char *reason, uint64_t count);

#endif /* TOP_OUT_H */
