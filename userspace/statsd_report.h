/* SPDX-License-Identifier: MIT */
/* statsd_report.h - how the statsd server is reached, for `pushback status` */
#ifndef STATSD_REPORT_H
#define STATSD_REPORT_H

#include "sink.h"
#include "statsd_packet.h"

void statsd_report(const struct statsd_outbox *out, const char *address,
		   struct sink_report *report);

#endif /* STATSD_REPORT_H */
