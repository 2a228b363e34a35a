/* SPDX-License-Identifier: MIT */
/*
 * usdt-inject - add USDT probes to a finished program or library
 *
 * How it goes: options -> source (the file, checked) -> plan (specs to sites) -> build (the new file,
 * in memory) -> deliver. Until the last step nothing is written; the new file is whole or not there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "build.h"
#include "options.h"
#include "plan.h"
#include "undo.h"
#include "report.h"
#include "source.h"
#include "users.h"

enum status { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

static enum status fail(const char *file, const struct why *why)
{
	fprintf(stderr, "usdt-inject: %s: %s\n", file, why->text);
	return STATUS_FAILED;
}

static const char *target_of(const struct options *options)
{
	return options->delivery == DELIVER_FILE ? options->output : options->file;
}

/* A new inode is only for those who open that name from now on. */
static void say_who_keeps_the_old_one(const struct options *options, const struct source *source)
{
	struct users users;

	if (options->delivery != DELIVER_REPLACE)
		return;
	users_find(&users, &source->stat, source->path);
	if (users.count)
		fprintf(stderr,
			"usdt-inject: %s: the old file is still in use by process %d%s, until they "
			"are restarted\n",
			options->file, (int)users.first, users.count > 1 ? " and others" : "");
	if (source->stat.st_nlink > 1)
		fprintf(stderr, "usdt-inject: %s: hard links, %lu in number, keep the old file\n",
			options->file, (unsigned long)source->stat.st_nlink - 1);
}

static enum status put(const struct options *options, struct source *source, uint8_t *bytes,
		       size_t size)
{
	struct why why;
	int err;

	err = deliver(options->delivery, source, options->output, bytes, size, &why);
	free(bytes);
	if (err)
		return fail(target_of(options), &why);
	say_who_keeps_the_old_one(options, source);
	return STATUS_DONE;
}

static enum status inject_planned(const struct options *options, struct source *source,
				  struct plan *plan)
{
	enum status status;
	struct why why;
	size_t size;
	uint8_t *bytes = build_injected(&source->image, plan, &size, &why);

	if (!bytes)
		return fail(options->file, &why);
	if (options->delivery == DELIVER_NOWHERE)
		report_plan(plan);
	for (size_t i = 0; i < plan->remarks_count; i++)
		fprintf(stderr, "usdt-inject: %s: %s\n", options->file, plan->remarks[i]);
	status = put(options, source, bytes, size);
	if (status == STATUS_DONE)
		fprintf(stderr, "usdt-inject: %s: %zu site%s %s\n", target_of(options), plan->count,
			plan->count == 1 ? "" : "s",
			options->delivery == DELIVER_NOWHERE ? "would be added" : "added");
	return status;
}

static enum status inject(const struct options *options, struct source *source)
{
	unsigned machine = source->image.header.e_machine;
	enum status status;
	struct plan plan;
	struct why why;

	for (size_t i = 0; i < options->specs_count; i++)
		if (arguments_check(options->specs[i].arguments, machine, &why)) {
			fail("-p", &why);
			return STATUS_USAGE;
		}
	if (build_check(&source->image, &why) ||
	    plan_make(&plan, &source->image, options->specs, options->specs_count, &why))
		return fail(options->file, &why);
	status = inject_planned(options, source, &plan);
	plan_free(&plan);
	return status;
}

static enum status remove_injected(const struct options *options, struct source *source)
{
	struct why why;
	size_t size;
	uint8_t *bytes = undo_restore(&source->image, &size, &why);
	enum status status;

	if (!bytes)
		return fail(options->file, &why);
	status = put(options, source, bytes, size);
	if (status == STATUS_DONE)
		fprintf(stderr, "usdt-inject: %s: %s as before the injection, %zu bytes\n",
			target_of(options),
			options->delivery == DELIVER_NOWHERE ? "would be" : "is", size);
	return status;
}

static enum status list(const struct options *options, const struct source *source)
{
	struct why why;

	if (!report_notes(&source->image))
		return STATUS_DONE;
	refuse(&why, "has damaged probe notes: tracers see those before");
	return fail(options->file, &why);
}

static enum status act(const struct options *options, struct source *source)
{
	switch (options->action) {
	case ACTION_INJECT:
		return inject(options, source);
	case ACTION_REMOVE:
		return remove_injected(options, source);
	case ACTION_LIST:
		return list(options, source);
	}
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	enum status status = STATUS_DONE;
	struct options options;
	struct source source;
	struct why why;
	int err = options_parse(&options, argc, argv, &why);

	if (err < 0) {
		fprintf(stderr, "usdt-inject: %s\n", why.text);
		status = STATUS_USAGE;
	} else if (!err && source_open(&source, options.file, &why)) {
		status = fail(options.file, &why);
	} else if (!err) {
		status = act(&options, &source);
		source_close(&source);
	}
	options_free(&options);
	return status;
}
