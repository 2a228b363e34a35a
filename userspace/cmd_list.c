/* SPDX-License-Identifier: MIT */
/* cmd_list.c - `pushback list`: which processes have our probes, and who is watched */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_opts.h"
#include "cmd.h"
#include "cmd_list_recipe.h"
#include "denied.h"
#include "elfnote_text.h"
#include "exit_status.h"
#include "inventory.h"
#include "json_out.h"
#include "msg.h"
#include "namespaces.h"
#include "table.h"
#include "target.h"
#include "term.h"
#include "text.h"

#define WHY_SIZE 4608 /* a path, and what is wrong with it */

struct settings {
	struct option_list files;
	struct option_pids pids;
	struct option_list names, cgroups, excludes;
	struct option_list recipes;
	bool json;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option operands = {
	.value = "FILE...", .kind = OPTION_LIST, .offset = AT(files),
	.help = "say what these executables or libraries hold instead",
};

static const struct option options[] = {
	{ .name = "pid", .value = "PID", .kind = OPTION_PIDS, .offset = AT(pids),
	  .help = "look at this process only; may be given again" },
	AGENT_OPTIONS_MATCH(AT(names), AT(cgroups), AT(excludes)),
	{ .name = "recipe", .value = "FILE", .kind = OPTION_LIST, .offset = AT(recipes),
	  .help = "list also what this recipe is for: who runs it, its\n"
		  "steps and their sites; may be given again" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "one object per line" },
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(json), .help = "this text" },
	{ .name = NULL },
};

static const struct table_column process_columns[] = {
	{ .title = "PID", .right = true }, { .title = "NAME" },
	{ .title = "CONTAINER", .optional = true }, { .title = "WATCHED" }, { .title = "PROBES" },
	{ .title = "SKIPPED", .optional = true }, { .title = "RECIPE", .optional = true },
	{ .title = "BUILD-ID" }, { .title = "FILE" },
	{ .title = NULL },
};

static const struct table_column site_columns[] = {
	{ .title = "PROBE" }, { .title = "OFFSET", .right = true },
	{ .title = "SEMAPHORE", .right = true }, { .title = NULL },
};
/* clang-format on */

/* How much of an id tells those of a host apart. */
#define CONTAINER_DIGITS 12
#define BUILD_ID_DIGITS  8

/* One line on stderr; what a file or process is called cannot drive the terminal. */
static void complain(const char *why)
{
	char line[WHY_SIZE];

	msg_error("%s", msg_safe(line, sizeof(line), why));
}

/* ---- Processes ---- */

static json_t *why_unknown(int err)
{
	switch (err) {
	case -EACCES:
		return json_sprintf("not allowed to read its memory: %s", denied_why());
	case -ENOENT:
		return json_string("no semaphore of its probes is mapped");
	case -E2BIG:
		return json_string("it maps the file too often");
	default:
		return json_string(strerror(-err));
	}
}

/* Of a recipe's the probes are of `foreign`, else of its notes. */
static json_t *row_object(const struct inventory_row *row, const struct checked_file *foreign)
{
	bool known = row->semaphore >= 0;

	return json_pack("{s:i,s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "pid", (int)row->pid,
			 "process", json_text(row->name, sizeof(row->name)), "container",
			 *row->container ? json_string(row->container) : json_null(), "file",
			 json_text(row->path, strlen(row->path)), "deleted", row->deleted,
			 "other_mount_namespace",
			 row->our_mounts < 0 ? json_null() : json_boolean(!row->our_mounts),
			 "build_id", elfnote_json_build_id(row->note), "probes",
			 foreign ? json_null() : elfnote_json_probes(row->note), "skipped",
			 foreign ? json_null() : elfnote_json_skipped(row->note), "watched",
			 known ? json_boolean(row->semaphore) : json_null(), "watched_unknown",
			 known ? json_null() : why_unknown(row->semaphore));
}

/* A process that a recipe is for, as one of ours is. */
static struct inventory_row row_of(const struct list_recipe_row *from)
{
	struct inventory_row row = { .pid = from->pid,
				     .path = from->file->path,
				     .our_mounts = namespaces_is_ours(from->pid, "mnt"),
				     .semaphore = from->watched,
				     .note = &from->file->note };
	struct stat st;

	row.deleted = !fstat(from->file->fd, &st) && !st.st_nlink;
	discover_name(from->pid, row.name, sizeof(row.name));
	if (discover_container_id(from->pid, row.container, sizeof(row.container)))
		row.container[0] = '\0';
	return row;
}

/* What is listed: processes with our probes, and those that recipes are for, unless that is NULL. */
struct listed {
	const struct inventory *inventory;
	struct list_recipe *recipes;
	struct table *table;
};

