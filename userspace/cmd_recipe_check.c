/* SPDX-License-Identifier: MIT */
/* cmd_recipe_check.c - `pushback recipe check`: whether a recipe is right, and what it costs */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "cmd.h"
#include "cmd_recipe.h"
#include "elfnote_text.h"
#include "json_out.h"
#include "msg.h"
#include "recipe_sums.h"
#include "recipe_todo.h"
#include "recipe_words.h"
#include "table.h"
#include "term.h"

#define WHY_SIZE  4608 /* a path, and what is wrong with it */
#define PIDS_MOST 8    /* that are told of one file */

#define DOUBT_SIZE 320

struct settings {
	struct option_list recipes;
	struct option_pids pids;
	struct option_list paths;
	uint64_t duration_ns;
	bool json;
	bool verbose;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option operands = {
	.value = "FILE...", .kind = OPTION_LIST, .offset = AT(recipes), .help = "the recipes",
};

static const struct option options[] = {
	{ .name = "path", .value = "BINARY", .kind = OPTION_LIST, .offset = AT(paths),
	  .help = "of this executable or library only; may be given\n"
		  "again" },
	{ .name = "pid", .value = "PID", .kind = OPTION_PIDS, .offset = AT(pids),
	  .help = "of what this process maps only; may be given again" },
	{ .name = "duration", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(duration_ns),
	  .least = 100000000,
	  .help = "wait for hits for TIME where a target runs (2s)" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object per file and line" },
	{ .name = "verbose", .kind = OPTION_FLAG, .offset = AT(verbose),
	  .help = "say what libbpf and the kernel say" },
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(verbose), .help = "this text" },
	{ .name = NULL },
};

static const struct table_column columns[] = {
	{ .title = "STEP" }, { .title = "CALL" }, { .title = "OFFSET", .right = true },
	{ .title = "SITE" }, { .title = "INSTRUCTION" }, { .title = "KERNEL" },
	{ .title = "COST", .right = true, .optional = true },
	{ .title = "HITS", .right = true, .optional = true }, { .title = "FUNCTION" },
	{ .title = NULL },
};
/* clang-format on */

static const char *const per_call[] = { "a submit", "a poll", "an end" };
static const char *const outcome_names[] = { "accepted", "rejected", "propagated", "invalid" };

/* One line on stderr; what a file or process is called cannot drive the terminal. */
static void complain(const char *why)
{
	char line[WHY_SIZE];

	msg_error("%s", msg_safe(line, sizeof(line), why));
}

/* ---- A site ---- */

static void instruction_of(const struct checked_file *file, const struct recipe_site *site,
			   char *out, size_t size)
{
	uint8_t bytes[16];
	ssize_t n = pread(file->fd, bytes, sizeof(bytes), (off_t)site->offset);

	insn_text(bytes, n > 0 ? (size_t)n : 0, site->offset, out, size);
}

static json_t *site_object(const struct checked_file *file, size_t i, const struct hit_cost *cost)
{
	const struct recipe_site *site = &file->sites->sites[i];
	const struct recipe_rule *rule = &file->sites->rules[site->rule];
	char text[128];

	instruction_of(file, site, text, sizeof(text));
	return json_pack(
		"{s:o,s:s,s:o,s:i,s:I,s:s,s:o,s:s,s:o,s:o}", "step",
		json_text(rule->rule.name, sizeof(rule->rule.name)), "call",
		recipe_words_call(rule), "function",
		json_text(rule->function, strlen(rule->function)), "line", rule->where->line,
		"offset", (json_int_t)site->offset, "site", recipe_words_place(site), "instruction",
		json_text(text, sizeof(text)), "kernel", recipe_words_kernel(site), "cost_ns",
		cost ? json_integer((json_int_t)hit_cost_of(cost, site)) : json_null(), "hits",
		file->tallies ? json_integer((json_int_t)file->tallies[i].hits) : json_null());
}

static void cost_text(uint64_t ns, char *out, size_t size)
{
	snprintf(out, size, "%.1f us", (double)ns / 1e3);
}

static int add_row(struct table *table, const struct checked_file *file, size_t i,
		   const struct hit_cost *cost)
{
	const struct recipe_site *site = &file->sites->sites[i];
	const struct recipe_rule *rule = &file->sites->rules[site->rule];
	char offset[24], text[128], price[32] = "-", hits[32] = "-";
	const char *const cells[] = { rule->rule.name,
				      recipe_words_call(rule),
				      offset,
				      recipe_words_place(site),
				      text,
				      recipe_words_kernel(site),
				      price,
				      hits,
				      rule->function };

	snprintf(offset, sizeof(offset), "0x%llx", (unsigned long long)site->offset);
	instruction_of(file, site, text, sizeof(text));
	if (cost)
		cost_text(hit_cost_of(cost, site), price, sizeof(price));
	if (file->tallies && file->tallies[i].hits)
		snprintf(hits, sizeof(hits), "%llu", (unsigned long long)file->tallies[i].hits);
	else if (file->tallies)
		snprintf(hits, sizeof(hits), "no hit");
	return table_add(table, cells);
}

/* ---- A file, for people ---- */

static int write_sites(const struct checked_file *file, const struct hit_cost *cost)
{
	struct table *table = table_new(columns, term_utf8());
	int err = table ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < file->sites->sites_count; i++)
		err = add_row(table, file, i, cost);
	if (!err)
		err = table_write(table, "  ", stdout);
	table_free(table);
	return err;
}

