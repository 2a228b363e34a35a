/* SPDX-License-Identifier: MIT */
/*
 * sink.h - where series go
 *
 * A sink is a vtable. It turns cumulative counters into the differences it sends, and keeps what it
 * could not hand over; a sink never blocks and never fails the agent.
 */
#ifndef SINK_H
#define SINK_H

#include <poll.h>

#include "model.h"
#include "silent.h"

#define SINK_FDS   2 /* of one sink */
#define SINKS_MAX  4 /* of one run */
#define AGENT_MAPS 4

/* A map of the kernel side, by the loader's own counts. */
struct agent_map {
	const char *name; /* NULL: not counted (yet) */
	uint64_t used, most;
};

/* The observer about itself, cumulative. Filled by the agent's loop, sent as pushback.agent.*. */
struct agent_stats {
	struct {
		const char *reason;
		uint64_t count;
	} lost[32]; /* ends with a NULL reason */
	uint64_t steps;
	uint64_t processes;
	uint64_t drain_ns; /* of the last drain */
	uint64_t files;    /* attached, */
	uint64_t sites;    /* and in these */
	struct agent_map maps[AGENT_MAPS];
	uint64_t cpu_ns;     /* of this process, since its start */
	uint64_t memory;     /* its resident bytes, */
	uint64_t map_memory; /* and those of the maps, in the kernel; 0: not known */
	struct silent_view silent;
	uint64_t files_partly; /* watched for a part of the time only: --budget; */
	double part;           /* and for which, of several the least */
};

/* How a sink is doing, for `pushback status`. */
struct sink_report {
	char address[300];
	char state[64]; /* a word or two */
	size_t count;
	struct {
		const char *name;   /* of what is counted, as a metric's */
		const char *reason; /* or NULL */
		uint64_t value;
	} counts[48];
};

/* What has a reason and did not occur is left out. */
static inline void sink_report_add(struct sink_report *report, const char *name, const char *reason,
				   uint64_t value)
{
	if ((reason && !value) ||
	    report->count == sizeof(report->counts) / sizeof(report->counts[0]))
		return;
	report->counts[report->count].name = name;
	report->counts[report->count].reason = reason;
	report->counts[report->count++].value = value;
}

struct sink;

struct sink_ops {
	const char *name;
	/*
	 * Sends the interval that ends now. `last`: the agent is about to exit, what can be sent is to
	 * be sent now (bounded: at most about a second).
	 */
	void (*flush)(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		      uint64_t now, bool last);
	/*
	 * May be NULL: then it is a flush. So much has ended that the model will forget it, in the middle
	 * of an interval.
	 */
	void (*early)(struct sink *sink, const struct model *m, uint64_t now);
	/*
	 * May be NULL. By --budget some of what the model has is not watched from now on: it goes from the
	 * model without having ended.
	 */
	void (*pausing)(struct sink *sink, const struct model *m, uint64_t now);
	/*
	 * May be NULL. A drain is complete: counters and gauges are as of `now`, durations may still be
	 * on their way. The model is there while the run is, and may be looked at until the call that
	 * is next, and in poll.
	 */
	void (*drained)(struct sink *sink, const struct model *m, uint64_t now);
	/*
	 * May be NULL. Called about every 100 ms between flushes: goes on with what is still waiting.
	 * Returns within some 20 ms.
	 */
	void (*poll)(struct sink *sink, uint64_t now);
	/* May be NULL. A step has ended: its last record, before the flush of that interval. */
	void (*ended)(struct sink *sink, const struct record *record);
	/*
	 * May be NULL. What wakes this sink's poll before its time, with its events; how many, at most
	 * SINK_FDS. Asked before each wait, so they may be others each time.
	 */
	size_t (*fds)(const struct sink *sink, struct pollfd *fds);
	/* May be NULL. Whether the run is to end; asked after each flush and poll. */
	bool (*done)(const struct sink *sink);
	/*
	 * May be NULL; where it is not, nor is report. Why nothing gets to where it sends, with what
	 * helps; NULL: it does. Asked after flushes.
	 */
	const char *(*unreached)(const struct sink *sink);
	/* May be NULL. Fills what is zeroed. */
	void (*report)(const struct sink *sink, struct sink_report *out);
	/*
	 * May be NULL, both of them: what it has handed over is remembered for the next agent, whose sink
	 * of the same name loads it before its first flush; the model has its series then. With NULL the
	 * former agent had no such sink: what the model has counted by then was told to others. 0, -ENOMEM,
	 * -EBADMSG or -EPROTO.
	 */
	void (*save)(const struct sink *sink, struct keep_writer *w);
	int (*load)(struct sink *sink, const struct model *m, struct keep_reader *r);
	void (*free)(struct sink *sink);
};

/* First member of every sink. */
struct sink {
	const struct sink_ops *ops;
};

#endif /* SINK_H */