static int write_recipe_object(const struct list_recipe_row *from, void *context)
{
	const struct listed *l = context;
	struct inventory_row row = row_of(from);
	json_t *object = row_object(&row, from->file);

	if (object && (json_object_set_new(object, "recipes",
					   list_recipe_json_files(l->recipes, from->file)) ||
		       json_object_set_new(object, "steps", list_recipe_json_steps(from->file)))) {
		json_decref(object);
		object = NULL;
	}
	return json_line(stdout, object);
}

static int write_row_objects(struct listed *l)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < l->inventory->count; i++)
		err = json_line(stdout, row_object(&l->inventory->rows[i], NULL));
	return err || !l->recipes ? err : list_recipe_each(l->recipes, write_recipe_object, l);
}

static int add_cells(struct table *table, const struct inventory_row *row, const char *probes,
		     const char *skipped, const char *recipe)
{
	char pid[16], container[CONTAINER_DIGITS + 1], build_id[ELFNOTE_TEXT_SIZE], file[WHY_SIZE];
	const char *const cells[] = {
		pid,       text_name(row->name),
		container, row->semaphore < 0 ? "?" : row->semaphore ? "yes" : "no",
		probes,    skipped,
		recipe,    build_id,
		file
	};

	snprintf(pid, sizeof(pid), "%d", (int)row->pid);
	snprintf(container, sizeof(container), "%.*s", CONTAINER_DIGITS,
		 *row->container ? row->container : "-");
	elfnote_text_build_id(row->note, BUILD_ID_DIGITS, build_id, sizeof(build_id));
	snprintf(file, sizeof(file), "%s%s%s", row->path, row->deleted ? " (deleted)" : "",
		 row->our_mounts ? "" : " (in another mount namespace)");
	return table_add(table, cells);
}

static int add_row(struct table *table, const struct inventory_row *row)
{
	char probes[ELFNOTE_TEXT_SIZE], skipped[ELFNOTE_TEXT_SIZE];

	elfnote_text_probes(row->note, probes, sizeof(probes));
	elfnote_text_skipped(row->note, skipped, sizeof(skipped));
	return add_cells(table, row, probes, skipped, "-");
}

static int add_recipe_row(const struct list_recipe_row *from, void *context)
{
	const struct listed *l = context;
	struct inventory_row row = row_of(from);
	char steps[WHY_SIZE], files[WHY_SIZE];

	list_recipe_steps(from->file, steps, sizeof(steps));
	list_recipe_files(l->recipes, from->file, files, sizeof(files));
	return add_cells(l->table, &row, steps, "-", files);
}

static bool is_empty(const struct listed *l)
{
	return !l->inventory->count && !(l->recipes && list_recipe_has(l->recipes, 0));
}

static int write_row_table(struct listed *l)
{
	int err = 0;
	size_t i;

	if (is_empty(l))
		return 0;
	l->table = table_new(process_columns, term_utf8());
	if (!l->table)
		return -ENOMEM;
	for (i = 0; !err && i < l->inventory->count; i++)
		err = add_row(l->table, &l->inventory->rows[i]);
	if (!err && l->recipes)
		err = list_recipe_each(l->recipes, add_recipe_row, l);
	if (!err)
		err = table_write(l->table, "", stdout);
	table_free(l->table);
	return err;
}

/* One line for all of it. */
static void say_what_was_passed_over(const struct inventory *inventory)
{
	char line[512] = "";
	size_t size = 0;

	if (inventory->denied)
		size += (size_t)snprintf(
			line, sizeof(line), ", %zu process%s may not be looked into (%s)",
			inventory->denied, inventory->denied > 1 ? "es" : "", denied_why());
	if (inventory->unopened)
		size += (size_t)snprintf(line + size, sizeof(line) - size,
					 ", %zu mapped file%s could not be opened",
					 inventory->unopened, inventory->unopened > 1 ? "s" : "");
	if (inventory->unreadable)
		snprintf(line + size, sizeof(line) - size,
			 ", %zu mapped file%s truncated or damaged", inventory->unreadable,
			 inventory->unreadable > 1 ? "s are" : " is");
	if (*line)
		msg_warn("this may not be all: %s", line + 2);
}

/* An empty list is an answer, an incomplete one must not look complete. */
static void say_what_is_missing(const struct listed *l, const struct settings *s)
{
	const struct inventory *inventory = l->inventory;
	bool empty = is_empty(l) && !s->pids.count;

	if (empty && inventory->matcher)
		msg_info("no process with pushback probes is left by --match-name, --match-cgroup "
			 "and --exclude: leave them out to see all");
	else if (empty && l->recipes)
		msg_info("no process with pushback probes, and none that a recipe is for%s",
			 inventory->denied ? ", that we may look into" : "");
	else if (empty)
		msg_info("no process with pushback probes%s: start a consumer that is built with "
			 "include/pushback.h, or see pushback recipe for one that is not",
			 inventory->denied ? " that we may look into" : "");
	say_what_was_passed_over(inventory);
}

