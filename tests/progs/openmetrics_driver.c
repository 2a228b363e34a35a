/* SPDX-License-Identifier: MIT */
/*
 * openmetrics_driver - the OpenMetrics sink with a model of made-up steps, in a loop as the agent's
 *
 * usage: openmetrics_driver ADDRESS STEPS
 *
 * Prints its URL, drains and flushes once a second, and ends with its stdin. Each step has had 3 send
 * and 2 receive episodes of 1 ms.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../userspace/sink_openmetrics.h"

#define SECOND_NS UINT64_C(1000000000)
#define POLL_MS   100

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void die(const char *text)
{
	fprintf(stderr, "openmetrics_driver: %s\n", text);
	exit(1);
}

static void make_steps(struct model *m, unsigned int count, uint64_t now)
{
	static struct record r;

	model_begin(m, now);
	for (unsigned int i = 0; i < count; i++) {
		r.key = (struct pb_step_key){ .process.tgid = 1, .instance = i + 1 };
		snprintf(r.name, sizeof(r.name), "a-step-with-a-name-%u", i);
		snprintf(r.process, sizeof(r.process), "consumer");
		hist_clear(&r.samples[PUSHBACK_SEND]);
		hist_clear(&r.samples[PUSHBACK_RECEIVE]);
		if (hist_add(&r.samples[PUSHBACK_SEND], SECOND_NS / 1000, 3) ||
		    hist_add(&r.samples[PUSHBACK_RECEIVE], SECOND_NS / 1000, 2))
			die("out of memory");
		r.counter[COUNTER_SEND_EPISODES] = 3;
		r.counter[COUNTER_RECEIVE_EPISODES] = 2;
		if (model_record(m, &r, "pid:1"))
			die("out of memory");
	}
	model_end(m);
	hist_free(&r.samples[PUSHBACK_SEND]);
	hist_free(&r.samples[PUSHBACK_RECEIVE]);
}

static void flush(struct sink *sink, struct model *m, uint64_t now)
{
	static const struct agent_stats stats;

	sink->ops->drained(sink, m, now);
	sink->ops->flush(sink, m, &stats, now, false);
	model_next_interval(m);
}

static void loop(struct sink *sink, struct model *m)
{
	uint64_t next = now_ns() + SECOND_NS;
	struct pollfd fds[1 + SINK_FDS] = { { .events = POLLIN } };

	flush(sink, m, now_ns());
	while (!fds[0].revents) {
		poll(fds, 1 + sink->ops->fds(sink, &fds[1]), POLL_MS);
		sink->ops->poll(sink, now_ns());
		if (now_ns() < next)
			continue;
		flush(sink, m, now_ns());
		next += SECOND_NS;
	}
}

int main(int argc, char **argv)
{
	struct openmetrics_options options = { .prefix = "streams.pipeline" };
	char why[300], url[SINK_OPENMETRICS_URL_SIZE];
	struct model *m = model_new();
	struct sink *sink;

	if (argc != 3 || !m)
		die("usage: openmetrics_driver ADDRESS STEPS");
	options.address = argv[1];
	if (sink_openmetrics_new(&sink, &options, why, sizeof(why)))
		die(why);
	make_steps(m, (unsigned int)atoi(argv[2]), now_ns());
	sink_openmetrics_url(sink, url);
	printf("%s\n", url);
	fflush(stdout);
	loop(sink, m);
	sink->ops->free(sink);
	model_free(m);
	return 0;
}
