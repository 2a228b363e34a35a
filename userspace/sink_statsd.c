/* SPDX-License-Identifier: MIT */
#include "sink_statsd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statsd_agent.h"
#include "statsd_event.h"
#include "statsd_report.h"

#define MS_NS 1000000

/* A flush or poll gives a busy receiver this long in all, and this long for its next sign of life.
 */
#define WAIT_MS     20
#define PATIENCE_MS 2
/* The last flush: for a lookup, for what still waited, for its own lines; a second together. */
#define LAST_RESOLVE_MS 300
#define LAST_OLD_MS     200
#define LAST_MS         500

/*
 * Lines of durations in a flush: up to 10,000 durations each, but a consumer may claim to have had any
 * number, and writing must end. So that others lose nothing by it, each series and direction has some of its
 * own; what needs more takes it from what is there for all, and that no more than so much.
 */
#define LINES_OWN        64u
#define LINES_MAX        (1u << 17)
#define SERIES_LINES_MAX (1u << 15)

/*
 * Servers keep a gauge's value, so one that is as it was goes out again only so often that each flush
 * of a server, every 10 s, finds it: where the next flush would be too late.
 */
#define GAUGE_AGAIN_NS 9500000000ull

struct sink_statsd {
	struct sink sink;
	enum statsd_format format;
	const char *address; /* the caller's */
	const char *duration_type;
	char prefix[STATSD_TEXT_MAX];
	char global_tags[STATSD_GLOBAL_TAGS_SIZE];
	struct statsd_socket *socket;
	struct statsd_outbox out;
	struct statsd_table table;
	struct statsd_agent agent;
	struct stuck *stuck; /* NULL: no events */
	struct hist scratch;
	size_t lines_left;       /* of durations, in this flush */
	uint64_t flushed;        /* when the last one was */
	uint64_t gauges_before;  /* those that were told before are to be told again */
	unsigned int connection; /* that this flush began with */
};

static struct sink_statsd *statsd_of(struct sink *sink)
{
	return (struct sink_statsd *)sink;
}

static struct statsd_line series_line(const struct sink_statsd *ss, const struct statsd_series *s,
				      const char *name, const char *suffix)
{
	return (struct statsd_line){
		.prefix = ss->prefix,
		.name = name,
		.suffix = suffix,
		.weight = 1,
		.tags = s->tags,
	};
}

static void send_counter(struct sink_statsd *ss, struct statsd_series *s, unsigned int slot,
			 const char *name, const char *suffix)
{
	uint64_t due = statsd_slot_due(s, slot);

	if (!due && !s->tally[slot].told)
		return;
	s->settled = false;
	statsd_outbox_counter(&ss->out, series_line(ss, s, name, suffix), &s->tally[slot], due);
}

static void send_counters(struct sink_statsd *ss, struct statsd_series *s)
{
	if (s->settled)
		return;
	s->settled = true;
	for (unsigned int slot = 0; slot < COUNTERS; slot++)
		send_counter(ss, s, slot, counter_names[slot].name, "");
	for (unsigned int d = 0; ss->format == STATSD_SUMMARY && d < 2; d++) {
		send_counter(ss, s, STATSD_SLOT_COUNT + d, duration_names[d], ".count");
		send_counter(ss, s, STATSD_SLOT_SUM + d, duration_names[d], ".sum");
	}
}

/* Of a group: the largest, but the instances of all. */
static uint64_t gauge_value(const struct statsd_series *leader, enum gauge g)
{
	uint64_t value = 0;

	for (const struct statsd_series *s = leader; s; s = s->next) {
		bool has = s->series && statsd_has_gauge(s->series, g);
		uint64_t one = has ? s->series->gauge[g] : 0;

		if (g == GAUGE_INSTANCES)
			value += one;
		else if (one > value)
			value = one;
	}
	return gauge_names[g].is_time ? value / MS_NS : value;
}

static bool spell_has_ended(const struct statsd_series *leader, enum gauge g)
{
	if (g != GAUGE_SEND_SPELL && g != GAUGE_RECEIVE_SPELL)
		return false;
	for (const struct statsd_series *s = leader; s; s = s->next)
		if (s->series && s->series->spell_ended[g == GAUGE_SEND_SPELL ? PUSHBACK_SEND
									      : PUSHBACK_RECEIVE])
			return true;
	return false;
}

static bool is_known(const struct sink_statsd *ss, const struct statsd_told *told, uint64_t value)
{
	return value && told->value == value && told->at >= ss->gauges_before;
}

/* A 0 only where the server may know another value. */
static void send_gauges(struct sink_statsd *ss, struct statsd_series *s)
{
	uint64_t known_at = UINT64_MAX;

	for (unsigned int g = 0; g < GAUGES; g++) {
		uint64_t value = gauge_value(s, g);
		char text[STATSD_NUMBER_SIZE];

		if (value && s->gauge[g].at < known_at)
			known_at = s->gauge[g].at;
		if (is_known(ss, &s->gauge[g], value))
			continue;
		if (!value && !s->gauge[g].value && !spell_has_ended(s, g))
			continue;
		statsd_number(text, value);
		statsd_outbox_gauge(&ss->out, series_line(ss, s, gauge_names[g].name, ""),
				    &s->gauge[g], value, text);
		known_at = 0;
	}
	s->known_at = known_at;
}

