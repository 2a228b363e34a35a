/* SPDX-License-Identifier: MIT */
#include "doctor_recipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "doctor_hits.h"
#include "doctor_target.h"
#include "doctor_worst.h"
#include "elfnote_text.h"
#include "recipe_armed.h"
#include "recipe_sums.h"
#include "text.h"

#define PIDS_MOST 8  /* that are told of one file */
#define NAMES     3  /* of steps */
#define BUDGET    20 /* of a core, its usual part */

struct examination {
	const struct doctor_recipe *d;
	struct recipe_check check;
	finding_fn tell;
	void *context;
};

static void tell(const struct examination *e, const struct finding *f)
{
	e->tell(f, e->context);
}

/* ---- What it is for ---- */

static void tell_absent(const struct examination *e, const char *line)
{
	struct finding f = { .check = "target" };

	finding_fail(&f, "%s", line);
	/* Others are there. */
	if (e->check.count)
		f.level = FINDING_WARNING;
	finding_advise(&f, "start the consumer, or give its file: pushback doctor --recipe %s FILE",
		       e->d->recipes->targets[0].file);
	tell(e, &f);
}

/* Of no file: none of what was asked for is one. */
static void tell_none(const struct examination *e)
{
	struct finding f = { .check = "target" };
	char why[ATTACH_WHY_SIZE];

	if (e->d->pid)
		recipe_target_explain_process(e->d->recipes, e->d->pid, why, sizeof(why));
	else
		recipe_target_explain(e->d->recipes, e->d->path, "", why, sizeof(why));
	finding_fail_why(&f, why);
	tell(e, &f);
}

static const struct recipe_target *target_of(const struct examination *e,
					     const struct checked_file *file)
{
	struct recipe_file named = { file->fd, file->path, file->pid };

	return recipe_target_of(e->d->recipes, &named);
}

static void check_target(struct finding *f, const struct examination *e,
			 const struct checked_file *file)
{
	const struct recipe_target *target = target_of(e, file);

	finding_ok(f, "%s is what %s:%d is for", file->path, target->file, target->line);
	/* Of a file that was given that has been told. */
	if (!file->pids_count && !e->d->path) {
		f->level = FINDING_WARNING;
		finding_add(f, "; no process maps it now");
		finding_advise(f, "start the consumer, or is it another copy that runs?");
	}
	for (size_t i = 0; i < file->pids_count && i < PIDS_MOST; i++)
		finding_add(f, "%s%d", i ? ", " : "; mapped by ", (int)file->pids[i]);
	if (file->pids_count > PIDS_MOST)
		finding_add(f, ", ...");
}

static bool has_offsets(const struct examination *e, const struct recipe_target *target)
{
	for (size_t i = 0; i < e->d->recipes->steps_count; i++) {
		const struct recipe_step *step = &e->d->recipes->steps[i];

		if (&e->d->recipes->targets[step->target] != target)
			continue;
		for (size_t j = 0; j < step->wheres_count; j++)
			if (step->wheres[j].kind == RECIPE_FUNCTION ||
			    step->wheres[j].kind == RECIPE_SITE)
				return true;
	}
	return false;
}

static void check_build(struct finding *f, const struct examination *e,
			const struct checked_file *file)
{
	const struct recipe_target *target = target_of(e, file);
	char id[ELFNOTE_TEXT_SIZE];

	elfnote_text_build_id(&file->note, sizeof(id), id, sizeof(id));
	if (!recipe_target_fits(target, &file->note)) {
		finding_fail(f, "build-id %s is not the one that %s:%d is for: nothing is probed",
			     id, target->file, target->line);
		finding_advise(f, "if the recipe is right for this build as well, put its build-id "
				  "there");
	} else if (target->build_id_size) {
		finding_ok(f, "build-id %s, as %s:%d has it", id, target->file, target->line);
	} else if (has_offsets(e, target)) {
		finding_warn(f,
			     "build-id %s; %s:%d has offsets and no build-id, and they are of one "
			     "build only",
			     id, target->file, target->line);
		finding_advise(f, "put build-id = %s there, if they are of this build", id);
	} else {
		finding_ok(f, "build-id %s; any will do", id);
	}
}

