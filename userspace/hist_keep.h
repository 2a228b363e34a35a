/* SPDX-License-Identifier: MIT */
/* hist_keep.h - durations as bytes, for the next agent or another process. Pure. */
#ifndef HIST_KEEP_H
#define HIST_KEEP_H

#include "hist.h"
#include "keep.h"

void hist_save(const struct hist *h, struct keep_writer *w);
/* Into an empty one. -EBADMSG: spoilt, so also if they are not in order; -ENOMEM. To be freed either way. */
int hist_load(struct hist *h, struct keep_reader *r);

#endif /* HIST_KEEP_H */