/* Most are, where most steps are idle. */
static bool is_quiet(const struct sink_statsd *ss, const struct statsd_series *s)
{
	return s->is_leader && !s->next && s->settled && s->known_at >= ss->gauges_before &&
	       s->known_at && !s->series->moved;
}

/* The durations of a whole group, into the scratch histogram. */
static void gather(struct sink_statsd *ss, const struct statsd_series *leader, unsigned int d)
{
	hist_clear(&ss->scratch);
	for (const struct statsd_series *s = leader; s; s = s->next) {
		const struct hist *from = &s->series->durations[d];
		uint64_t before = ss->scratch.count;

		if (hist_add_all(&ss->scratch, from))
			ss->out.stats.durations_dropped +=
				from->count - (ss->scratch.count - before);
	}
}

static void send_distribution(struct sink_statsd *ss, const struct statsd_series *s, unsigned int d)
{
	struct statsd_line line = series_line(ss, s, duration_names[d], "");
	char value[STATSD_NUMBER_SIZE];
	size_t more = ss->lines_left < SERIES_LINES_MAX ? ss->lines_left : SERIES_LINES_MAX;
	size_t lines = LINES_OWN + more;

	hist_reduce(&ss->scratch, HIST_VALUES_MAX);
	line.type = ss->duration_type;
	line.value = value;
	for (size_t i = 0; i < ss->scratch.size; i++) {
		uint64_t left = ss->scratch.values[i].count;

		statsd_ms(value, ss->scratch.values[i].ns);
		for (; left && lines; left -= line.weight, lines--) {
			line.weight = left < STATSD_WEIGHT_MAX ? left : STATSD_WEIGHT_MAX;
			statsd_outbox_line(
				&ss->out, &line,
				(struct statsd_item){ NULL, line.weight, STATSD_DURATION });
		}
		ss->out.stats.durations_dropped += left;
	}
	ss->lines_left -= lines < more ? more - lines : 0;
}

static void send_summary(struct sink_statsd *ss, const struct statsd_series *s, unsigned int d)
{
	const struct hist *h = &ss->scratch;
	const struct {
		const char *suffix;
		uint64_t ns;
	} gauges[] = {
		{ ".min", h->values[0].ns },        { ".max", h->values[h->size - 1].ns },
		{ ".p50", hist_quantile(h, 0.5) },  { ".p90", hist_quantile(h, 0.9) },
		{ ".p99", hist_quantile(h, 0.99) },
	};

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		char text[STATSD_NUMBER_SIZE];

		statsd_ms(text, gauges[i].ns);
		statsd_outbox_gauge(&ss->out,
				    series_line(ss, s, duration_names[d], gauges[i].suffix), NULL,
				    gauges[i].ns, text);
	}
}

static void send_durations(struct sink_statsd *ss, const struct statsd_series *s)
{
	for (unsigned int d = 0; d < 2; d++) {
		if (!s->next && !s->series->durations[d].size)
			continue;
		gather(ss, s, d);
		if (!ss->scratch.size)
			continue;
		if (ss->format == STATSD_SUMMARY)
			send_summary(ss, s, d);
		else
			send_distribution(ss, s, d);
	}
}

static void send_series(struct sink_statsd *ss)
{
	for (size_t i = 0; i < ss->table.count; i++) {
		struct statsd_series *s = ss->table.at[i];

		if (is_quiet(ss, s))
			continue;
		send_counters(ss, s);
		if (s->is_leader || !s->series)
			send_gauges(ss, s);
		if (s->is_leader)
			send_durations(ss, s);
	}
}

/* A server that was connected to since the last flush may be another one, which knows nothing. */
static void begin(struct sink_statsd *ss, uint64_t now)
{
	uint64_t next = now + (now - ss->flushed);
	unsigned int connection = statsd_socket_connections(ss->socket);

	ss->gauges_before = next > GAUGE_AGAIN_NS ? next - GAUGE_AGAIN_NS : 0;
	if (ss->connection && connection != ss->connection)
		ss->gauges_before = UINT64_MAX;
	ss->connection = connection;
	ss->flushed = ss->out.now = now;
	statsd_socket_tick(ss->socket, now);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct sink_statsd *ss = statsd_of(sink);
	size_t count;
	const struct series *const *series = model_series(m, &count);

	begin(ss, now);
	if (last && statsd_socket_is_resolving(ss->socket))
		statsd_socket_wait(ss->socket, LAST_RESOLVE_MS);
	/* What still waits is superseded: its counters are in the new differences. */
	statsd_outbox_drain(&ss->out, last ? LAST_OLD_MS : WAIT_MS,
			    last ? LAST_OLD_MS : PATIENCE_MS);
	statsd_outbox_discard(&ss->out, STATSD_LATE);

	statsd_table_update(&ss->table, series, count);
	ss->lines_left = LINES_MAX;
	send_series(ss);
	statsd_outbox_push(&ss->out);
	statsd_agent_flush(&ss->agent, &ss->out, &ss->table, stats, ss->global_tags);
	statsd_outbox_close(&ss->out);
	statsd_outbox_drain(&ss->out, last ? LAST_MS : WAIT_MS, last ? LAST_MS : PATIENCE_MS);
	if (last)
		statsd_outbox_discard(&ss->out, STATSD_LATE);
}

