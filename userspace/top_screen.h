/* SPDX-License-Identifier: MIT */
/* top_screen.h - top on a terminal that can move its cursor, with ncurses */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "top_out.h"
#include "top_rows.h"

struct top_screen_options {
	FILE *in;            /* the terminal */
	struct top_out *out; /* and again */
	bool utf8;
	bool color; /* if the terminal has any */
	top_process_fn process;
};

/*
 * A sink that takes the terminal over, msg_* included, until it is freed. NULL: out of memory, or the
 * terminal is not known or cannot do what it takes, and it is as it was.
 */
struct sink *top_screen_new(const struct top_screen_options *options, uint64_t now);

#endif /* TOP_SCREEN_H */
