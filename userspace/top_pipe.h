/* SPDX-License-Identifier: MIT */
/* top_pipe.h - whether anybody still reads what is written */
#ifndef TOP_PIPE_H
#define TOP_PIPE_H

#include <stdbool.h>
#include <stdio.h>

/* A descriptor that wakes poll(2) when the reader has gone, or -1 where it could not tell. */
int top_pipe_fd(FILE *out);
/* Whether the reader has gone. */
bool top_pipe_is_closed(FILE *out);

#endif /* TOP_PIPE_H */
