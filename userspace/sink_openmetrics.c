/* SPDX-License-Identifier: MIT */
#include "sink_openmetrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openmetrics_page.h"
#include "statsd_line.h"

#define PATH "/metrics"

struct sink_openmetrics {
	struct sink sink;
	char prefix[OPENMETRICS_PREFIX_SIZE];
	char tags[STATSD_GLOBAL_TAGS_SIZE];
	struct buffer labels; /* of the observer's own metrics; terminated */
	struct http_server *server;
	struct http_handler handler;
	struct openmetrics_table table;
	struct openmetrics_agent agent;
	const struct model *model; /* the run's, once there was a drain */
	uint64_t drained;          /* when that was */
	bool is_fresh;             /* all of it is in the table */
};

static struct sink_openmetrics *openmetrics_of(struct sink *sink)
{
	return (struct sink_openmetrics *)sink;
}

/* ---- Answers ---- */

/* Only when somebody asks: the counters in the model only grow, so nothing is missed meanwhile. */
static void freshen(struct sink_openmetrics *so)
{
	const struct series *const *series;
	size_t count;

	if (so->is_fresh || !so->model)
		return;
	series = model_series(so->model, &count);
	openmetrics_table_update(&so->table, series, count, so->drained, false);
	so->is_fresh = true;
}

