/* SPDX-License-Identifier: MIT */
/*
 * What one agent leaves to the next, and what `pushback report` gets of a running one, each part by its own
 * reader; the first byte tells which. What was loaded can be stored, loaded again and shown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drain_seen.h"
#include "fuzz_input.h"
#include "labels.h"
#include "matcher.h"
#include "model.h"
#include "openmetrics_series.h"
#include "recorder.h"
#include "report.h"
#include "statsd_agent.h"
#include "statsd_series.h"
#include "status.h"

static void is_known(int err)
{
	MUST(err == 0 || err == -EBADMSG || err == -EPROTO || err == -ENOMEM);
}

/* The whole with one part of these bytes. */
static void make_whole(struct keep_writer *w, const char *name, const struct input *in)
{
	keep_begin(w, name);
	keep_bytes(w, in->data, in->size);
	keep_end(w);
	MUST(!keep_finish(w));
}

/* A part can be stored again, and what was stored is good. */
static void open_part(struct keep_writer *w, const char *name, struct keep_reader *section)
{
	struct keep_reader whole;

	keep_end(w);
	MUST(!keep_finish(w));
	MUST(!keep_open(&whole, w->data, w->size));
	MUST(keep_find(&whole, name, section));
}

/* ---- The report ---- */

static void report(const struct recorder *r, json_t *agent, uint64_t last_s)
{
	struct report_options options = {
		.recorder = r,
		.agent = agent,
		.last_s = last_s,
		.offset_ns = 1700000000000000000,
		.note = "A note.",
	};
	json_t *object;
	char *text;
	int err = report_text(&options, &text);

	MUST(err == 0 || err == -ENODATA || err == -ENOMEM);
	if (err)
		return;
	/* Nothing in it ends the script that it is in. */
	for (const char *c = text; *c; c++)
		MUST(*c != '<' && (*c == '\n' || (*c >= ' ' && *c < 0x7f)));
	object = json_loads(text, 0, NULL);
	MUST(json_is_object(object));
	json_decref(object);
	free(text);
}

static void say(const char *line, void *context)
{
	(void)context;
	MUST(line);
}

/* What was loaded can be handed on. */
static void save_again(const struct recorder *r)
{
	struct keep_writer w = { 0 };
	struct keep_reader whole;
	struct recorder *again;

	recorder_save(r, &w);
	MUST(!keep_finish(&w) && !keep_open(&whole, w.data, w.size));
	MUST(!recorder_load(&again, &whole));
	recorder_free(again);
	keep_free(&w);
}

static void load_recorder(struct input *in)
{
	uint64_t last_s = input_byte(in);
	char *status = input_text(in);
	json_t *agent = json_loads(status, JSON_REJECT_DUPLICATES, NULL);
	struct keep_writer w = { 0 };
	struct keep_reader whole;
	struct recorder *r = NULL;
	int err;

	make_whole(&w, "recorder", in);
	MUST(!keep_open(&whole, w.data, w.size));
	err = recorder_load(&r, &whole);
	is_known(err);
	MUST(!err == (r != NULL));
	if (r)
		save_again(r);
	if (json_is_object(agent)) {
		status_say(agent, say, NULL);
		if (r)
			report(r, agent, last_s);
	}
	recorder_free(r);
	json_decref(agent);
	keep_free(&w);
	free(status);
}

/* ---- An agent's memory ---- */

/* Series have any tags then, also those of a scrape. */
static void scrape(const struct model *m)
{
	struct openmetrics_table t = { .max = 100, .tags = "env:a" };
	size_t count;
	const struct series *const *series = model_series(m, &count);

	openmetrics_table_update(&t, series, count, 1ull << 50, true);
	openmetrics_table_free(&t);
}

static void load_model(struct input *in)
{
	struct keep_reader section = { .data = in->data, .size = in->size };
	struct model *m = model_new(), *again = model_new();
	struct keep_writer w = { 0 };
	size_t count;

	MUST(m && again);
	if (!model_load(m, &section)) {
		scrape(m);
		keep_begin(&w, "model");
		model_save(m, &w);
		open_part(&w, "model", &section);
		MUST(!model_load(again, &section));
		model_begin(m, 1ull << 50);
		model_end(m);
		model_steps(m, &count);
		model_consumers(m, &count);
		model_next_interval(m);
	}
	keep_free(&w);
	model_free(again);
	model_free(m);
}

