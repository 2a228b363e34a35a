/* SPDX-License-Identifier: MIT */
#include "cmd_list_recipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "elfnote_text.h"
#include "exit_status.h"
#include "json_out.h"
#include "msg.h"
#include "recipe_armed.h"
#include "recipe_sums.h"
#include "recipe_words.h"
#include "term.h"

#define WHY_SIZE  4608 /* a path, and what is wrong with it */
#define PIDS_MOST 8    /* that are told of one file */

/* clang-format off */
static const struct table_column columns[] = {
	{ .title = "STEP" }, { .title = "CALL" }, { .title = "OFFSET", .right = true },
	{ .title = "SITE" }, { .title = "KERNEL" }, { .title = "US/HIT", .right = true },
	{ .title = "FUNCTION" }, { .title = NULL },
};
/* clang-format on */

static void complain(const char *why)
{
	char line[WHY_SIZE];

	msg_error("%s", msg_safe(line, sizeof(line), why));
}

int list_recipe_start(struct list_recipe *l, const char *const *recipes, const char *const *paths)
{
	char why[WHY_SIZE];
	int err = 0;

	l->recipes = recipes_new();
	if (!l->recipes)
		return -ENOMEM;
	for (; !err && *recipes; recipes++)
		err = recipes_read(l->recipes, *recipes, why, sizeof(why));
	if (err) {
		complain(why);
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	l->given = paths != NULL;
	return recipe_check_gather(&l->check, l->recipes, NULL, 0, paths);
}

void list_recipe_end(struct list_recipe *l)
{
	recipe_check_free(&l->check);
	recipes_free(l->recipes);
	*l = (struct list_recipe){ .recipes = NULL };
}

/* ---- Processes ---- */

static bool is_listed(const struct list_recipe *l, pid_t pid)
{
	bool meant = !l->pids || !l->pids->count;

	for (size_t i = 0; !meant && i < l->pids->count; i++)
		meant = l->pids->items[i] == pid;
	return meant && matcher_admits(l->matcher, pid);
}

static int is_watched(const struct checked_file *file, pid_t pid)
{
	struct recipe_armed armed;

	if (!file->sites || !file->sites->sites_count)
		return 0;
	recipe_armed_read(&armed, pid, &file->id, file->fd, file->sites);
	if (!armed.err && armed.loss.mappings && !armed.armed)
		return -E2BIG;
	return armed.err ? armed.err : armed.armed > 0;
}

int list_recipe_each(struct list_recipe *l, list_recipe_fn *fn, void *context)
{
	int result = 0;

	for (size_t i = 0; !result && i < l->check.count; i++) {
		struct list_recipe_row row = { .file = &l->check.files[i] };

		for (size_t j = 0; !result && j < row.file->pids_count; j++) {
			row.pid = row.file->pids[j];
			if (!is_listed(l, row.pid))
				continue;
			row.watched = is_watched(row.file, row.pid);
			result = fn(&row, context);
		}
	}
	return result;
}

bool list_recipe_has(struct list_recipe *l, pid_t pid)
{
	for (size_t i = 0; i < l->check.count; i++) {
		const struct checked_file *file = &l->check.files[i];

		for (size_t j = 0; j < file->pids_count; j++)
			if ((!pid || file->pids[j] == pid) && is_listed(l, file->pids[j]))
				return true;
	}
	return false;
}

/* Of files that were given all are shown, of processes what those map. */
static bool is_shown(const struct list_recipe *l, const struct checked_file *file)
{
	bool all = l->given || ((!l->pids || !l->pids->count) && !l->matcher);

	for (size_t i = 0; !all && i < file->pids_count; i++)
		all = is_listed(l, file->pids[i]);
	return all;
}

/* ---- Names ---- */

/* Takes the array's element; a NULL one spoils it. */
static void append(json_t **array, json_t *element)
{
	if (!*array || !element || json_array_append_new(*array, element)) {
		json_decref(*array);
		*array = NULL;
	}
}

json_t *list_recipe_json_steps(const struct checked_file *file)
{
	struct checked_step steps[RECIPE_RULES_MAX];
	size_t count = recipe_sums(file, NULL, steps);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		append(&array, json_text(steps[i].name, PUSHBACK_NAME_SIZE));
	return array;
}

json_t *list_recipe_json_files(const struct list_recipe *l, const struct checked_file *file)
{
	struct recipe_file named = { file->fd, file->path, file->pid };
	json_t *array = json_array();
	const char *last = "";

	for (size_t i = 0; i < l->recipes->targets_count; i++) {
		const struct recipe_target *target = &l->recipes->targets[i];

		if (!strcmp(target->file, last) || !recipe_target_is(target, &named))
			continue;
		last = target->file;
		append(&array, json_text(last, strlen(last)));
	}
	return array;
}

/* Takes the array. */
static void join(json_t *array, char *out, size_t size)
{
	size_t used = 0, i;
	json_t *item;

	snprintf(out, size, "-");
	json_array_foreach(array, i, item)
	{
		int n = snprintf(out + used, size - used, "%s%s", i ? "," : "",
				 json_string_value(item));

		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	json_decref(array);
}

void list_recipe_steps(const struct checked_file *file, char *out, size_t size)
{
	join(list_recipe_json_steps(file), out, size);
}

void list_recipe_files(const struct list_recipe *l, const struct checked_file *file, char *out,
		       size_t size)
{
	join(list_recipe_json_files(l, file), out, size);
}

/* ---- A file ---- */

static const char *recipe_of(const struct list_recipe *l, const struct recipe_rule *rule)
{
	return l->recipes->targets[l->recipes->steps[rule->rule.step].target].file;
}

static int add_site(struct table *table, const struct checked_file *file, size_t i)
{
	const struct recipe_site *site = &file->sites->sites[i];
	const struct recipe_rule *rule = &file->sites->rules[site->rule];
	struct recipe_cost cost = recipe_words_cost(site);
	char offset[24], price[32];
	const char *const cells[] = {
		rule->rule.name,          recipe_words_call(rule),   offset,
		recipe_words_place(site), recipe_words_kernel(site), price,
		rule->function,
	};

	snprintf(offset, sizeof(offset), "0x%llx", (unsigned long long)site->offset);
	snprintf(price, sizeof(price), "%u-%u", cost.least, cost.most);
	return table_add(table, cells);
}

static int write_sites(const struct checked_file *file)
{
	struct table *table = table_new(columns, term_utf8());
	int err = table ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < file->sites->sites_count; i++)
		err = add_site(table, file, i);
	if (!err)
		err = table_write(table, "  ", stdout);
	table_free(table);
	return err;
}

static int write_text(const struct list_recipe *l, const struct checked_file *file)
{
	char build_id[ELFNOTE_TEXT_SIZE], safe[WHY_SIZE], recipes[WHY_SIZE], safe_recipes[WHY_SIZE];
	size_t shown = 0;

	list_recipe_files(l, file, recipes, sizeof(recipes));
	printf("%s: build-id %s, by %s", msg_safe(safe, sizeof(safe), file->path),
	       elfnote_text_build_id(&file->note, sizeof(build_id), build_id, sizeof(build_id)),
	       msg_safe(safe_recipes, sizeof(safe_recipes), recipes));
	for (size_t i = 0; i < file->pids_count && shown <= PIDS_MOST; i++) {
		if (!is_listed(l, file->pids[i]))
			continue;
		if (shown++ < PIDS_MOST)
			printf("%s%d", shown > 1 ? ", " : "; run by ", (int)file->pids[i]);
		else
			printf(", ...");
	}
	printf("%s\n", shown ? "" : "; nobody runs it");
	return file->sites && file->sites->sites_count ? write_sites(file) : 0;
}

static json_t *site_object(const struct list_recipe *l, const struct checked_file *file, size_t i)
{
	const struct recipe_site *site = &file->sites->sites[i];
	const struct recipe_rule *rule = &file->sites->rules[site->rule];
	struct recipe_cost cost = recipe_words_cost(site);
	const char *recipe = recipe_of(l, rule);

	return json_pack("{s:o,s:s,s:o,s:o,s:i,s:I,s:s,s:s,s:[ii]}", "step",
			 json_text(rule->rule.name, sizeof(rule->rule.name)), "call",
			 recipe_words_call(rule), "function",
			 json_text(rule->function, strlen(rule->function)), "recipe",
			 json_text(recipe, strlen(recipe)), "line", rule->where->line, "offset",
			 (json_int_t)site->offset, "site", recipe_words_place(site), "kernel",
			 recipe_words_kernel(site), "hit_us", (int)cost.least, (int)cost.most);
}

static json_t *problems_of(const struct list_recipe *l, const struct checked_file *file)
{
	json_t *array = json_array();

	for (size_t i = 0; i < file->problems_count; i++) {
		const char *why = l->check.problems.items[file->problems + i];

		append(&array, json_text(why, strlen(why)));
	}
	return array;
}

static int write_object(const struct list_recipe *l, const struct checked_file *file)
{
	json_t *pids = json_array(), *sites = json_array();

	for (size_t i = 0; i < file->pids_count; i++)
		if (is_listed(l, file->pids[i]))
			append(&pids, json_integer(file->pids[i]));
	for (size_t i = 0; file->sites && i < file->sites->sites_count; i++)
		append(&sites, site_object(l, file, i));
	return json_line(stdout, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "file",
					   json_text(file->path, strlen(file->path)), "build_id",
					   elfnote_json_build_id(&file->note), "recipes",
					   list_recipe_json_files(l, file), "pids", pids, "steps",
					   list_recipe_json_steps(file), "sites", sites, "problems",
					   problems_of(l, file)));
}

