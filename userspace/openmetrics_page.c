/* SPDX-License-Identifier: MIT */
#include "openmetrics_page.h"

#include "pushback_abi.h"

#define PIECE_SIZE 32768
/* Lines looked at for a piece, with or without this family: that takes time too. */
#define PIECE_LINES 4096

/* Parts of a page: the families in this order, then the observer's own. */
enum {
	PART_GAUGES = COUNTERS,
	PART_DURATIONS = COUNTERS + GAUGES,
	PART_AGENT = PART_DURATIONS + 2
};

static struct openmetrics_family family_of(unsigned int part)
{
	if (part < PART_GAUGES)
		return openmetrics_counter(part);
	if (part < PART_DURATIONS)
		return openmetrics_gauge(part - PART_GAUGES);
	return openmetrics_duration(part - PART_DURATIONS);
}

static bool has(const struct openmetrics_line *line, unsigned int part)
{
	if (part < PART_GAUGES)
		return line->has_counter[part];
	if (part < PART_DURATIONS)
		return line->has_gauge[part - PART_GAUGES];
	return line->durations[part - PART_DURATIONS].count != 0;
}

static void add_line(struct buffer *out, const struct openmetrics_style *style,
		     const struct openmetrics_family *family, const struct openmetrics_line *line,
		     unsigned int part)
{
	if (part < PART_GAUGES)
		openmetrics_sample(out, style, family, line->labels, line->counter[part]);
	else if (part < PART_DURATIONS)
		openmetrics_sample(out, style, family, line->labels,
				   line->gauge[part - PART_GAUGES]);
	else
		openmetrics_histogram(out, style, family, line->labels,
				      &line->durations[part - PART_DURATIONS]);
}

/* True: the family is done with. */
static bool add_family(const struct openmetrics_page *page, const struct openmetrics_style *style,
		       struct http_cursor *cursor, struct buffer *out)
{
	struct openmetrics_family family = family_of(cursor->part);
	const struct openmetrics_table *t = page->table;
	size_t i = openmetrics_table_after(t, cursor->after), end = i + PIECE_LINES;

	for (; i < t->count && i < end && out->length < PIECE_SIZE; i++) {
		cursor->after = t->at[i]->number;
		if (!has(t->at[i], cursor->part))
			continue;
		if (!cursor->begun)
			openmetrics_head(out, style, &family);
		cursor->begun = true;
		add_line(out, style, &family, t->at[i], cursor->part);
	}
	return i >= t->count;
}

/* ---- The observer about itself ---- */

static void add_one(struct buffer *out, const struct openmetrics_style *style,
		    const struct openmetrics_family *family, const struct openmetrics_page *page,
		    const char *key, const char *value, uint64_t n)
{
	struct buffer labels = { 0 };

	if (key)
		openmetrics_label(&labels, key, value);
	if (key && *page->agent_labels)
		buffer_text(&labels, ",");
	buffer_text(&labels, page->agent_labels);
	buffer_add(&labels, "", 1);
	out->failed |= labels.failed;
	if (!out->failed)
		openmetrics_sample(out, style, family, labels.data, n);
	buffer_free(&labels);
}

static void add_losses(struct buffer *out, const struct openmetrics_style *style,
		       const struct openmetrics_page *page)
{
	const struct openmetrics_family family = { "lost", OPENMETRICS_COUNTER, false,
						   "What will never be in any number." };
	const struct openmetrics_agent *agent = page->agent;

	openmetrics_head(out, style, &family);
	for (size_t i = 0; i < agent->lost_count; i++)
		add_one(out, style, &family, page, "reason", agent->lost[i].reason,
			agent->lost[i].count);
	add_one(out, style, &family, page, "reason", "scrape_series_full", page->table->lost_full);
	add_one(out, style, &family, page, "reason", "scrape_no_memory",
		page->table->lost_no_memory);
}