static const char *begin(void *context, const struct http_request *request,
			 struct http_cursor *cursor)
{
	freshen(context);
	cursor->variant = request->wants_openmetrics;
	return request->wants_openmetrics
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

static bool more(void *context, struct http_cursor *cursor, struct buffer *out)
{
	const struct sink_openmetrics *so = context;
	const struct openmetrics_page page = {
		.prefix = so->prefix,
		.table = &so->table,
		.agent = &so->agent,
		.http = http_server_stats(so->server),
		.agent_labels = so->labels.data,
	};

	return openmetrics_page_more(&page, cursor, out);
}

/* ---- The sink's calls ---- */

static void take_series(struct sink_openmetrics *so, const struct model *m, uint64_t now)
{
	size_t count;
	const struct series *const *series = model_series(m, &count);

	openmetrics_table_update(&so->table, series, count, now, true);
	so->is_fresh = true;
}

static void take_stats(struct openmetrics_agent *agent, const struct agent_stats *stats)
{
	const size_t most = sizeof(stats->lost) / sizeof(stats->lost[0]);

	agent->is_known = true;
	agent->lost_count = 0;
	for (size_t i = 0; i < most && i < OPENMETRICS_LOST_MAX && stats->lost[i].reason; i++) {
		agent->lost[i].reason = stats->lost[i].reason;
		agent->lost[i].count = stats->lost[i].count;
		agent->lost_count++;
	}
	agent->steps = stats->steps;
	agent->processes = stats->processes;
	agent->drain_ns = stats->drain_ns;
	agent->files = stats->files;
	agent->files_partly = stats->files_partly;
	agent->sites = stats->sites;
	agent->silent = stats->silent.count;
	agent->cpu_ns = stats->cpu_ns;
	agent->memory = stats->memory;
	agent->map_memory = stats->map_memory;
	memcpy(agent->maps, stats->maps, sizeof(agent->maps));
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct sink_openmetrics *so = openmetrics_of(sink);

	(void)last;
	take_series(so, m, now);
	take_stats(&so->agent, stats);
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	take_series(openmetrics_of(sink), m, now);
}

static void drained(struct sink *sink, const struct model *m, uint64_t now)
{
	struct sink_openmetrics *so = openmetrics_of(sink);

	so->model = m;
	so->drained = now;
	so->is_fresh = false;
}

/*
 * Who comes before the first drain waits for it. What a former agent left to be loaded is as old as
 * its last interval: counters that a scrape has seen since would fall, and count as begun anew.
 */
static void poll_sink(struct sink *sink, uint64_t now)
{
	struct sink_openmetrics *so = openmetrics_of(sink);

	(void)now;
	if (so->model)
		http_server_run(so->server);
}

static size_t fds(const struct sink *sink, struct pollfd *fds)
{
	const struct sink_openmetrics *so = (const struct sink_openmetrics *)sink;
	int fd = so->model ? http_server_fd(so->server) : -1;

	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return fd >= 0;
}

static void report(const struct sink *sink, struct sink_report *out)
{
	const struct sink_openmetrics *so = (const struct sink_openmetrics *)sink;
	const struct http_stats *stats = http_server_stats(so->server);
	char url[SINK_OPENMETRICS_URL_SIZE];

	sink_openmetrics_url(sink, url);
	snprintf(out->address, sizeof(out->address), "%s", url);
	snprintf(out->state, sizeof(out->state), "listening");
	for (unsigned int i = 0; i < HTTP_ANSWERS; i++)
		sink_report_add(out, "answers", http_answer_codes[i], stats->answers[i]);
	for (unsigned int i = 0; i < HTTP_DROPS; i++)
		sink_report_add(out, "connections_dropped", http_drop_reasons[i], stats->drops[i]);
}

static void save(const struct sink *sink, struct keep_writer *w)
{
	openmetrics_table_save(&((const struct sink_openmetrics *)sink)->table, w);
}

/* Without, its counters are the model's; what durations there were is not known. */
static int load(struct sink *sink, const struct model *m, struct keep_reader *r)
{
	(void)m;
	return r ? openmetrics_table_load(&openmetrics_of(sink)->table, r) : 0;
}

static void free_sink(struct sink *sink)
{
	struct sink_openmetrics *so = openmetrics_of(sink);

	http_server_free(so->server);
	openmetrics_table_free(&so->table);
	buffer_free(&so->labels);
	free(so);
}

static const struct sink_ops ops = {
	.name = "openmetrics",
	.flush = flush,
	.early = early,
	.drained = drained,
	.poll = poll_sink,
	.fds = fds,
	.report = report,
	.save = save,
	.load = load,
	.free = free_sink,
};

/* ---- A new one ---- */

static int take_options(struct sink_openmetrics *so, const struct openmetrics_options *options,
			char *why, size_t why_size)
{
	int err = statsd_check_prefix(options->prefix, why, why_size);

	if (!err)
		err = statsd_global_tags(so->tags, options->tags, why, why_size);
	if (err)
		return err;
	openmetrics_prefix(so->prefix, options->prefix);
	openmetrics_tags(&so->labels, so->tags);
	buffer_add(&so->labels, "", 1);
	so->table.max = OPENMETRICS_LINES_MAX;
	so->table.tags = so->tags;
	if (!so->labels.failed)
		return 0;
	snprintf(why, why_size, "out of memory");
	return -ENOMEM;
}

static enum exit_status explain(int err, const struct openmetrics_address *address, char *why,
				size_t why_size)
{
	char text[OPENMETRICS_ADDRESS_SIZE];
	const char *help = err == -EADDRINUSE ? "; give another port, or end what listens there"
			   : err == -EADDRNOTAVAIL ? "; give an address that this host has"
			   : err == -EACCES        ? "; give a port from 1024 on, or run as root"
						   : "";

	openmetrics_address_text(text, &address->socket, address->size);
	snprintf(why, why_size, "cannot listen on %s for --openmetrics: %s%s", text, strerror(-err),
		 help);
	return err == -EACCES ? EXIT_HOST : EXIT_FAILED;
}

static enum exit_status start(struct sink_openmetrics *so,
			      const struct openmetrics_options *options, char *why, size_t why_size)
{
	struct openmetrics_address address;
	int err;

	if (openmetrics_address_parse(&address, options->address, why, why_size) ||
	    take_options(so, options, why, why_size))
		return EXIT_USAGE;
	so->handler = (struct http_handler){ .begin = begin, .more = more, .context = so };
	so->server = http_server_new(&address.socket, address.size, PATH, &so->handler, &err);
	return so->server ? EXIT_DONE : explain(err, &address, why, why_size);
}

enum exit_status sink_openmetrics_new(struct sink **out, const struct openmetrics_options *options,
				      char *why, size_t why_size)
{
	struct sink_openmetrics *so = calloc(1, sizeof(*so));
	enum exit_status status;

	*out = NULL;
	if (!so) {
		snprintf(why, why_size, "out of memory");
		return EXIT_FAILED;
	}
	so->sink.ops = &ops;
	status = start(so, options, why, why_size);
	if (status)
		free_sink(&so->sink);
	else
		*out = &so->sink;
	return status;
}

void sink_openmetrics_url(const struct sink *sink, char url[SINK_OPENMETRICS_URL_SIZE])
{
	const struct sink_openmetrics *so = (const struct sink_openmetrics *)sink;
	char text[OPENMETRICS_ADDRESS_SIZE] = "?";
	struct sockaddr_storage address;
	socklen_t size;

	if (!http_server_address(so->server, &address, &size))
		openmetrics_address_text(text, &address, size);
	snprintf(url, SINK_OPENMETRICS_URL_SIZE, "http://%s%s", text, PATH);
}