/* ---- All of it ---- */

/* What is wrong with what is shown, and with what was asked for. */
static enum exit_status say_problems(const struct list_recipe *l)
{
	enum exit_status status = EXIT_DONE;
	size_t i = 0;

	/* What was wrong before there were files is of no file. */
	for (size_t f = 0; f <= l->check.count; f++) {
		const struct checked_file *file = f < l->check.count ? &l->check.files[f] : NULL;
		size_t end = file ? file->problems : l->check.problems.count;

		for (; i < end; i++, status = EXIT_FAILED)
			complain(l->check.problems.items[i]);
		for (; file && i < end + file->problems_count; i++) {
			if (!is_shown(l, file))
				continue;
			complain(l->check.problems.items[i]);
			status = EXIT_FAILED;
		}
	}
	return status;
}

int list_recipe_write(struct list_recipe *l, bool json)
{
	bool all = (!l->pids || !l->pids->count) && !l->matcher;
	char line[WHY_SIZE];
	int err = 0;

	for (size_t i = 0; !err && i < l->check.count; i++) {
		const struct checked_file *file = &l->check.files[i];

		if (is_shown(l, file))
			err = json ? write_object(l, file) : write_text(l, file);
	}
	if (err)
		return err;
	fflush(stdout);
	for (size_t i = 0; all && i < l->check.absent.count; i++)
		msg_info("%s", msg_safe(line, sizeof(line), l->check.absent.items[i]));
	return say_problems(l);
}
