/* SPDX-License-Identifier: MIT */
#include "statsd_report.h"

#include <stdio.h>

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
	sink_report_add(report, "packets_sent", NULL, out->stats.packets);
	sink_report_add(report, "packets_waiting", NULL, out->waiting);
	for (unsigned int r = STATSD_SENT + 1; r < STATSD_REASONS; r++)
		sink_report_add(report, "packets_dropped", statsd_reason_name(r),
				out->stats.packets_dropped[r]);
	for (unsigned int r = STATSD_SENT + 1; r < STATSD_REASONS; r++)
		sink_report_add(report, "lines_dropped", statsd_reason_name(r),
				out->stats.lines_dropped[r]);
	sink_report_add(report, "durations_unsent", NULL, out->stats.durations_dropped);
}

/* One that is busy, or has just closed its connection, is there. */
const char *statsd_unreached(const struct statsd_outbox *out)
{
	static const char *const whys[STATSD_REASONS] = {
		[STATSD_REFUSED] = "nobody listens there",
		[STATSD_NO_SOCKET] = "nothing is at that path",
		[STATSD_WRONG_TYPE] =
			"that socket is of the other kind, unixgram:// is for datagrams "
			"and unix:// for a stream",
		[STATSD_UNRESOLVED] = "the name has no address",
		[STATSD_UNREACHABLE] = "there is no route to it",
		[STATSD_NOT_PERMITTED] =
			"not allowed to send there (a socket must let this user write to it)",
	};

	return whys[out->stats.last];
}
