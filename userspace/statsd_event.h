/* SPDX-License-Identifier: MIT */
/* statsd_event.h - a DogStatsD event: a step gets stuck, and is no longer. Pure. */
#ifndef STATSD_EVENT_H
#define STATSD_EVENT_H

#include "stuck.h"

#define STATSD_EVENT_SIZE 2048

/*
 * Writes "_e{...}:title|text|..." without a newline and returns its length. Names are made sane as in
 * tags; `tags` are the series', "k:v,k2:v2". Both events of a spell have one aggregation key.
 */
size_t statsd_event(char out[STATSD_EVENT_SIZE], const struct stuck_news *news, const char *tags);

#endif /* STATSD_EVENT_H */