static bool is_first(const struct option_pids *pids, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++) {
		if (pids->items[i] == pids->items[index])
			return false;
	}
	return true;
}

/* Of a process that has given no row. */
static int explain_none(const struct listed *l, pid_t pid, char *why, size_t why_size)
{
	bool is_there = !kill(pid, 0) || errno != ESRCH;

	if (is_there && l->recipes && matcher_admits(l->inventory->matcher, pid)) {
		recipe_target_explain_process(l->recipes->recipes, pid, why, why_size);
		return -ENODATA;
	}
	if (!is_there || matcher_admits(l->inventory->matcher, pid))
		return target_explain_process(pid, is_there ? -ENODATA : -ESRCH, why, why_size);
	snprintf(why, why_size,
		 "process %d is left out by --match-name, --match-cgroup or --exclude", (int)pid);
	return -ENODATA;
}

/* What the worst of them comes to; those that can be looked into are. */
static enum exit_status look_into(struct inventory *inventory, const struct listed *l,
				  const struct option_pids *pids)
{
	enum exit_status status = EXIT_DONE;
	char why[256];
	size_t i;

	for (i = 0; i < pids->count; i++) {
		size_t before = inventory->count;
		int err;

		if (!is_first(pids, i))
			continue;
		err = inventory_add_process(inventory, pids->items[i]);
		if (!err && (inventory->count > before ||
			     (l->recipes && list_recipe_has(l->recipes, pids->items[i]))))
			continue;
		err = err ? target_explain_process(pids->items[i], err, why, sizeof(why))
			  : explain_none(l, pids->items[i], why, sizeof(why));
		complain(why);
		if (status != EXIT_HOST)
			status = err == -EPERM ? EXIT_HOST : EXIT_FAILED;
	}
	return status;
}

static int list_those(struct inventory *inventory, struct list_recipe *recipes,
		      const struct settings *s)
{
	struct listed l = { .inventory = inventory, .recipes = recipes };
	enum exit_status status = EXIT_DONE;
	int err = 0;

	if (s->pids.count)
		status = look_into(inventory, &l, &s->pids);
	else
		err = inventory_add_all(inventory);
	if (err) {
		msg_error("cannot look through /proc: %s", strerror(-err));
		return EXIT_FAILED;
	}
	err = s->json ? write_row_objects(&l) : write_row_table(&l);
	if (!err)
		say_what_is_missing(&l, s);
	if (!err && recipes)
		err = list_recipe_write(recipes, s->json);
	return err ? err : (int)status;
}

static int list_processes(const struct settings *s)
{
	struct matcher_options match = { .names = s->names.items,
					 .cgroups = s->cgroups.items,
					 .excludes = s->excludes.items };
	struct matcher *matcher = matcher_new(&match);
	struct inventory inventory = { .matcher = matcher };
	struct list_recipe recipes = { .pids = &s->pids, .matcher = matcher };
	int result = 0;

	if (!matcher && errno)
		return -ENOMEM;
	if (s->recipes.count)
		result = list_recipe_start(&recipes, s->recipes.items, NULL);
	if (!result)
		result = list_those(&inventory, s->recipes.count ? &recipes : NULL, s);
	list_recipe_end(&recipes);
	inventory_free(&inventory);
	matcher_free(matcher);
	return result;
}

/* ---- Files ---- */

static json_t *site_objects(const struct elfnote *note)
{
	json_t *array = json_array();
	bool failed = false;
	size_t i;

	for (i = 0; i < note->sites_count; i++) {
		const struct elfnote_site *site = &note->sites[i];

		failed |= json_array_append_new(array,
						json_pack("{s:s,s:I,s:I}", "probe",
							  elfnote_probe_name(site->probe), "offset",
							  (json_int_t)site->offset, "semaphore",
							  (json_int_t)site->semaphore)) != 0;
	}
	if (failed) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static int write_file_object(const char *path, const struct elfnote *note)
{
	return json_line(stdout,
			 json_pack("{s:o,s:o,s:o,s:o,s:o}", "file", json_text(path, strlen(path)),
				   "build_id", elfnote_json_build_id(note), "probes",
				   elfnote_json_probes(note), "sites", site_objects(note),
				   "skipped", elfnote_json_skipped(note)));
}

static int write_sites(const struct elfnote *note)
{
	struct table *table = table_new(site_columns, term_utf8());
	int err = table ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; !err && i < note->sites_count; i++) {
		char offset[24], semaphore[24];
		const char *const cells[] = { elfnote_probe_name(note->sites[i].probe), offset,
					      semaphore };

		snprintf(offset, sizeof(offset), "0x%llx",
			 (unsigned long long)note->sites[i].offset);
		snprintf(semaphore, sizeof(semaphore), "0x%llx",
			 (unsigned long long)note->sites[i].semaphore);
		err = table_add(table, cells);
	}
	if (!err)
		err = table_write(table, "  ", stdout);
	table_free(table);
	return err;
}