/* A failure of memory is counted with the lines that were left out for it. */
static void send_event(const struct stuck_news *news, void *context)
{
	struct sink_statsd *ss = context;
	const struct series of = { .step = news->step,
				   .process = news->process,
				   .tags = news->tags };
	char *tags = statsd_tags(&ss->table, &of), text[STATSD_EVENT_SIZE];

	if (!tags) {
		ss->out.stats.lines_dropped[STATSD_NO_MEMORY]++;
		return;
	}
	statsd_outbox_text(&ss->out, text, statsd_event(text, news, tags),
			   (struct statsd_item){ NULL, 1, STATSD_EVENT });
	free(tags);
}

/* At once: an event is of its moment. */
static void drained(struct sink *sink, const struct model *m, uint64_t now)
{
	struct sink_statsd *ss = statsd_of(sink);

	if (!ss->stuck)
		return;
	ss->out.now = now;
	stuck_look(ss->stuck, m, send_event, ss);
	statsd_outbox_close(&ss->out);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	struct sink_statsd *ss = statsd_of(sink);

	ss->out.now = now;
	statsd_socket_tick(ss->socket, now);
	statsd_outbox_drain(&ss->out, WAIT_MS, PATIENCE_MS);
}

static void free_sink(struct sink *sink)
{
	struct sink_statsd *ss = statsd_of(sink);

	statsd_outbox_free(&ss->out);
	statsd_table_free(&ss->table);
	statsd_socket_free(ss->socket);
	hist_free(&ss->scratch);
	stuck_free(ss->stuck);
	free(ss);
}

static void report(const struct sink *sink, struct sink_report *out)
{
	const struct sink_statsd *ss = (const struct sink_statsd *)sink;

	statsd_report(&ss->out, ss->address, out);
}

static const char *unreached(const struct sink *sink)
{
	return statsd_unreached(&((const struct sink_statsd *)sink)->out);
}

static void save(const struct sink *sink, struct keep_writer *w)
{
	const struct sink_statsd *ss = (const struct sink_statsd *)sink;

	statsd_table_save(&ss->table, w);
	statsd_agent_save(&ss->agent, &ss->out, w);
}

static int load(struct sink *sink, const struct model *m, struct keep_reader *r)
{
	struct sink_statsd *ss = statsd_of(sink);
	int err;

	if (!r) {
		statsd_table_begin(&ss->table, m);
		return 0;
	}
	err = statsd_table_load(&ss->table, m, r);
	return err ? err : statsd_agent_load(&ss->agent, &ss->out, r);
}

static const struct sink_ops ops = {
	.name = "statsd",
	.flush = flush,
	.drained = drained,
	.poll = poll_sink,
	.report = report,
	.unreached = unreached,
	.save = save,
	.load = load,
	.free = free_sink,
};

static int take_options(struct sink_statsd *ss, const struct statsd_options *options, char *why,
			size_t why_size)
{
	static const char *const types[] = {
		[STATSD_DISTRIBUTION] = "d",
		[STATSD_HISTOGRAM] = "h",
		[STATSD_TIMER] = "ms",
	};
	int err = statsd_check_prefix(options->prefix, why, why_size);

	if (!err)
		err = statsd_global_tags(ss->global_tags, options->tags, why, why_size);
	if (err)
		return err;
	snprintf(ss->prefix, sizeof(ss->prefix), "%s%s", options->prefix,
		 *options->prefix ? "." : "");
	ss->format = options->format;
	ss->duration_type = options->format == STATSD_DOGSTATSD ? types[options->histogram] : "ms";
	ss->table.max = STATSD_SERIES_MAX;
	ss->table.global_tags = ss->global_tags;
	ss->table.plain_values = options->format != STATSD_DOGSTATSD;
	ss->table.summary = options->format == STATSD_SUMMARY;
	return 0;
}

struct sink *sink_statsd_new(const struct statsd_options *options, char *why, size_t why_size)
{
	struct statsd_address address;
	struct sink_statsd *ss;

	if (statsd_address_parse(&address, options->address, why, why_size))
		return NULL;
	ss = calloc(1, sizeof(*ss));
	if (ss)
		ss->socket = statsd_socket_new(&address);
	if (!ss || !ss->socket) {
		free(ss);
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	ss->sink.ops = &ops;
	ss->address = options->address;
	statsd_outbox_init(&ss->out, ss->socket, address.payload);
	if (take_options(ss, options, why, why_size)) {
		free_sink(&ss->sink);
		return NULL;
	}
	if (options->stuck_ns) {
		ss->stuck = stuck_new(options->stuck_ns);
		if (!ss->stuck) {
			free_sink(&ss->sink);
			snprintf(why, why_size, "out of memory");
			return NULL;
		}
	}
	return &ss->sink;
}
