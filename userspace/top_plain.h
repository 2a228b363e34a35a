/* SPDX-License-Identifier: MIT */
/* top_plain.h - top as plain lines: a table per refresh, for pipes and terminals that cannot move */
#ifndef TOP_PLAIN_H
#define TOP_PLAIN_H

#include "top_out.h"
#include "top_rows.h"

struct top_plain_options {
	struct top_out *out;
	size_t width; /* columns of a line at most */
	bool utf8;
	uint64_t once_ns; /* one table, after so long; 0: one each interval */
	top_process_fn process;
};

/* A sink that ends the run when nobody reads it any more. NULL when out of memory. */
struct sink *top_plain_new(const struct top_plain_options *options, uint64_t now);

#endif /* TOP_PLAIN_H */