/* ---- Its functions ---- */

/* In a path there may be anything, and the one may begin with the other. */
static const char *behind_path(const char *line, const char *path)
{
	size_t size = strlen(path);
	const char *at = line;

	while ((at = strstr(at, path))) {
		if (at[size] == ':' && at[size + 1] == ' ')
			return at + size;
		at++;
	}
	return line;
}

/* "FILE:LINE: PATH: what is wrong: what helps" */
static void tell_problem(const struct examination *e, const struct checked_file *file,
			 const char *line)
{
	struct finding f = { .check = "functions" };
	const char *helps = behind_path(line, file->path);

	do
		helps = strpbrk(helps + 1, ":;");
	while (helps && helps[1] != ' ');
	if (helps) {
		finding_fail(&f, "%.*s", (int)(helps - line), line);
		finding_advise(&f, "%s", helps + 2);
	} else {
		finding_fail(&f, "%s", line);
		finding_advise(&f, "mend that line: pushback recipe check %s shows what there is",
			       target_of(e, file)->file);
	}
	tell(e, &f);
}

static void check_functions(struct finding *f, const struct checked_file *file)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, NULL, steps);

	finding_ok(f, "all that it names: %zu step%s, %zu function%s, %zu sites: ", count,
		   count == 1 ? "" : "s", file->sites->rules_count,
		   file->sites->rules_count == 1 ? "" : "s", file->sites->sites_count);
	for (size_t i = 0; i < count && i < NAMES; i++)
		finding_add(f, "%s%s", i ? ", " : "", text_name(steps[i].name));
	if (count > NAMES)
		finding_add(f, ", ...");
}

static void check_returns(struct finding *f, const struct checked_file *file)
{
	size_t count[RECIPE_HITS] = { 0 }, returns;

	for (size_t i = 0; i < file->sites->sites_count; i++)
		count[file->sites->sites[i].hit]++;
	returns = count[RECIPE_LEAVE] + count[RECIPE_JUMP] + count[RECIPE_LEAVE_RETURN];
	if (count[RECIPE_LEAVE_RETURN]) {
		finding_warn(f,
			     "%zu of %zu by a uretprobe: an exception or a panic that passes "
			     "through it ends the process",
			     count[RECIPE_LEAVE_RETURN], returns);
		finding_advise(f, "make sure that none ever does, or name the function that it "
				  "ends in and leave out returns");
	} else if (returns) {
		finding_ok(f, "all %zu can be probed", returns);
	} else {
		finding_ok(f, "none is needed: all is told at one place");
	}
}

/* ---- Its processes ---- */

static void judge_memory(struct finding *f, const struct recipe_armed *a)
{
	size_t all = a->armed + a->plain + a->others;

	if (a->err) {
		finding_warn(f, "its memory cannot be read (%s)", strerror(-a->err));
	} else if (a->others) {
		finding_fail(f,
			     "%zu of %zu sites are neither what the file has nor breakpoint: its "
			     "code is not what the file says",
			     a->others, all);
		finding_advise(f, "was the file overwritten in place, or its code patched? restart "
				  "the consumer");
	} else if (a->armed) {
		finding_ok(f, "somebody watches already: %zu of %zu sites armed", a->armed, all);
	} else {
		finding_ok(f, "nobody else watches: %zu sites not armed", all);
	}
	doctor_sites_judge_loss(f, &a->loss);
}

static void judge_process(struct finding *f, pid_t pid, const void *context)
{
	const struct checked_file *file = (const struct checked_file *)context;
	struct recipe_armed armed;

	recipe_armed_read(&armed, pid, &file->id, file->fd, file->sites);
	judge_memory(f, &armed);
}

