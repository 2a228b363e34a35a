/* SPDX-License-Identifier: MIT */
/*
 * span.h - a sink that sends nothing: it watches for a while, for verbs that judge at the end
 *
 * Not thread-safe.
 */
#ifndef SPAN_H
#define SPAN_H

#include <jansson.h>

#include "agent_opts.h"
#include "exit_status.h"
#include "sink.h"

/* How often it looks. */
#define SPAN_LOOKS_NS 250000000u
/* Beside another observer a step may be known up to 1.5 s late, by its heartbeat. */
#define SPAN_LEAST_NS 2500000000u

/* 0 or -ENOMEM: then nothing is to be judged. */
struct span_ops {
	/* Several times a second, and when what is watched partly is about to go from the model. */
	int (*look)(void *context, const struct model *m, uint64_t now);
	/* A step's last record. */
	int (*ended)(void *context, const struct record *record, uint64_t now);
};

struct span {
	struct sink sink;
	const struct span_ops *ops;
	void *context;
	uint64_t began, until;    /* on the monotonic clock */
	uint64_t lasted;          /* so far, ns */
	struct agent_stats stats; /* for what it has lost */
	bool partly; /* something was watched for a part of the time only, by --budget */
	bool done;   /* it came to its end */
	int err;
};

/* Watches for settings->interval_ns. Not EXIT_DONE: with one line in `why` (ATTACH_WHY_SIZE). */
enum exit_status span_watch(struct span *s, const struct span_ops *ops, void *context,
			    const struct agent_settings *settings, char *why);

/* Says on stderr what was lost, if anything was. */
void span_warn(const struct span *s);
/* What was lost, by reason. NULL when out of memory. */
json_t *span_lost(const struct span *s);

#endif /* SPAN_H */
