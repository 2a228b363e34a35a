/* SPDX-License-Identifier: MIT */
#include "drain_whole.h"

#include <errno.h>
#include <time.h>
#include <bpf/bpf.h>

#include "pushback_abi.h"

#define AT_ONCE  4
#define PAUSES   10
#define PAUSE_NS 50000 /* the first; each is twice as long as the one before */

int drain_whole(int steps_fd, const struct pb_step_key *key, struct pb_step *e)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };

	for (int i = 0; e->sequence_begin != e->sequence_end; i++) {
		if (i == AT_ONCE + PAUSES)
			return -EAGAIN;
		if (i >= AT_ONCE) {
			nanosleep(&pause, NULL);
			pause.tv_nsec *= 2;
		}
		if (bpf_map_lookup_elem(steps_fd, key, e))
			return -ENOENT;
	}
	return 0;
}
