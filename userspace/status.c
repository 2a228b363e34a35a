/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_process.h"
#include "json_out.h"

#ifndef PUSHBACK_TOOL_VERSION
#define PUSHBACK_TOOL_VERSION "unknown"
#endif

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)(ns / 1000000) / 1e3);
}

static json_t *since(time_t started)
{
	char text[32];
	struct tm tm;

	if (!gmtime_r(&started, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return json_null();
	return json_string(text);
}

static json_t *lost_object(const struct agent_stats *stats)
{
	json_t *lost = json_object();

	for (size_t i = 0; stats->lost[i].reason; i++)
		json_object_set_new(lost, stats->lost[i].reason, number(stats->lost[i].count));
	return lost;
}

static json_t *maps_object(const struct agent_stats *stats)
{
	json_t *maps = json_object();

	for (size_t i = 0; i < AGENT_MAPS && stats->maps[i].name; i++)
		json_object_set_new(maps, stats->maps[i].name,
				    json_pack("{s:o, s:o}", "used", number(stats->maps[i].used),
					      "most", number(stats->maps[i].most)));
	return maps;
}

static json_t *silent_object(const struct silent_view *view)
{
	json_t *shown = json_array();

	for (size_t i = 0; i < view->shown_count; i++) {
		const struct silent_process *p = &view->shown[i];

		json_array_append_new(shown,
				      json_pack("{s:i, s:o, s:s}", "pid", (int)p->pid, "process",
						json_text(p->name, sizeof(p->name)), "state",
						doctor_process_state(p->state)));
	}
	return json_pack("{s:o, s:o}", "count", number(view->count), "shown", shown);
}

/* {"packets_sent": 12, "packets_dropped": {"refused": 3}} */
static void add_counts(json_t *object, const struct sink_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const char *name = report->counts[i].name, *reason = report->counts[i].reason;
		json_t *value = number(report->counts[i].value), *group;

		if (!reason) {
			json_object_set_new(object, name, value);
			continue;
		}
		group = json_object_get(object, name);
		if (!group) {
			json_object_set_new(object, name, json_object());
			group = json_object_get(object, name);
		}
		json_object_set_new(group, reason, value);
	}
}

static json_t *sinks_array(const struct status *s)
{
	json_t *sinks = json_array();

	for (size_t i = 0; i < s->sinks_count; i++) {
		const struct sink *sink = s->sinks[i];
		struct sink_report report = { 0 };
		json_t *object;

		if (!sink->ops->report)
			continue;
		sink->ops->report(sink, &report);
		object = json_pack("{s:s, s:o, s:s}", "sink", sink->ops->name, "address",
				   json_text(report.address, sizeof(report.address)), "state",
				   report.state);
		if (object)
			add_counts(object, &report);
		json_array_append_new(sinks, object);
	}
	return sinks;
}

json_t *status_object(const struct status *s)
{
	const struct agent_stats *stats = s->stats;

	return json_pack(
		"{s:s, s:i, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:o}",
		"version", PUSHBACK_TOOL_VERSION, "pid", (int)getpid(), "since", since(s->started),
		"uptime_s", seconds(s->uptime_ns), "interval_s", seconds(s->interval_ns),
		"watching", s->watching, "files", number(stats->files), "files_partly",
		number(stats->files_partly), "sites", number(stats->sites), "processes",
		number(stats->processes), "steps", number(stats->steps), "sinks", sinks_array(s),
		"lost", lost_object(stats), "maps", maps_object(stats), "drain_ms",
		json_real((double)(stats->drain_ns / 1000) / 1e3), "cpu_s", seconds(stats->cpu_ns),
		"memory_bytes", number(stats->memory), "map_memory_bytes",
		number(stats->map_memory), "silent", silent_object(&stats->silent));
}

char *status_line(json_t *object)
{
	char *text, *line = NULL;

	if (!object)
		return NULL;
	text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	json_decref(object);
	if (text)
		line = realloc(text, strlen(text) + 2);
	if (!line)
		free(text);
	else
		strcat(line, "\n");
	return line;
}
