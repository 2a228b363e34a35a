/* SPDX-License-Identifier: MIT */
/*
 * record.h - what the drain hands to the model
 *
 * Plain, checked, and free of BPF: the name is terminated, counters are since this observer's first
 * sight and never shrink, times are in ns. A consumer may have written anything into its memory;
 * what could not be believed was counted as a loss and did not become a record.
 */
#ifndef RECORD_H
#define RECORD_H

#include "hist.h"
#include "metrics.h"
#include "pushback_abi.h"

struct record {
	struct pb_step_key key;
	uint64_t place; /* address of its struct */
	struct {
		uint64_t place;    /* of a step that it forwards to */
		uint64_t refusals; /* fires of refusals there: a weight, not a count */
	} next[PB_MAX_NEXT];       /* in order of their first fire; the first 0 ends it */
	uint64_t cgroup_id;
	uint64_t events; /* fires that the kernel has seen */
	uint64_t begun;  /* what counters count began then; 0: not known */
	uint64_t counter[COUNTERS];
	uint64_t since[2];    /* true beginning of what is open now, 0 none */
	bool open_partial[2]; /* its beginning was not seen */
	bool open_sure[2];    /* its end would be known by now: it is open, or was a moment ago */
	uint64_t watched;     /* when the watch of it began that its state is of */
	uint64_t self_since;  /* since when it refuses and is not blocked, 0 it does not */
	bool dead;            /* this is the last record of this step */
	uint64_t ended;       /* and when it ended, which was before it was read; 0: not known */
	bool same; /* all is as in the one before, nothing open: only key, place and process are set */
	bool partly;       /* it is watched for a part of the time only */
	bool marks;        /* it has enter marks */
	uint32_t depth;    /* of its queue; */
	uint32_t capacity; /* both 0: never told, or empty and of unknown capacity */

	/*
	 * Durations. `samples` are those that came since the step's last record; owned by the drain.
	 * COUNTER_..._EPISODES may be ahead of all samples so far; what is ahead has a mean duration of
	 * `rest_ns`, and with `settle` no sample is on its way for it (the step is silent, dead, or this
	 * is the end). Should samples come for it after all, the model drops as many.
	 */
	struct hist samples[2];
	uint64_t rest_ns[2];
	bool settle;

	char name[PUSHBACK_NAME_SIZE]; /* terminated, otherwise any bytes: sinks sanitise */
	char process[16];              /* comm, terminated, any bytes */
};

#endif /* RECORD_H */