static void write_costs(const struct checked_step *step)
{
	const char *gap = " costs ";

	for (int kind = 0; kind < 3; kind++) {
		char price[32];

		if (!step->cost_ns[kind])
			continue;
		cost_text(step->cost_ns[kind], price, sizeof(price));
		printf("%s%s %s", gap, price, per_call[kind]);
		gap = ", ";
	}
}

static void write_hits(const struct checked_step *step, uint64_t ns)
{
	printf("; in %gs:", (double)ns / 1e9);
	for (int i = 0; i < 4; i++)
		printf("%s %llu %s", i ? "," : "", (unsigned long long)step->outcomes[i],
		       outcome_names[i]);
	if (step->calls[PB_RULE_POLL])
		printf(", %llu polls (%llu ready)", (unsigned long long)step->calls[PB_RULE_POLL],
		       (unsigned long long)step->ready);
	if (step->calls[PB_RULE_END])
		printf(", %llu ended", (unsigned long long)step->calls[PB_RULE_END]);
	if (step->unread)
		printf(", %llu unreadable", (unsigned long long)step->unread);
	if (step->unknown)
		printf(", %llu unknown", (unsigned long long)step->unknown);
}

static void write_step(const struct checked_file *file, const struct checked_step *step,
		       uint64_t ns)
{
	char safe[PUSHBACK_NAME_SIZE];

	printf("  %s:", msg_safe(safe, sizeof(safe), step->name));
	write_costs(step);
	if (file->tallies)
		write_hits(step, ns);
	putchar('\n');
}

static void write_title(const struct checked_file *file)
{
	char build_id[ELFNOTE_TEXT_SIZE], safe[WHY_SIZE];

	printf("%s: build-id %s, ", msg_safe(safe, sizeof(safe), file->path),
	       elfnote_text_build_id(&file->note, sizeof(build_id), build_id, sizeof(build_id)));
	if (!file->pids_count)
		printf("nobody runs it");
	for (size_t i = 0; i < file->pids_count && i < PIDS_MOST; i++)
		printf("%s%d",
		       i                      ? ", "
		       : file->pids_count > 1 ? "processes "
					      : "process ",
		       (int)file->pids[i]);
	printf("%s\n", file->pids_count > PIDS_MOST ? ", ..." : "");
}

static int write_text(const struct checked_file *file, const struct hit_cost *cost, uint64_t ns)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, cost, steps);
	int err;

	write_title(file);
	if (!file->sites || !file->sites->sites_count)
		return 0;
	err = write_sites(file, cost);
	for (size_t i = 0; !err && i < count; i++)
		write_step(file, &steps[i], ns);
	return err;
}

/* ---- A file, for machines ---- */

static json_t *step_object(const struct checked_file *file, const struct checked_step *step)
{
	char why[DOUBT_SIZE];
	enum recipe_judgement judgement =
		file->tallies ? recipe_judge(step, why, sizeof(why)) : RECIPE_RIGHT;
	const uint64_t *outcomes = step->outcomes;
	json_t *seen = json_null();

	if (file->tallies)
		seen = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "submits",
				 (json_int_t)step->calls[PB_RULE_SUBMIT], "accepted",
				 (json_int_t)outcomes[PUSHBACK_ACCEPTED], "rejected",
				 (json_int_t)outcomes[PUSHBACK_REJECTED], "propagated",
				 (json_int_t)outcomes[PUSHBACK_PROPAGATED], "invalid",
				 (json_int_t)outcomes[PUSHBACK_INVALID], "polls",
				 (json_int_t)step->calls[PB_RULE_POLL], "ready",
				 (json_int_t)step->ready, "ended",
				 (json_int_t)step->calls[PB_RULE_END], "unreadable",
				 (json_int_t)step->unread, "unknown", (json_int_t)step->unknown);
	return json_pack(
		"{s:o,s:I,s:I,s:I,s:o,s:b,s:o}", "step", json_text(step->name, PUSHBACK_NAME_SIZE),
		"submit_ns", (json_int_t)step->cost_ns[PB_RULE_SUBMIT], "poll_ns",
		(json_int_t)step->cost_ns[PB_RULE_POLL], "end_ns",
		(json_int_t)step->cost_ns[PB_RULE_END], "seen", seen, "wrong",
		judgement == RECIPE_WRONG, "doubt", judgement ? json_string(why) : json_null());
}

