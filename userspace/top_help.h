/* SPDX-License-Identifier: MIT */
/* top_help.h - the page that explains top's keys and columns, as lines for a width */
#ifndef TOP_HELP_H
#define TOP_HELP_H

#include <stdbool.h>
#include <stddef.h>

/* How many lines it has where `width` columns are there, at least 1. */
size_t top_help_count(size_t width, bool utf8);
/* Line `at` of them. `out` has TOP_TEXT_SIZE(width). */
void top_help_line(size_t at, size_t width, bool utf8, char *out);

#endif /* TOP_HELP_H */
