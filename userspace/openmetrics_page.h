/* SPDX-License-Identifier: MIT */
/*
 * openmetrics_page.h - a scrape's answer, piece by piece
 *
 * Family by family, as the formats want it; within one line by line in order of number. So it can be
 * stopped anywhere and gone on with, whatever has come or gone meanwhile. Pure: no I/O, no clock.
 */
#ifndef OPENMETRICS_PAGE_H
#define OPENMETRICS_PAGE_H

#include "http_server.h"
#include "openmetrics_series.h"
#include "sink.h"

#define OPENMETRICS_LOST_MAX 48

/* The observer about itself. */
struct openmetrics_agent {
	struct {
		const char *reason;
		uint64_t count;
	} lost[OPENMETRICS_LOST_MAX];
	size_t lost_count;
	bool is_known; /* there was a flush */
	uint64_t steps, processes, files, files_partly, sites, silent;
	uint64_t drain_ns, cpu_ns, memory, map_memory;
	struct agent_map maps[AGENT_MAPS];
};

struct openmetrics_page {
	const char *prefix; /* with its '_', or "" */
	const struct openmetrics_table *table;
	const struct openmetrics_agent *agent;
	const struct http_stats *http;
	const char *agent_labels; /* the global tags */
};

/* Adds the next piece, some 32 KiB. False: it was the last. A zeroed cursor begins. */
bool openmetrics_page_more(const struct openmetrics_page *page, struct http_cursor *cursor,
			   struct buffer *out);

#endif /* OPENMETRICS_PAGE_H */
