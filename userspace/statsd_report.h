/* SPDX-License-Identifier: MIT */
/* statsd_report.h - how the statsd server is reached, for `pushback status` */
#ifndef STATSD_REPORT_H
#define STATSD_REPORT_H

#include "sink.h"
#include "statsd_packet.h"

void statsd_report(const struct statsd_outbox *out, const char *address,
		   struct sink_report *report);
/* As sink_ops.unreached. */
const char *statsd_unreached(const struct statsd_outbox *out);

#endif /* STATSD_REPORT_H */