static void examine_memory(const struct examination *e, const struct checked_file *file)
{
	const struct doctor_pids pids = { file->pids, file->pids_count, e->d->pid > 0 };
	struct finding worst = { .check = "sites" };

	if (doctor_worst(&worst, &pids, judge_process, file))
		tell(e, &worst);
}

/* ---- A file ---- */

static void examine_file(const struct examination *e, const struct checked_file *file)
{
	struct finding f = { .check = "target" };
	bool fits = recipe_target_fits(target_of(e, file), &file->note);

	check_target(&f, e, file);
	tell(e, &f);
	f = (struct finding){ .check = "build" };
	check_build(&f, e, file);
	tell(e, &f);
	/* Another build's has been told. */
	for (size_t i = 0; fits && i < file->problems_count; i++)
		tell_problem(e, file, e->check.problems.items[file->problems + i]);
	if (e->d->pid) {
		struct doctor_file mapped = { file->id, file->path, file->fd, file->note };

		f = (struct finding){ .check = "mapping" };
		doctor_target_check_mapping(&f, e->d->pid, &mapped);
		tell(e, &f);
	}
	if (!file->sites || !file->sites->sites_count)
		return;
	f = (struct finding){ .check = "functions" };
	check_functions(&f, file);
	if (!file->problems_count)
		tell(e, &f);
	f = (struct finding){ .check = "returns" };
	check_returns(&f, file);
	tell(e, &f);
	examine_memory(e, file);
}

/* ---- Attached ---- */

/* The dearest call is what a budget is measured by. */
static void tell_cost(const struct examination *e, const struct checked_file *file,
		      const struct hit_cost *cost)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, cost, steps), dearest = 0;
	struct finding f = { .check = "cost" };
	double ns;

	for (size_t i = 1; i < count; i++)
		if (steps[i].cost_ns[PB_RULE_SUBMIT] > steps[dearest].cost_ns[PB_RULE_SUBMIT])
			dearest = i;
	if (!count || !steps[dearest].cost_ns[PB_RULE_SUBMIT])
		return;
	ns = (double)steps[dearest].cost_ns[PB_RULE_SUBMIT];
	finding_ok(
		&f,
		"a submit of %s costs %.1f us on this machine: 5 %% of a core, the usual --budget, "
		"are %.0f a second",
		text_name(steps[dearest].name), ns / 1e3, 1e9 / BUDGET / ns);
	tell(e, &f);
}

/* What of its hits shows that the recipe is wrong. */
static void tell_doubts(const struct examination *e, const struct checked_step *step)
{
	struct finding f = { .check = "hits" };
	char doubt[512];
	enum recipe_judgement judgement = recipe_judge(step, doubt, sizeof(doubt));
	const char *colon;

	if (judgement == RECIPE_RIGHT || !step->hits)
		return;
	colon = strstr(doubt, ": ");
	finding_fail(&f, "%s: %.*s", text_name(step->name),
		     colon ? (int)(colon - doubt) : (int)strlen(doubt), doubt);
	if (judgement == RECIPE_DOUBTFUL)
		f.level = FINDING_WARNING;
	finding_advise(&f, "%s", colon ? colon + 2 : "see pushback recipe check");
	tell(e, &f);
}

static void tell_hits(const struct examination *e, const struct checked_step *steps, size_t count)
{
	struct finding f = { .check = "hits" };
	uint64_t hits = 0;
	size_t hit = 0;

	for (size_t i = 0; i < count; i++)
		hits += steps[i].hits;
	finding_ok(&f, "attached: %llu hit%s in %.1f s: ", (unsigned long long)hits,
		   hits == 1 ? "" : "s", (double)e->d->for_ns / 1e9);
	for (size_t i = 0; i < count; i++) {
		const uint64_t *outcomes = steps[i].outcomes;

		if (steps[i].hits && hit++ < NAMES)
			finding_add(&f, "%s%s (%llu accepted, %llu rejected)", hit > 1 ? ", " : "",
				    text_name(steps[i].name),
				    (unsigned long long)outcomes[PUSHBACK_ACCEPTED],
				    (unsigned long long)(outcomes[PUSHBACK_REJECTED] +
							 outcomes[PUSHBACK_PROPAGATED]));
	}
	if (hit > NAMES)
		finding_add(&f, ", ...");
	tell(e, &f);
	for (size_t i = 0; i < count; i++)
		tell_doubts(e, &steps[i]);
}

