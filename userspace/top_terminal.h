/* SPDX-License-Identifier: MIT */
/*
 * top_terminal.h - the terminal that top has to itself
 *
 * Curses paints into memory; what it has painted goes out through a top_out, so that a terminal that
 * takes nothing for a while holds nobody up. Modes, size and being stopped (Ctrl-Z) are looked after
 * here. One at a time.
 */
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H

#include "top_out.h"

struct top_terminal;

/*
 * Takes over the terminal behind `in` and `out`, which stay the caller's. NULL: out of memory, or it
 * is not known or cannot do what it takes, and it is as it was.
 */
struct top_terminal *top_terminal_new(FILE *in, struct top_out *out);
/* As it was found, also when it was stopped with Ctrl-S. NULL is fine. */
void top_terminal_free(struct top_terminal *t);

/*
 * Goes on with what still waits, takes over a new size and is stopped if that was asked for. Whether
 * there is something to be drawn anew.
 */
bool top_terminal_poll(struct top_terminal *t);
/* In the background its keys are another's. */
bool top_terminal_is_away(const struct top_terminal *t);
/* Whether a picture can be painted now: the one before is out, and we are in the foreground. */
bool top_terminal_is_ready(const struct top_terminal *t);
/* Shows what was drawn. */
void top_terminal_paint(struct top_terminal *t);

#endif /* TOP_TERMINAL_H */