static void add_http(struct buffer *out, const struct openmetrics_style *style,
		     const struct openmetrics_page *page)
{
	const struct openmetrics_family answered = { "http_answers", OPENMETRICS_COUNTER, false,
						     "Answers to scrapes, this one included." };
	const struct openmetrics_family dropped = { "http_dropped", OPENMETRICS_COUNTER, false,
						    "Connections that were broken off." };

	openmetrics_head(out, style, &answered);
	for (unsigned int i = 0; i < HTTP_ANSWERS; i++)
		add_one(out, style, &answered, page, "code", http_answer_codes[i],
			page->http->answers[i]);
	openmetrics_head(out, style, &dropped);
	for (unsigned int i = 0; i < HTTP_DROPS; i++)
		add_one(out, style, &dropped, page, "reason", http_drop_reasons[i],
			page->http->drops[i]);
}

static void add_maps(struct buffer *out, const struct openmetrics_style *style,
		     const struct openmetrics_page *page)
{
	const struct openmetrics_family entries = { "map_entries", OPENMETRICS_GAUGE, false,
						    "Entries of a map in the kernel." };
	const struct openmetrics_family fill = { "map_fill", OPENMETRICS_GAUGE, false,
						 "Of those that there is room for, in percent." };
	const struct agent_map *maps = page->agent->maps;

	openmetrics_head(out, style, &entries);
	for (size_t i = 0; i < AGENT_MAPS && maps[i].name; i++)
		add_one(out, style, &entries, page, "map", maps[i].name, maps[i].used);
	openmetrics_head(out, style, &fill);
	for (size_t i = 0; i < AGENT_MAPS && maps[i].name; i++)
		add_one(out, style, &fill, page, "map", maps[i].name,
			maps[i].used * 100 / maps[i].most);
}

static void add_agent(struct buffer *out, const struct openmetrics_style *style,
		      const struct openmetrics_page *page)
{
	const struct openmetrics_agent *agent = page->agent;
	const struct {
		struct openmetrics_family family;
		uint64_t value;
	} gauges[] = {
		{ { "steps", OPENMETRICS_GAUGE, false, "Step objects that are watched." },
		  agent->steps },
		{ { "processes", OPENMETRICS_GAUGE, false, "Processes that they are of." },
		  agent->processes },
		{ { "files", OPENMETRICS_GAUGE, false, "Files that are attached." }, agent->files },
		{ { "files_partly", OPENMETRICS_GAUGE, false,
		    "Of them, watched for a part of the time, by --budget." },
		  agent->files_partly },
		{ { "sites", OPENMETRICS_GAUGE, false, "Fire sites in them." }, agent->sites },
		{ { "silent", OPENMETRICS_GAUGE, false, "Processes without a return so far." },
		  agent->silent },
		{ { "memory", OPENMETRICS_GAUGE, false, "Resident bytes." }, agent->memory },
		{ { "map_memory", OPENMETRICS_GAUGE, false, "Bytes of its maps in the kernel." },
		  agent->map_memory },
		{ { "drain_time", OPENMETRICS_GAUGE, true, "How long the last drain took." },
		  agent->drain_ns },
		{ { "cpu_time", OPENMETRICS_COUNTER, true, "Its own, since its start." },
		  agent->cpu_ns },
	};

	add_losses(out, style, page);
	add_http(out, style, page);
	for (size_t i = 0; agent->is_known && i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		openmetrics_head(out, style, &gauges[i].family);
		add_one(out, style, &gauges[i].family, page, NULL, NULL, gauges[i].value);
	}
	if (agent->is_known)
		add_maps(out, style, page);
}

bool openmetrics_page_more(const struct openmetrics_page *page, struct http_cursor *cursor,
			   struct buffer *out)
{
	const struct openmetrics_style style = { page->prefix, cursor->variant };
	const struct openmetrics_style own = { "pushback_agent_", cursor->variant };

	while (cursor->part < PART_AGENT) {
		if (!add_family(page, &style, cursor, out))
			return true;
		cursor->part++;
		cursor->after = 0;
		cursor->begun = false;
	}
	add_agent(out, &own, page);
	openmetrics_end(out, &own);
	return false;
}
