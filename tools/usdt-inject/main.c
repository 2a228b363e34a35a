/* SPDX-License-Identifier: MIT */
/*
 * usdt-inject - add USDT probes to a finished program or library
 *
 * How it goes: options -> source (the file, checked) -> plan (specs to sites) -> build (the new file,
 * in memory) -> deliver. Until the last step nothing is written; the new file is whole or not there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "build.h"
#include "options.h"
#include "plan.h"
#include "undo.h"
#include "report.h"
#include "source.h"
#include "users.h"

enum status { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

static enum status fail(struct report *report, const char *file, const struct why *why)
{
	report_error(report, file, why);
	return STATUS_FAILED;
}

/* A new inode is only for those who open that name from now on. */
static void say_who_keeps_the_old_one(struct report *report, const struct source *source)
{
	struct users users;

	if (report->options->delivery != DELIVER_REPLACE)
		return;
	users_find(&users, &source->stat, source->path);
	if (users.count == 1)
		report_remark(report, "process %d still uses the old file, until it is restarted",
			      (int)users.first);
	else if (users.count)
		report_remark(report,
			      "%zu processes (%d and others) still use the old file, until they "
			      "are restarted",
			      users.count, (int)users.first);
	if (source->stat.st_nlink > 1)
		report_remark(report, "hard links, %lu in number, keep the old file",
			      (unsigned long)source->stat.st_nlink - 1);
}

static enum status put(struct report *report, struct source *source, uint8_t *bytes, size_t size)
{
	const struct options *options = report->options;
	struct why why;
	int err;

	err = deliver(options->delivery, source, options->output, bytes, size, &why);
	free(bytes);
	if (err)
		return fail(report, report_target(options), &why);
	say_who_keeps_the_old_one(report, source);
	return STATUS_DONE;
}

static enum status inject_planned(struct report *report, struct source *source, struct plan *plan)
{
	const struct options *options = report->options;
	enum status status;
	struct why why;
	size_t size;
	uint8_t *bytes = build_injected(&source->image, plan, &size, &why);

	if (!bytes)
		return fail(report, options->file, &why);
	report_plan(report, plan);
	for (size_t i = 0; i < plan->remarks_count; i++)
		report_remark(report, "%s", plan->remarks[i]);
	status = put(report, source, bytes, size);
	if (status == STATUS_DONE)
		report_done(report, size, "%zu site%s %s", plan->count, plan->count == 1 ? "" : "s",
			    options->delivery == DELIVER_NOWHERE ? "would be added" : "added");
	return status;
}

static enum status inject(struct report *report, struct source *source)
{
	const struct options *options = report->options;
	unsigned machine = source->image.header.e_machine;
	enum status status;
	struct plan plan;
	struct why why;

	for (size_t i = 0; i < options->specs_count; i++)
		if (arguments_check(options->specs[i].arguments, machine, &why)) {
			fail(report, "-p", &why);
			return STATUS_USAGE;
		}
	if (build_check(&source->image, &why) ||
	    plan_make(&plan, &source->image, options->specs, options->specs_count, &why))
		return fail(report, options->file, &why);
	status = inject_planned(report, source, &plan);
	plan_free(&plan);
	return status;
}

static enum status remove_injected(struct report *report, struct source *source)
{
	struct why why;
	size_t size;
	uint8_t *bytes = undo_restore(&source->image, &size, &why);
	enum status status;

	if (!bytes)
		return fail(report, report->options->file, &why);
	status = put(report, source, bytes, size);
	if (status == STATUS_DONE)
		report_done(report, size, "%s as before the injection, %zu bytes",
			    report->options->delivery == DELIVER_NOWHERE ? "would be" : "is", size);
	return status;
}

static enum status list(struct report *report, const struct source *source)
{
	struct why why;

	if (!report_notes(report, &source->image))
		return STATUS_DONE;
	refuse(&why, "has damaged probe notes: tracers see those before");
	return fail(report, report->options->file, &why);
}

static enum status act(struct report *report, struct source *source)
{
	report_machine(report, &source->image);
	switch (report->options->action) {
	case ACTION_INJECT:
		return inject(report, source);
	case ACTION_REMOVE:
		return remove_injected(report, source);
	case ACTION_LIST:
		return list(report, source);
	}
	return STATUS_FAILED;
}

static enum status run(const struct options *options)
{
	enum status status;
	struct report report;
	struct source source;
	struct why why;

	report_open(&report, options);
	if (source_open(&source, options->file, &why)) {
		status = fail(&report, options->file, &why);
	} else {
		status = act(&report, &source);
		source_close(&source);
	}
	if (report_close(&report))
		return status;
	fprintf(stderr, "usdt-inject: can't write what was done: %s\n", strerror(errno));
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	enum status status = STATUS_DONE;
	struct options options;
	struct why why;
	int err = options_parse(&options, argc, argv, &why);

	if (err < 0) {
		fprintf(stderr, "usdt-inject: %s\n", why.text);
		status = STATUS_USAGE;
	} else if (!err) {
		status = run(&options);
	}
	options_free(&options);
	return status;
}
