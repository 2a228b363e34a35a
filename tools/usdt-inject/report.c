/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_out.h"
#include "note.h"

/* Goes up when a key changes its meaning or goes away, not when one is added. */
#define SCHEMA 1

const char *report_target(const struct options *options)
{
	return options->delivery == DELIVER_FILE ? options->output : options->file;
}

/* ---- The object ---- */

static json_t *text_of(const char *text)
{
	return json_text(text, strlen(text));
}

/* Takes the value, also where there is no object. */
static void set(struct report *report, const char *key, json_t *value)
{
	if (!report->object)
		json_decref(value);
	else if (json_object_set_new(report->object, key, value))
		report->is_broken = true;
}

static void append(struct report *report, const char *key, json_t *value)
{
	if (json_array_append_new(json_object_get(report->object, key), value))
		report->is_broken = true;
}

void report_open(struct report *report, const struct options *options)
{
	static const char *const actions[] = {
		[ACTION_INJECT] = "inject", [ACTION_LIST] = "list", [ACTION_REMOVE] = "remove"
	};

	*report = (struct report){ .options = options };
	if (!options->json)
		return;
	report->object =
		json_pack("{s:i, s:o, s:s, s:n, s:[], s:n, s:n, s:n}", "schema", SCHEMA, "file",
			  text_of(options->file), "action", actions[options->action], "machine",
			  "remarks", "written", "size", "error");
	report->is_broken = !report->object;
	if (options->action == ACTION_INJECT)
		set(report, "sites", json_array());
	if (options->action == ACTION_LIST)
		set(report, "probes", json_array());
}

bool report_close(struct report *report)
{
	if (!report->options->json)
		return true;
	if (report->is_broken) {
		json_decref(report->object);
		report->object = NULL;
	}
	return json_line(stdout, report->object) == 0;
}

void report_machine(struct report *report, const struct image *image)
{
	set(report, "machine",
	    json_string(image->header.e_machine == EM_AARCH64 ? "aarch64" : "x86-64"));
}

/* ---- Sites ---- */

static const char *cost_of(const struct site *site)
{
	return site->is_emulated ? "emulated" : "stepped";
}

static void print_plan(const struct plan *plan)
{
	char probe[140];

	printf("%-24s %-12s %-12s %-28s %-8s %-24s %s\n", "PROBE", "ADDRESS", "OFFSET", "WHERE",
	       "COST", "INSTRUCTION", "ARGUMENTS");
	for (size_t i = 0; i < plan->count; i++) {
		const struct site *site = &plan->items[i];

		snprintf(probe, sizeof(probe), "%s:%s", site->spec->provider, site->spec->name);
		printf("%-24s %#-12llx %#-12llx %-28s %-8s %-24s %s\n", probe,
		       (unsigned long long)site->address, (unsigned long long)site->offset,
		       site->where, cost_of(site), site->text,
		       *site->spec->arguments ? site->spec->arguments : "-");
	}
}

static json_t *site_object(const struct site *site)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:o, s:s, s:o, s:o}", "provider",
			 text_of(site->spec->provider), "name", text_of(site->spec->name),
			 "address", (json_int_t)site->address, "offset", (json_int_t)site->offset,
			 "where", text_of(site->where), "cost", cost_of(site), "instruction",
			 text_of(site->text), "arguments", text_of(site->spec->arguments));
}

void report_plan(struct report *report, const struct plan *plan)
{
	for (size_t i = 0; report->object && i < plan->count; i++)
		append(report, "sites", site_object(&plan->items[i]));
	if (!report->options->json && report->options->delivery == DELIVER_NOWHERE)
		print_plan(plan);
}

/* ---- Notes ---- */

static int add_note(void *ctx, const struct note *note)
{
	struct report *report = ctx;
	char probe[140];

	if (report->object) {
		append(report, "probes",
		       json_pack("{s:o, s:o, s:I, s:I, s:o}", "provider", text_of(note->provider),
				 "name", text_of(note->name), "address", (json_int_t)note->site,
				 "semaphore", (json_int_t)note->semaphore, "arguments",
				 text_of(note->arguments)));
		return 0;
	}
	snprintf(probe, sizeof(probe), "%.64s:%.64s", note->provider, note->name);
	printf("%-24s %#-12llx %#-12llx %s\n", probe, (unsigned long long)note->site,
	       (unsigned long long)note->semaphore, *note->arguments ? note->arguments : "-");
	return 0;
}

int report_notes(struct report *report, const struct image *image)
{
	if (!report->options->json)
		printf("%-24s %-12s %-12s %s\n", "PROBE", "ADDRESS", "SEMAPHORE", "ARGUMENTS");
	return note_each_in(image, image_section(image, NOTE_SECTION), add_note, report);
}

/* ---- Words ---- */

void report_remark(struct report *report, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (report->object)
		append(report, "remarks", text_of(text));
	else if (!report->options->json)
		fprintf(stderr, "usdt-inject: %s: %s\n", report->options->file, text);
}

void report_done(struct report *report, size_t size, const char *text, ...)
{
	va_list args;

	set(report, "size", json_integer((json_int_t)size));
	if (report->options->delivery != DELIVER_NOWHERE)
		set(report, "written", text_of(report_target(report->options)));
	if (report->options->json)
		return;
	fprintf(stderr, "usdt-inject: %s: ", report_target(report->options));
	va_start(args, text);
	vfprintf(stderr, text, args);
	va_end(args);
	fputc('\n', stderr);
}

void report_error(struct report *report, const char *file, const struct why *why)
{
	set(report, "error", text_of(why->text));
	fprintf(stderr, "usdt-inject: %s: %s\n", file, why->text);
}
