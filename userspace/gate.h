/* SPDX-License-Identifier: MIT */
/*
 * gate.h - limits on how much of its time a step or a consumer may be in backpressure, and who broke them
 *
 * What is judged is all of a step in one process: the time of its instances, over how long they were
 * watched. Pure: no libbpf, no I/O, no clock. Not thread-safe.
 */
#ifndef GATE_H
#define GATE_H

#include "model.h"

enum gate_kind {
	GATE_SELF,     /* it refuses and is not blocked itself */
	GATE_REFUSING, /* it refuses */
	GATE_BLOCKED,  /* it is refused by what is behind it */
	GATE_FULL,     /* of a consumer: nothing gets in */
	GATE_KINDS,
};

extern const char *const gate_names[GATE_KINDS];

struct gate;

/* Who had most of it, of those that a limit is for. */
struct gate_result {
	enum gate_kind kind;
	const char *glob;
	double most, share; /* 0 to 1 */
	bool seen;          /* there was one; else all below is nothing */
	bool broken;
	bool partly; /* it was watched for a part of the time only */
	int pid;
	const char *process, *step; /* as the consumer wrote them; no step: of a consumer */
	uint64_t first;             /* when its watch began, ns of CLOCK_MONOTONIC, */
	uint64_t watched_ns; /* and for how long it was in all; of several instances their sum */
	int err;             /* -ENOMEM: it is not known who had most */
};

/* NULL when out of memory. */
struct gate *gate_new(void);
void gate_free(struct gate *g);

/*
 * "GLOB=20%": the steps whose names match, or with GATE_FULL the consumers; for them "20%" is of all. 0,
 * or -EINVAL with one line in `why`, or -ENOMEM.
 */
int gate_limit(struct gate *g, enum gate_kind kind, const char *text, char *why, size_t why_size);

/*
 * An instance's record, with what it has counted by `now`; told again it replaces what it was, unless what
 * it counts began anew. 0 or -ENOMEM: nothing is to be judged.
 */
int gate_step(struct gate *g, const struct record *record, uint64_t now);
/* Likewise a consumer. */
int gate_consumer(struct gate *g, const struct consumer_view *consumer, uint64_t now);

/* Limit by limit, as they were given; NULL after the last one. Valid until the next call. */
const struct gate_result *gate_judge(struct gate *g, size_t limit);

#endif /* GATE_H */
