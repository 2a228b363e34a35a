/* SPDX-License-Identifier: MIT */
#include "statsd_report.h"

#include <stdio.h>

static void add(struct sink_report *report, const char *name, const char *reason, uint64_t value)
{
	if (report->count == sizeof(report->counts) / sizeof(report->counts[0]))
		return;
	report->counts[report->count].name = name;
	report->counts[report->count].reason = reason;
	report->counts[report->count++].value = value;
}

static const char *state_of(const struct statsd_outbox *out)
{
	if (out->waiting)
		return "busy";
	if (out->stats.last != STATSD_SENT)
		return statsd_reason_name(out->stats.last);
	return out->stats.packets ? "sent" : "nothing sent yet";
}

void statsd_report(const struct statsd_outbox *out, const char *address, struct sink_report *report)
{
	snprintf(report->address, sizeof(report->address), "%s", address);
	snprintf(report->state, sizeof(report->state), "%s", state_of(out));
	add(report, "packets_sent", NULL, out->stats.packets);
	add(report, "packets_waiting", NULL, out->waiting);
	for (unsigned int r = STATSD_SENT + 1; r < STATSD_REASONS; r++)
		if (out->stats.packets_dropped[r])
			add(report, "packets_dropped", statsd_reason_name(r),
			    out->stats.packets_dropped[r]);
	for (unsigned int r = STATSD_SENT + 1; r < STATSD_REASONS; r++)
		if (out->stats.lines_dropped[r])
			add(report, "lines_dropped", statsd_reason_name(r),
			    out->stats.lines_dropped[r]);
	add(report, "durations_unsent", NULL, out->stats.durations_dropped);
}