static void tell_silence(const struct examination *e, struct doctor_silence *s)
{
	struct finding f = { .check = "hits" };

	s->watched_ns = e->d->for_ns;
	/* There is no semaphore to say more. */
	s->sites.err = -ENOENT;
	s->gone = doctor_process_read(s->pid, &s->after) || s->after.state == 'Z';
	doctor_hits_judge_silence(&f, s);
	tell(e, &f);
}

static void examine_hits(const struct examination *e, const struct checked_file *file,
			 struct doctor_silence *silence)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, NULL, steps);
	bool any = false;

	if (!file->tallies)
		return;
	for (size_t i = 0; i < count; i++)
		any |= steps[i].hits > 0;
	if (any)
		tell_hits(e, steps, count);
	else
		tell_silence(e, silence);
}

/* Of each file the first process stands for all. */
static int attach(struct examination *e)
{
	struct doctor_silence *silences = calloc(e->check.count, sizeof(*silences));
	struct finding f = { .check = "hits" };
	char why[ATTACH_WHY_SIZE];
	int pid = e->d->pid, err;

	if (!silences)
		return -ENOMEM;
	for (size_t i = 0; i < e->check.count; i++) {
		silences[i].pid = e->check.files[i].pids_count ? e->check.files[i].pids[0] : 0;
		doctor_process_read(silences[i].pid, &silences[i].before);
	}
	err = recipe_check_watch(&e->check, &pid, pid ? 1 : 0, e->d->for_ns, why);
	if (err) {
		finding_fail_why(&f, why);
		tell(e, &f);
	}
	for (size_t i = 0; !err && i < e->check.count; i++)
		examine_hits(e, &e->check.files[i], &silences[i]);
	free(silences);
	return 0;
}

static int examine_attached(struct examination *e)
{
	struct finding f = { .check = "cost" };
	struct hit_cost cost = { 0 };
	char why[ATTACH_WHY_SIZE];

	if (!e->d->for_ns) {
		finding_warn(&f, "not measured, nor attached: that could stop this host");
		finding_advise(&f, "see panic_on_warn");
		tell(e, &f);
		return 0;
	}
	if (hit_cost_measure(&cost, why)) {
		finding_fail_why(&f, why);
		tell(e, &f);
		return 0;
	}
	for (size_t i = 0; i < e->check.count; i++)
		if (e->check.files[i].sites)
			tell_cost(e, &e->check.files[i], &cost);
	return attach(e);
}

int doctor_recipe_examine(const struct doctor_recipe *d, finding_fn fn, void *context)
{
	struct examination e = {
		.d = d, .check.no_multi = d->no_multi, .tell = fn, .context = context
	};
	const char *const paths[] = { d->path, NULL };
	int pid = d->pid;
	int err = recipe_check_gather(&e.check, d->recipes, &pid, pid ? 1 : 0,
				      d->path ? paths : NULL);
	bool any = false;

	for (size_t i = 0; !err && i < e.check.absent.count; i++)
		tell_absent(&e, e.check.absent.items[i]);
	if (!err && !e.check.count && (d->pid || d->path))
		tell_none(&e);
	for (size_t i = 0; !err && i < e.check.count; i++) {
		examine_file(&e, &e.check.files[i]);
		any |= e.check.files[i].sites && e.check.files[i].sites->sites_count;
	}
	if (!err && any && !e.check.problems.count)
		err = examine_attached(&e);
	recipe_check_free(&e.check);
	return err;
}
