/* SPDX-License-Identifier: MIT */
/* drain_whole.h - a step's entry as its writer left it */
#ifndef DRAIN_WHOLE_H
#define DRAIN_WHOLE_H

#include <stdbool.h>

struct pb_step;
struct pb_step_key;

/*
 * `e` is a copy of the entry in this map, perhaps of the middle of a change: then it is read again. A writer
 * takes microseconds, but where its CPU is a virtual one its host may stop it for long: so in the end with
 * pauses, 50 ms in all. -ENOENT: it is there no more; -EAGAIN: it stayed inconsistent.
 */
int drain_whole(int steps_fd, const struct pb_step_key *key, struct pb_step *e);

#endif /* DRAIN_WHOLE_H */
