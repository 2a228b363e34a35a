/* SPDX-License-Identifier: MIT */
#include "statsd_agent.h"

#include <stdio.h>
#include <string.h>

#define TAGS_SIZE 2048

static struct statsd_line agent_line(const char *name, const char *tags)
{
	return (struct statsd_line){
		.prefix = "pushback.agent.",
		.name = name,
		.suffix = "",
		.weight = 1,
		.tags = tags,
	};
}

static void send_counter(struct statsd_outbox *out, const char *name, const char *reason,
			 const char *global_tags, struct statsd_tally *tally)
{
	char tag[STATSD_TEXT_MAX + 16], tags[TAGS_SIZE];

	if (reason)
		statsd_own_tag(tag, sizeof(tag), "reason", reason);
	snprintf(tags, sizeof(tags), "%s%s%s", reason ? tag : "", reason && *global_tags ? "," : "",
		 global_tags);
	statsd_outbox_counter(out, agent_line(name, tags), tally, tally->total - tally->sent);
}

static void grow(struct statsd_tally *tally, uint64_t total)
{
	if (total > tally->total)
		tally->total = total;
}

static void take_lost(struct statsd_agent *agent, const char *reason, uint64_t count)
{
	size_t i = 0;

	while (i < agent->lost_count &&
	       strncmp(agent->lost[i].reason, reason, sizeof(agent->lost[i].reason) - 1))
		i++;
	if (i == STATSD_LOST_MAX)
		return;
	if (i == agent->lost_count) {
		snprintf(agent->lost[i].reason, sizeof(agent->lost[i].reason), "%s", reason);
		agent->lost_count++;
	}
	grow(&agent->lost[i].tally, count);
}

static void take_losses(struct statsd_agent *agent, const struct statsd_sent *sent,
			const struct statsd_table *table, const struct agent_stats *stats)
{
	take_lost(agent, "durations_unsent", sent->durations_dropped);
	take_lost(agent, "line_too_long", sent->lines_too_long);
	take_lost(agent, "series_full", table->lost_series_full);
	take_lost(agent, "no_memory", table->lost_no_memory);
	for (size_t i = 0; i < sizeof(stats->lost) / sizeof(stats->lost[0]); i++) {
		if (!stats->lost[i].reason)
			break;
		take_lost(agent, stats->lost[i].reason, stats->lost[i].count);
	}
}

static void send_gauge(struct statsd_outbox *out, const char *name, const char *map,
		       const char *global_tags, const char *text)
{
	char tag[STATSD_TEXT_MAX + 16], tags[TAGS_SIZE];

	if (map)
		statsd_own_tag(tag, sizeof(tag), "map", map);
	snprintf(tags, sizeof(tags), "%s%s%s", map ? tag : "", map && *global_tags ? "," : "",
		 global_tags);
	statsd_outbox_gauge(out, agent_line(name, tags), NULL, 0, text);
}

static void send_maps(struct statsd_outbox *out, const struct agent_stats *stats,
		      const char *global_tags)
{
	for (size_t i = 0; i < AGENT_MAPS && stats->maps[i].name; i++) {
		const struct agent_map *map = &stats->maps[i];
		char text[STATSD_NUMBER_SIZE];

		statsd_number(text, map->used);
		send_gauge(out, "map_entries", map->name, global_tags, text);
		statsd_number(text, map->used * 100 / map->most);
		send_gauge(out, "map_fill", map->name, global_tags, text);
	}
}

static void send_gauges(struct statsd_outbox *out, const struct agent_stats *stats,
			const char *global_tags)
{
	const struct {
		const char *name;
		uint64_t value;
	} gauges[] = {
		{ "steps", stats->steps },         { "processes", stats->processes },
		{ "files", stats->files },         { "sites", stats->sites },
		{ "memory", stats->memory },       { "map_memory", stats->map_memory },
		{ "silent", stats->silent.count }, { "files_partly", stats->files_partly },
	};
	char text[STATSD_NUMBER_SIZE];

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		statsd_number(text, gauges[i].value);
		send_gauge(out, gauges[i].name, NULL, global_tags, text);
	}
	statsd_ms(text, stats->drain_ns);
	send_gauge(out, "drain_time", NULL, global_tags, text);
	send_maps(out, stats, global_tags);
}

void statsd_agent_flush(struct statsd_agent *agent, struct statsd_outbox *out,
			const struct statsd_table *table, const struct agent_stats *stats,
			const char *global_tags)
{
	const struct statsd_sent *sent = &out->stats;

	take_losses(agent, sent, table, stats);
	for (size_t i = 0; i < agent->lost_count; i++)
		send_counter(out, "lost", agent->lost[i].reason, global_tags,
			     &agent->lost[i].tally);
	grow(&agent->packets_sent, sent->packets);
	send_counter(out, "packets_sent", NULL, global_tags, &agent->packets_sent);
	for (unsigned int r = STATSD_SENT + 1; r < STATSD_REASONS; r++) {
		const char *reason = statsd_reason_name(r);

		grow(&agent->packets_dropped[r], sent->packets_dropped[r]);
		send_counter(out, "packets_dropped", reason, global_tags,
			     &agent->packets_dropped[r]);
		grow(&agent->lines_dropped[r], sent->lines_dropped[r]);
		send_counter(out, "lines_dropped", reason, global_tags, &agent->lines_dropped[r]);
	}
	grow(&agent->cpu_time, stats->cpu_ns / 1000000);
	send_counter(out, "cpu_time", NULL, global_tags, &agent->cpu_time);
	send_gauges(out, stats, global_tags);
}
