/* SPDX-License-Identifier: MIT */
/* cmd_doctor.c - `pushback doctor`: why it will or won't work here, and on this target */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "doctor_host.h"
#include "doctor_recipe.h"
#include "doctor_target.h"
#include "exit_status.h"
#include "json_out.h"
#include "msg.h"
#include "privilege.h"
#include "reader.h"

#define WHY_SIZE 4608 /* a path, and what is wrong with it */

struct settings {
	struct option_list files;
	struct option_pids pids;
	struct option_list recipes;
	uint64_t for_ns;
	bool json;
	bool no_multi;
	bool verbose;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option operands = {
	.value = "FILE", .kind = OPTION_LIST, .offset = AT(files),
	.help = "look also at this executable or library",
};

static const struct option options[] = {
	{ .name = "pid", .value = "PID", .kind = OPTION_PIDS, .offset = AT(pids),
	  .help = "look also at this process" },
	{ .name = "recipe", .value = "FILE", .kind = OPTION_LIST, .offset = AT(recipes),
	  .help = "look at what this recipe is for, or whether the target is\n"
		  "that; may be given again" },
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(for_ns),
	  .least = 1000000, .help = "wait so long for a hit of the target (3s)" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object per line: check, level, fact, advice" },
	{ .name = "no-multi", .kind = OPTION_FLAG, .offset = AT(no_multi),
	  .help = "one perf uprobe per site, as before Linux 6.6" },
	{ .name = "verbose", .kind = OPTION_FLAG, .offset = AT(verbose),
	  .help = "say what libbpf and the kernel say" },
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(verbose), .help = "this text" },
	{ .name = NULL },
};
/* clang-format on */

struct report {
	bool json;
	size_t count[3]; /* by level */
	int err;         /* of writing */
};

/* In text, and in JSON. */
static const char *const marks[] = { "ok", "warn", "FAIL" };
static const char *const levels[] = { "ok", "warning", "failure" };

static int tell_json(const struct finding *f)
{
	json_t *advice = *f->advice ? json_text(f->advice, sizeof(f->advice)) : json_null();

	return json_line(stdout,
			 json_pack("{ssssso*so}", "check", f->check, "level", levels[f->level],
				   "fact", json_text(f->fact, sizeof(f->fact)), "advice", advice));
}

static int tell_text(const struct finding *f)
{
	char text[sizeof(f->fact)];

	printf("%-4s  %-20s %s\n", marks[f->level], f->check,
	       msg_safe(text, sizeof(text), f->fact));
	if (*f->advice)
		printf("%27s-> %s\n", "", msg_safe(text, sizeof(text), f->advice));
	return fflush(stdout) ? -errno : 0;
}

static void tell(const struct finding *f, void *context)
{
	struct report *report = context;
	int err = report->json ? tell_json(f) : tell_text(f);

	report->count[f->level]++;
	if (!report->err)
		report->err = err;
}

/* As cmd_body. A reader that has gone does not change what was found. */
static int sum_up(const struct report *r)
{
	size_t warnings = r->count[FINDING_WARNING], failures = r->count[FINDING_FAILURE];

	if (!r->json)
		printf("%zu ok, %zu warning%s, %zu failure%s\n", r->count[FINDING_OK], warnings,
		       warnings == 1 ? "" : "s", failures, failures == 1 ? "" : "s");
	if (r->err && r->err != -EPIPE)
		return r->err;
	return failures ? EXIT_HOST : EXIT_DONE;
}

/* 0; 1: there is none. */
static int open_target(const struct settings *s, struct doctor_target **target, char *why)
{
	if (s->pids.count)
		return doctor_target_process(target, s->pids.items[0], why, WHY_SIZE);
	if (s->files.count)
		return doctor_target_file(target, s->files.items[0], why, WHY_SIZE);
	*target = NULL;
	return 1;
}

/* EXIT_DONE, with NULL where none is given. */
static int read_recipes(const struct settings *s, struct recipes **out, char *why)
{
	int err = 0;

	*out = s->recipes.count ? recipes_new() : NULL;
	if (s->recipes.count && !*out) {
		snprintf(why, WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	for (size_t i = 0; !err && i < s->recipes.count; i++)
		err = recipes_read(*out, s->recipes.items[i], why, WHY_SIZE);
	return err == -EINVAL ? EXIT_USAGE : err ? EXIT_FAILED : EXIT_DONE;
}

/* `target` and `recipes` may be NULL. 0; -ENOMEM. */
static int examine_those(const struct settings *s, const struct doctor_target *target,
			 const struct recipes *recipes, struct report *report)
{
	bool safe = doctor_host(s->no_multi, tell, report);
	struct doctor_options options = { .for_ns = safe ? s->for_ns : 0,
					  .no_multi = s->no_multi,
					  .by_recipe = recipes != NULL };
	struct doctor_recipe by_recipe = { .recipes = recipes,
					   .pid = target ? target->pid : 0,
					   .path = s->files.count ? s->files.items[0] : NULL,
					   .for_ns = options.for_ns,
					   .no_multi = s->no_multi };

	if (target)
		doctor_target_examine(target, &options, tell, report);
	return recipes ? doctor_recipe_examine(&by_recipe, tell, report) : 0;
}

static int examine_target(const struct settings *s, const struct recipes *recipes)
{
	struct report report = { .json = s->json };
	struct doctor_target *target = NULL;
	char why[WHY_SIZE], line[WHY_SIZE];
	int err = open_target(s, &target, why);

	/* What we may not look into is a finding; what is not there is an error. */
	if (err < 0 && err != -EPERM) {
		msg_error("%s", msg_safe(line, sizeof(line), why));
		return EXIT_FAILED;
	}
	if (err == -EPERM) {
		struct finding f = { .check = "target" };

		doctor_host(s->no_multi, tell, &report);
		finding_fail_why(&f, why);
		tell(&f, &report);
	} else {
		err = examine_those(s, target, recipes, &report);
		doctor_target_free(target);
	}
	return err == -ENOMEM ? err : sum_up(&report);
}

static int examine(const void *settings)
{
	const struct settings *s = settings;
	char why[WHY_SIZE], line[WHY_SIZE];
	struct recipes *recipes;
	int result = read_recipes(s, &recipes, why);

	msg_set_verbose(s->verbose);
	/* What it finds is what the agent will meet; and it looks into whatever it is shown. */
	reader_end();
	if (!result && privilege_drop(true, why, sizeof(why)))
		result = EXIT_HOST;
	if (result)
		msg_error("%s", msg_safe(line, sizeof(line), why));
	else
		result = examine_target(s, recipes);
	recipes_free(recipes);
	return result;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (s->pids.count + s->files.count <= 1)
		return 0;
	snprintf(why, why_size, "one target at a time: give one --pid or one FILE");
	return -EINVAL;
}

static int run(int argc, char **argv)
{
	struct settings s = { .for_ns = 3000000000u };

	return cmd_start(&verb_doctor, argc, argv, &s, check, examine);
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "find out why it will or won't work here",
	.text = "Checks this host, attaches to probes of its own and counts known hits. With a\n"
		"target it also looks for probes in it, attaches for a moment, and says why there\n"
		"are no hits. Ends with 0 if nothing is worse than a warning, else with 3.\n"
		"\n"
		"  pushback doctor                    this host\n"
		"  pushback doctor --pid 4711         and this process\n"
		"  pushback doctor /usr/bin/consumer  and this file, in whichever process\n"
		"  pushback doctor --recipe a.ini     and what this recipe is for: build, "
		"functions,\n"
		"                                     returns, cost, hits and what they tell\n",
	.options = options,
	.operands = &operands,
	.run = run,
};