static int write_file_text(const char *path, const struct elfnote *note)
{
	char build_id[ELFNOTE_TEXT_SIZE], skipped[ELFNOTE_TEXT_SIZE], safe[WHY_SIZE];

	elfnote_text_skipped(note, skipped, sizeof(skipped));
	printf("%s: build-id %s%s%s\n", msg_safe(safe, sizeof(safe), path),
	       elfnote_text_build_id(note, sizeof(build_id), build_id, sizeof(build_id)),
	       *skipped == '-' ? "" : ", skipped notes: ", *skipped == '-' ? "" : skipped);
	return write_sites(note);
}

/* As cmd_body. */
static int list_file(const char *path, bool json, bool by_recipe)
{
	struct elfnote note = { 0 };
	char why[WHY_SIZE];
	struct file_id id;
	int fd = target_open(path, &id, why, sizeof(why)), err;

	/* What a recipe is for is told of there. */
	if (fd < 0 && by_recipe)
		return EXIT_DONE;
	if (fd < 0) {
		complain(why);
		return EXIT_FAILED;
	}
	err = elfnote_read(fd, &note);
	close(fd);
	if (by_recipe && (err || !note.sites_count))
		return EXIT_DONE;
	if (err || !note.sites_count) {
		target_explain(path, err, &note, why, sizeof(why));
		complain(why);
		return EXIT_FAILED;
	}
	err = json ? write_file_object(path, &note) : write_file_text(path, &note);
	return err ? err : EXIT_DONE;
}

static int list_files(const struct settings *s)
{
	int status = EXIT_DONE;
	size_t i;

	for (i = 0; i < s->files.count; i++) {
		int result = list_file(s->files.items[i], s->json, s->recipes.count > 0);

		if (result < 0)
			return result;
		if (result)
			status = EXIT_FAILED;
	}
	return status;
}

static int list_files_by_recipes(const struct settings *s)
{
	struct list_recipe recipes = { .recipes = NULL };
	int result = list_recipe_start(&recipes, s->recipes.items, s->files.items), own;

	if (!result) {
		own = list_files(s);
		result = own < 0 ? own : list_recipe_write(&recipes, s->json);
	}
	list_recipe_end(&recipes);
	return result;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;
	bool processes = s->pids.count || s->names.count || s->cgroups.count || s->excludes.count;

	if (!s->files.count || !processes)
		return 0;
	snprintf(why, why_size, "give files or %s, not both: files are not looked for in processes",
		 s->pids.count ? "--pid" : "which processes are meant");
	return -EINVAL;
}

static int list(const void *settings)
{
	const struct settings *s = settings;

	if (s->files.count && s->recipes.count)
		return list_files_by_recipes(s);
	return s->files.count ? list_files(s) : list_processes(s);
}

static int run(int argc, char **argv)
{
	struct settings s = { 0 };

	return cmd_start(&verb_list, argc, argv, &s, check, list);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "processes with pushback probes, and whether they are watched",
	.text = "Looks through /proc and attaches nothing. A row per process and file with\n"
		"probes. WATCHED says whether any observer is attached to the file now, also one\n"
		"that only counts another process of it; ? where we may not read the process's\n"
		"memory. PROBES is \"all\" where each of the four is at one place. Notes that "
		"lead\n"
		"nowhere are SKIPPED, by reason: dead (the linker left them behind), duplicate,\n"
		"unknown (of a newer header), malformed, too_many.\n"
		"With --recipe also who runs what it is for (PROBES are the steps; WATCHED by a\n"
		"breakpoint at one of its sites), then each such file's sites: what the kernel\n"
		"does with the instruction there, and between how many us a hit costs; recipe\n"
		"check measures that. --json: an object per process, with recipes and steps if\n"
		"it is by one, then one per file: file, build_id, recipes, pids, steps, problems\n"
		"and sites (step, call, function, recipe, line, offset, site, kernel, hit_us).\n"
		"A FILE in another mount namespace (a container's) is not at that path here: to\n"
		"watch it take --pid, or --path /proc/PID/root and that path.\n"
		"\n"
		"  pushback list                     every process of this host\n"
		"  pushback list --pid 4711 --json   one process, for a machine to read\n"
		"  pushback list --match-name 'py*'  those of such a name\n"
		"  pushback list /usr/bin/consumer   where the probes of a file are\n"
		"  pushback list --recipe a.ini      and what that recipe is for\n",
	.operands = &operands,
	.options = options,
	.run = run,
};
