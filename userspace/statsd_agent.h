/* SPDX-License-Identifier: MIT */
/*
 * statsd_agent.h - the observer about itself: pushback.agent.*
 *
 *	lost		  c, by reason	 what will never be in any number
 *	packets_sent	  c
 *	packets_dropped	  c, by reason	 packets that the socket did not take
 *	lines_dropped	  c, by reason	 gauges and durations in them; counters come again
 *	cpu_time	  c		 ms
 *	steps, processes  g
 *	files, sites	  g		 attached
 *	silent		  g		 processes that map an attached file and have made no return
 *	map_entries	  g, by map
 *	map_fill	  g, by map	 %
 *	memory		  g		 bytes, resident
 *	map_memory	  g		 bytes, in the kernel
 *	drain_time	  g		 ms, of the last drain
 *
 * Among `lost`, the sink's own reasons: durations_unsent (episodes whose duration was in a dropped
 * line), line_too_long (lines), series_full (counters), no_memory (series and interval).
 */
#ifndef STATSD_AGENT_H
#define STATSD_AGENT_H

#include "sink.h"
#include "statsd_packet.h"
#include "statsd_series.h"

#define STATSD_LOST_MAX 48

struct statsd_agent {
	struct {
		char reason[48];
		struct statsd_tally tally;
	} lost[STATSD_LOST_MAX];
	size_t lost_count;
	struct statsd_tally packets_sent;
	struct statsd_tally cpu_time;
	struct statsd_tally packets_dropped[STATSD_REASONS];
	struct statsd_tally lines_dropped[STATSD_REASONS];
};

/* Adds the lines to `out`; `global_tags` are sane. Zeroed `agent` is a new one. */
void statsd_agent_flush(struct statsd_agent *agent, struct statsd_outbox *out,
			const struct statsd_table *table, const struct agent_stats *stats,
			const char *global_tags);

/*
 * statsd_keep.c: for the next agent, and into a zeroed one. Durations that still wait for the server
 * count as dropped: nobody sends them if this is the end. 0, -EBADMSG or -EPROTO.
 */
void statsd_agent_save(const struct statsd_agent *agent, const struct statsd_outbox *out,
		       struct keep_writer *w);
int statsd_agent_load(struct statsd_agent *agent, struct statsd_outbox *out, struct keep_reader *r);

#endif /* STATSD_AGENT_H */