/* Takes the array's element; a NULL one spoils it. */
static void append(json_t **array, json_t *element)
{
	if (!*array || !element || json_array_append_new(*array, element)) {
		json_decref(*array);
		*array = NULL;
	}
}

static int write_object(const struct checked_file *file, const struct hit_cost *cost)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, cost, steps);
	json_t *pids = json_array(), *sites = json_array(), *sums = json_array();

	for (size_t i = 0; i < file->pids_count; i++)
		append(&pids, json_integer(file->pids[i]));
	for (size_t i = 0; file->sites && i < file->sites->sites_count; i++)
		append(&sites, site_object(file, i, cost));
	for (size_t i = 0; i < count; i++)
		append(&sums, step_object(file, &steps[i]));
	return json_line(stdout, json_pack("{s:o,s:o,s:o,s:o,s:o}", "file",
					   json_text(file->path, strlen(file->path)), "build_id",
					   elfnote_json_build_id(&file->note), "pids", pids,
					   "sites", sites, "steps", sums));
}

/* ---- All of it ---- */

/* Whether one of its steps is wrong. */
static bool say_doubts(const struct checked_file *file)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = file->tallies ? recipe_sums(file, NULL, steps) : 0;
	bool wrong = false;

	for (size_t i = 0; i < count; i++) {
		char why[DOUBT_SIZE], safe[PUSHBACK_NAME_SIZE];
		enum recipe_judgement judgement = recipe_judge(&steps[i], why, sizeof(why));

		msg_safe(safe, sizeof(safe), steps[i].name);
		if (judgement == RECIPE_WRONG)
			msg_error("%s: %s", safe, why);
		else if (judgement == RECIPE_DOUBTFUL)
			msg_warn("%s: %s", safe, why);
		wrong |= judgement == RECIPE_WRONG;
	}
	return wrong;
}

/* Whether it was attached or will be. */
static void say_risk(const struct checked_file *file)
{
	char line[WHY_SIZE], safe[WHY_SIZE];

	if (file->sites && recipe_sites_warn(file->sites, file->path, line, sizeof(line)))
		msg_warn("%s", msg_safe(safe, sizeof(safe), line));
}

/* Names are looked for anew in each build, offsets are not. */
static void say_offsets(const struct recipes *recipes)
{
	for (size_t i = 0; i < recipes->steps_count; i++) {
		const struct recipe_step *step = &recipes->steps[i];
		const struct recipe_target *target = &recipes->targets[step->target];
		char safe[WHY_SIZE];

		for (size_t j = 0; j < step->wheres_count && !target->build_id_size; j++) {
			const struct recipe_where *where = &step->wheres[j];

			if (where->kind == RECIPE_FUNCTION || where->kind == RECIPE_SITE)
				msg_warn("%s:%d: an offset is of one build only: give the target "
					 "its build-id",
					 msg_safe(safe, sizeof(safe), target->file), where->line);
		}
	}
}

static void say_absent(const char *target)
{
	char why[WHY_SIZE];

	snprintf(why, sizeof(why), "%s: start it, or give it with --path", target);
	complain(why);
}

static int say(const struct recipe_check *check, const struct hit_cost *cost,
	       const struct settings *s, bool *wrong)
{
	int err = 0;

	for (size_t i = 0; !err && i < check->count; i++)
		err = s->json ? write_object(&check->files[i], cost)
			      : write_text(&check->files[i], cost, s->duration_ns);
	fflush(stdout);
	for (size_t i = 0; i < check->absent.count; i++)
		say_absent(check->absent.items[i]);
	for (size_t i = 0; i < check->problems.count; i++)
		complain(check->problems.items[i]);
	for (size_t i = 0; i < check->count; i++)
		*wrong |= say_doubts(&check->files[i]);
	return err;
}

