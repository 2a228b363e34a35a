/* SPDX-License-Identifier: MIT */
/* term.h - what the place that we write to can show */
#ifndef TERM_H
#define TERM_H

#include <stdbool.h>
#include <stddef.h>

/* Sets LC_CTYPE from the environment, once. Whether it takes UTF-8. */
bool term_utf8(void);
/* What is written now is UTF-8, whatever the place where messages go to takes. */
void term_write_utf8(void);
/* Columns of a line on standard output: COLUMNS, the terminal's, or the usual 80. */
size_t term_width(void);

#endif /* TERM_H */
