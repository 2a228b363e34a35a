/* SPDX-License-Identifier: MIT */
/* status_say.c - the part of status.h that people read */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "top_text.h"

struct lines {
	void (*say)(const char *line, void *context);
	void *context;
	char line[1024];
	size_t used;
};

/* Adds to the line; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void add(struct lines *l, const char *format, ...)
{
	size_t room = sizeof(l->line) - l->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->line + l->used, room, format, args);
	va_end(args);
	if (n > 0)
		l->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void end(struct lines *l)
{
	l->say(l->line, l->context);
	l->used = 0;
	l->line[0] = '\0';
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *plural(uint64_t n, const char *one, const char *more)
{
	return n == 1 ? one : more;
}

static void say_head(struct lines *l, const json_t *o)
{
	double uptime = real_of(o, "uptime_s");
	char text[TOP_NUMBER_SIZE];

	top_text_time(text, uptime > 0 && uptime < 1e9 ? (uint64_t)(uptime * 1e9) : 0);
	add(l, "version %s, process %" PRIu64 ", since %s (%s)", string_of(o, "version"),
	    number_of(o, "pid"), string_of(o, "since"), text);
	end(l);
	add(l, "watching  %s: %" PRIu64 " %s, %" PRIu64 " %s; every %gs", string_of(o, "watching"),
	    number_of(o, "processes"), plural(number_of(o, "processes"), "process", "processes"),
	    number_of(o, "steps"), plural(number_of(o, "steps"), "step", "steps"),
	    real_of(o, "interval_s"));
	end(l);
}

/* "packets_dropped (refused)" -> " 3 packets dropped (refused)" */
static void add_count(struct lines *l, const char *name, const char *reason, uint64_t n)
{
	add(l, ", %" PRIu64 " ", n);
	for (; *name; name++)
		add(l, "%c", *name == '_' ? ' ' : *name);
	if (reason)
		add(l, " (%s)", reason);
}

static void say_sink(struct lines *l, json_t *sink)
{
	const char *key, *reason;
	json_t *value, *count;

	add(l, "%-9s %s: %s", string_of(sink, "sink"), string_of(sink, "address"),
	    string_of(sink, "state"));
	json_object_foreach(sink, key, value)
	{
		if (json_is_integer(value))
			add_count(l, key, NULL, number_of(sink, key));
		json_object_foreach(value, reason, count)
			add_count(l, key, reason, number_of(value, reason));
	}
	end(l);
}

static void say_lost(struct lines *l, json_t *lost)
{
	const char *reason, *comma = "";
	json_t *count;

	add(l, "lost      %s", json_object_size(lost) ? "" : "nothing");
	json_object_foreach(lost, reason, count)
	{
		add(l, "%s%s %" PRIu64, comma, reason, number_of(lost, reason));
		comma = ", ";
	}
	end(l);
}

static void say_maps(struct lines *l, json_t *maps)
{
	const char *name, *comma = "";
	json_t *map;

	add(l, "room      ");
	json_object_foreach(maps, name, map)
	{
		add(l, "%s%s %" PRIu64 " of %" PRIu64, comma, name, number_of(map, "used"),
		    number_of(map, "most"));
		comma = ", ";
	}
	end(l);
}

static void say_own(struct lines *l, const json_t *o)
{
	double cpu = real_of(o, "cpu_s"), uptime = real_of(o, "uptime_s");

	add(l, "takes     %.2f s of CPU", cpu);
	if (uptime > 0)
		add(l, " (%.2f %% of one)", 100 * cpu / uptime);
	add(l, ", last drain %g ms, %.1f MiB of memory, %.1f MiB in maps", real_of(o, "drain_ms"),
	    (double)number_of(o, "memory_bytes") / 1048576,
	    (double)number_of(o, "map_memory_bytes") / 1048576);
	end(l);
}

static void say_silent(struct lines *l, const json_t *silent)
{
	uint64_t count = number_of(silent, "count");
	const json_t *shown = json_object_get(silent, "shown");
	size_t i, n = json_array_size(shown);

	add(l, "silent    %s", count ? "no return since we attached: " : "nobody");
	for (i = 0; i < n; i++) {
		const json_t *p = json_array_get(shown, i);

		add(l, "%s%s (%" PRIu64 ") %s", i ? ", " : "", text_name(string_of(p, "process")),
		    number_of(p, "pid"), string_of(p, "state"));
	}
	if (count > n)
		add(l, "%s%" PRIu64 " more", n ? " and " : "", count - n);
	end(l);
}

void status_say(const json_t *object, void (*say)(const char *line, void *context), void *context)
{
	struct lines l = { .say = say, .context = context };
	const json_t *sinks = json_object_get(object, "sinks");

	say_head(&l, object);
	for (size_t i = 0; i < json_array_size(sinks); i++)
		say_sink(&l, json_array_get(sinks, i));
	say_lost(&l, json_object_get(object, "lost"));
	say_maps(&l, json_object_get(object, "maps"));
	say_own(&l, object);
	say_silent(&l, json_object_get(object, "silent"));
}
