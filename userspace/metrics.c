/* SPDX-License-Identifier: MIT */
#include "metrics.h"

const struct metric_name counter_names[COUNTERS] = {
	[COUNTER_SEND] = { "send_backpressure", false },
	[COUNTER_RECEIVE] = { "receive_backpressure", false },
	[COUNTER_SEND_TIME] = { "send_backpressure_time", true },
	[COUNTER_RECEIVE_TIME] = { "receive_backpressure_time", true },
	[COUNTER_SEND_SELF_TIME] = { "send_backpressure_self_time", true },
	[COUNTER_SEND_EPISODES] = { "send_backpressure_episodes", false },
	[COUNTER_RECEIVE_EPISODES] = { "receive_backpressure_episodes", false },
	[COUNTER_SEND_ABANDONED] = { "send_backpressure_abandoned", false },
	[COUNTER_RECEIVE_ABANDONED] = { "receive_backpressure_abandoned", false },
	[COUNTER_SEND_PARTIAL] = { "send_backpressure_partial", false },
	[COUNTER_RECEIVE_PARTIAL] = { "receive_backpressure_partial", false },
	[COUNTER_SEND_FOLDED] = { "send_backpressure_folded", false },
	[COUNTER_RECEIVE_FOLDED] = { "receive_backpressure_folded", false },
	[COUNTER_ACCEPTED] = { "submit_accepted", false },
	[COUNTER_FORWARDED] = { "submit_forwarded", false },
	[COUNTER_BUSY_TIME] = { "step_busy_time", true },
	[COUNTER_SOME_TIME] = { "pressure_some_time", true },
	[COUNTER_FULL_TIME] = { "pressure_full_time", true },
};

const struct metric_name gauge_names[GAUGES] = {
	[GAUGE_SEND_SPELL] = { "send_backpressure_spell", true },
	[GAUGE_RECEIVE_SPELL] = { "receive_backpressure_spell", true },
	[GAUGE_INSTANCES] = { "instances", false },
	[GAUGE_QUEUE_DEPTH] = { "queue_depth", false },
	[GAUGE_QUEUE_CAPACITY] = { "queue_capacity", false },
};

const char *const duration_names[2] = {
	"send_backpressure_duration",
	"receive_backpressure_duration",
};
