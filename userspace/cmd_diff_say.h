/* SPDX-License-Identifier: MIT */
/* cmd_diff_say.h - what `pushback diff` found, as a table with a verdict or as JSON */
#ifndef CMD_DIFF_SAY_H
#define CMD_DIFF_SAY_H

#include "compare.h"
#include "sides.h"
#include "span.h"

struct diff_said {
	const char *const *operands; /* SIDES of them */
	const struct span *span;
	const struct sides *sides;
	const struct compare_step *steps;
	size_t count;
};

/* On stdout, and on stderr what was left out. An exit status or -errno. */
int diff_say_text(const struct diff_said *d);
int diff_say_json(const struct diff_said *d);

#endif /* CMD_DIFF_SAY_H */