static void load_seen(struct input *in)
{
	struct keep_reader section = { .data = in->data, .size = in->size };
	struct seen_table t = { 0 }, again = { 0 };
	struct keep_writer w = { 0 };
	int err = seen_load(&t, &section);

	is_known(err);
	if (!err) {
		keep_begin(&w, "seen");
		seen_save(&t, &w);
		open_part(&w, "seen", &section);
		MUST(!seen_load(&again, &section));
		seen_free(&again);
	}
	seen_free(&t);
	keep_free(&w);
}

static void load_labels(struct input *in)
{
	static const char *const specs[] = { "pid", NULL };
	struct keep_reader section = { .data = in->data, .size = in->size };
	char why[256];
	struct labels *l = labels_new(specs, false, why, sizeof(why));
	struct keep_writer w = { 0 };

	MUST(l);
	is_known(labels_load(l, &section));
	keep_begin(&w, "labels");
	labels_save(l, &w);
	open_part(&w, "labels", &section);
	keep_free(&w);
	labels_free(l);
}

static void load_matcher(struct input *in)
{
	static const char *const names[] = { "a*", NULL };
	struct keep_reader section = { .data = in->data, .size = in->size };
	struct matcher *m = matcher_new(&(struct matcher_options){ names, NULL, NULL });
	struct keep_writer w = { 0 };

	MUST(m);
	is_known(matcher_load(m, &section));
	keep_begin(&w, "matcher");
	matcher_save(m, &w);
	open_part(&w, "matcher", &section);
	keep_free(&w);
	matcher_free(m);
}

/* The sink's part, after the model's. */
static void load_statsd(struct input *in)
{
	uint16_t size = (uint16_t)(input_byte(in) | input_byte(in) << 8);
	struct keep_reader models = { .data = in->data, .size = size < in->size ? size : in->size };
	struct keep_reader section = { .data = in->data + models.size,
				       .size = in->size - models.size };
	static struct statsd_outbox out;
	struct statsd_table t = { .max = 100, .global_tags = "" };
	struct statsd_agent agent = { 0 };
	struct model *m = model_new();
	struct keep_writer w = { 0 };
	size_t count;

	MUST(m);
	statsd_outbox_init(&out, NULL, 1000);
	if (!model_load(m, &models) && !statsd_table_load(&t, m, &section) &&
	    !statsd_agent_load(&agent, &out, &section)) {
		const struct series *const *series = model_series(m, &count);

		statsd_table_begin(&t, m);
		statsd_table_update(&t, series, count);
		keep_begin(&w, "sink");
		statsd_table_save(&t, &w);
		statsd_agent_save(&agent, &out, &w);
		open_part(&w, "sink", &section);
		statsd_table_free(&t);
		t = (struct statsd_table){ .max = 100, .global_tags = "" };
		MUST(!statsd_table_load(&t, m, &section));
		agent = (struct statsd_agent){ 0 };
		MUST(!statsd_agent_load(&agent, &out, &section));
	}
	keep_free(&w);
	statsd_table_free(&t);
	statsd_outbox_free(&out);
	model_free(m);
}

static void load_openmetrics(struct input *in)
{
	struct keep_reader section = { .data = in->data, .size = in->size };
	struct openmetrics_table t = { .max = 100, .tags = "" }, again = t;
	struct keep_writer w = { 0 };
	int err = openmetrics_table_load(&t, &section);

	is_known(err);
	if (!err) {
		keep_begin(&w, "openmetrics");
		openmetrics_table_save(&t, &w);
		open_part(&w, "openmetrics", &section);
		MUST(!openmetrics_table_load(&again, &section));
		openmetrics_table_free(&again);
		openmetrics_table_update(&t, NULL, 0, 1ull << 50, true);
	}
	openmetrics_table_free(&t);
	keep_free(&w);
}

/* Not made whole first. */
static void load_spoilt(struct input *in)
{
	struct keep_reader whole, section = { 0 };

	if (keep_open(&whole, in->data, in->size))
		return;
	if (keep_find(&whole, "recorder", &section))
		MUST(section.size <= in->size);
	while (!section.failed && section.at < section.size)
		keep_read_text(&section);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const loads[])(struct input * in) = {
		load_recorder, load_model,  load_seen,        load_labels,
		load_matcher,  load_statsd, load_openmetrics, load_spoilt,
	};
	struct input in = { data, size };

	loads[input_byte(&in) % (sizeof(loads) / sizeof(*loads))](&in);
	return 0;
}