/* What only the kernel can say. Without it the rest is as right. */
static enum exit_status ask_kernel(struct recipe_check *check, struct hit_cost *cost,
				   const struct settings *s)
{
	char why[ATTACH_WHY_SIZE] = "";
	int err = hit_cost_measure(cost, why);

	if (!err)
		err = recipe_check_watch(check, s->pids.items, s->pids.count, s->duration_ns, why);
	if (!err)
		return EXIT_DONE;
	complain(why);
	return err == -EPERM || err == -ENOTSUP ? EXIT_HOST : EXIT_FAILED;
}

static int check_those(struct recipe_check *check, const struct recipes *recipes,
		       const struct settings *s)
{
	struct hit_cost cost = { 0 };
	enum exit_status status;
	bool wrong = false;
	int err = recipe_check_gather(check, recipes, s->pids.items, s->pids.count, s->paths.items);

	if (err)
		return err;
	for (size_t i = 0; i < check->count; i++)
		say_risk(&check->files[i]);
	status = check->count ? ask_kernel(check, &cost, s) : EXIT_DONE;
	say_offsets(recipes);
	err = say(check, cost.ns[PB_HIT_EMULATED] ? &cost : NULL, s, &wrong);
	if (err)
		return err;
	return check->problems.count || check->absent.count || wrong ? EXIT_FAILED : (int)status;
}

static void say_todo(const char *file, int line, const char *key, const char *text, void *context)
{
	char why[WHY_SIZE];
	size_t *count = context;

	snprintf(why, sizeof(why), "%s:%d: %s is still to be filled in%s%s", file, line, key,
		 *text ? ": " : "", text);
	complain(why);
	(*count)++;
}

/* A draft that is not filled in lacks all of it at once. */
static int read_one(struct recipes *recipes, const char *path)
{
	char why[WHY_SIZE];
	int err = recipes_read(recipes, path, why, sizeof(why));
	size_t count = 0;

	if (!err)
		return EXIT_DONE;
	recipe_todo_each(path, say_todo, &count);
	if (!count || !strstr(why, "still to be filled in"))
		complain(why);
	return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	struct recipes *recipes = recipes_new();
	struct recipe_check check = { 0 };
	int status = recipes ? EXIT_DONE : -ENOMEM;

	msg_set_verbose(s->verbose);
	for (size_t i = 0; !status && i < s->recipes.count; i++)
		status = read_one(recipes, s->recipes.items[i]);
	if (!status)
		status = check_those(&check, recipes, s);
	recipe_check_free(&check);
	recipes_free(recipes);
	return status;
}

static int check_settings(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (!s->recipes.count) {
		snprintf(why, why_size, "which recipe? pushback recipe check FILE");
		return -EINVAL;
	}
	if (s->pids.count && s->paths.count) {
		snprintf(why, why_size, "give --pid or --path, not both");
		return -EINVAL;
	}
	return 0;
}

static int run(int argc, char **argv)
{
	struct settings s = { .duration_ns = 2000000000u };

	return cmd_start(&verb_recipe_check, argc, argv, &s, check_settings, start);
}

const struct verb verb_recipe_check = {
	.name = "recipe check",
	.summary = "what a recipe finds, at what cost, and what hits it",
	.text = "Of each file that the recipe is for: its build-id, the functions and probes that\n"
		"are found, and the sites in them. KERNEL says what the kernel does with the\n"
		"instruction there: emulated costs about 1 us a hit, stepped 3 to 20; COST is\n"
		"measured on this machine. Where a process maps the file it is attached for a\n"
		"moment, as run does: HITS, and which results were seen.\n"
		"\n"
		"A step is wrong when it was called and not one of its calls told anything: no\n"
		"result was accepted, rejected or propagated, each was invalid, unknown or could\n"
		"not be read (or of polls: none said whether it is ready). It is a warning when\n"
		"only some were so, when no return of it was hit, or when nothing hit it: a\n"
		"consumer may have bad messages, block inside, or be idle.\n"
		"Exit status: 0, with warnings too; 1 a function, probe or file is missing or\n"
		"refused, or a step is wrong; 2 the recipe does not parse; 3 this host cannot\n"
		"do it.\n"
		"\n"
		"  pushback recipe check arroyo.ini                   whoever runs it now\n"
		"  pushback recipe check arroyo.ini --pid 4711        one process\n"
		"  pushback recipe check arroyo.ini --path ./ingest   a file, running or not\n"
		"  pushback recipe check arroyo.ini --duration 30s    where hits are rare\n",
	.operands = &operands,
	.options = options,
	.run = run,
};
