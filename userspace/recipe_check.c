/* SPDX-License-Identifier: MIT */
#include "recipe_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "recipe_apart.h"
#include "target.h"

#define LINE_SIZE 4608 /* a path, and what is wrong with it */

/* ---- Which files ---- */

struct gathering {
	struct recipe_check *check;
	const struct recipes *recipes;
	bool given; /* files were: of others nothing is wanted */
};

static void add_line(struct recipe_check *check, struct checked_lines *lines, char *line)
{
	char **items = realloc(lines->items, (lines->count + 1) * sizeof(*items));

	if (items)
		lines->items = items;
	if (items && line)
		items[lines->count++] = line;
	else
		free(line);
	check->no_memory |= !items || !line;
}

__attribute__((format(printf, 2, 3))) static void problem(struct recipe_check *check,
							  const char *format, ...)
{
	char *line = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&line, format, args) < 0)
		line = NULL;
	va_end(args);
	add_line(check, &check->problems, line);
}

static void take_problem(const char *why, void *context)
{
	problem(context, "%s", why);
}

/* On overlayfs what maps says is not what stat says: one of the two is the same. */
static struct checked_file *find_file(const struct recipe_check *check, const struct file_id *id,
				      int fd)
{
	struct stat st, other;

	if (fstat(fd, &st))
		return NULL;
	for (size_t i = 0; i < check->count; i++) {
		struct checked_file *file = &check->files[i];

		if (file->id.dev == id->dev && file->id.inode == id->inode)
			return file;
		if (!fstat(file->fd, &other) && other.st_dev == st.st_dev &&
		    other.st_ino == st.st_ino)
			return file;
	}
	return NULL;
}

/* Takes the descriptor in any case. NULL when out of memory. */
static struct checked_file *add_file(struct recipe_check *check, const struct file_id *id,
				     const char *path, int fd)
{
	struct checked_file *files = realloc(check->files, (check->count + 1) * sizeof(*files));
	struct checked_file *file;

	check->no_memory |= !files;
	if (!files) {
		close(fd);
		return NULL;
	}
	check->files = files;
	file = &files[check->count++];
	*file = (struct checked_file){ .id = *id, .path = strdup(path), .fd = fd };
	check->no_memory |= !file->path;
	return file->path ? file : NULL;
}

static void add_pid(struct recipe_check *check, struct checked_file *file, pid_t pid)
{
	pid_t *pids = realloc(file->pids, (file->pids_count + 1) * sizeof(*pids));

	check->no_memory |= !pids;
	if (!pids)
		return;
	file->pids = pids;
	pids[file->pids_count++] = pid;
}

static int take_mapped(struct mapped_file *mapped, void *context)
{
	struct recipe_file named = { mapped->fd, mapped->path, mapped->pid };
	struct gathering *g = context;
	struct checked_file *file;

	if (!g->given && !recipe_target_of(g->recipes, &named))
		return 0;
	file = find_file(g->check, &mapped->id, mapped->fd);
	if (!file && g->given)
		return 0;
	if (!file) {
		file = add_file(g->check, &mapped->id, mapped->path, mapped->fd);
		mapped->fd = -1;
		if (file)
			file->pid = mapped->pid;
	}
	if (file)
		add_pid(g->check, file, mapped->pid);
	return g->check->no_memory ? -ENOMEM : 0;
}

static void gather_paths(struct gathering *g, const char *const *paths)
{
	for (; paths && *paths; paths++) {
		struct recipe_file file = { .path = *paths };
		struct file_id id;
		char why[LINE_SIZE];

		g->given = true;
		file.fd = target_open(*paths, &id, why, sizeof(why));
		if (file.fd < 0) {
			problem(g->check, "%s", why);
		} else if (!recipe_target_of(g->recipes, &file)) {
			recipe_target_explain(g->recipes, *paths, "", why, sizeof(why));
			problem(g->check, "%s", why);
			close(file.fd);
		} else if (find_file(g->check, &id, file.fd)) {
			close(file.fd);
		} else {
			add_file(g->check, &id, *paths, file.fd);
		}
	}
}

static void gather_pids(struct gathering *g, const int *pids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char why[LINE_SIZE];
		size_t before = 0, after = 0;
		int err;

		for (size_t j = 0; j < g->check->count; j++)
			before += g->check->files[j].pids_count;
		err = discover_process(pids[i], NULL, take_mapped, g, NULL);
		for (size_t j = 0; j < g->check->count; j++)
			after += g->check->files[j].pids_count;
		if (err && err != -ENOMEM) {
			target_explain_process(pids[i], err, why, sizeof(why));
			problem(g->check, "%s", why);
		} else if (before == after) {
			problem(g->check, "process %d maps no file that the recipe is for",
				pids[i]);
		}
	}
}

static struct recipe_file named(const struct checked_file *file)
{
	return (struct recipe_file){ file->fd, file->path, file->pid };
}

static void add_absent(struct recipe_check *check, const struct recipe_target *target)
{
	char *line;

	if (asprintf(&line, "%s:%d: no process maps a file '%s'", target->file, target->line,
		     target->path) < 0)
		line = NULL;
	add_line(check, &check->absent, line);
}

/* Nobody runs it, but it is where the recipe says. */
static void gather_target(struct gathering *g, const struct recipe_target *target)
{
	char why[LINE_SIZE];
	struct file_id id;
	int fd;

	for (size_t i = 0; i < g->check->count; i++) {
		struct recipe_file file = named(&g->check->files[i]);

		if (recipe_target_is(target, &file))
			return;
	}
	fd = recipe_target_is_pattern(target) ? -ENOENT
					      : target_open(target->path, &id, why, sizeof(why));
	if (fd >= 0)
		add_file(g->check, &id, target->path, fd);
	else
		add_absent(g->check, target);
}

/* ---- Their sites ---- */

static void find_sites(struct recipe_check *check, struct checked_file *file,
		       const struct recipes *recipes)
{
	struct recipe_file as = named(file);
	char why[LINE_SIZE];
	int err = elfnote_read(file->fd, &file->note);

	file->problems = check->problems.count;
	if (err)
		target_explain(file->path, err, &file->note, why, sizeof(why));
	else
		err = recipe_apart_check(recipes, &as, &file->note, &file->sites, why, sizeof(why),
					 take_problem, check);
	if (err)
		problem(check, "%s", why);
	file->problems_count = check->problems.count - file->problems;
}

int recipe_check_gather(struct recipe_check *check, const struct recipes *recipes, const int *pids,
			size_t pids_count, const char *const *paths)
{
	struct gathering g = { .check = check, .recipes = recipes };

	gather_paths(&g, paths);
	if (pids_count)
		gather_pids(&g, pids, pids_count);
	else
		discover_all(NULL, take_mapped, &g, NULL);
	for (size_t i = 0; !g.given && !pids_count && i < recipes->targets_count; i++)
		gather_target(&g, &recipes->targets[i]);
	for (size_t i = 0; !check->no_memory && i < check->count; i++)
		find_sites(check, &check->files[i], recipes);
	return check->no_memory ? -ENOMEM : 0;
}

/* ---- What hits them ---- */

static bool is_to_watch(const struct checked_file *file)
{
	return file->pids_count && file->sites && file->sites->sites_count;
}

static int attach_one(struct attach *a, const struct checked_file *file, char *why)
{
	struct elfnote foreign = file->note;

	/* What it has of our own probes is not the recipe's. */
	foreign.sites_count = 0;
	return attach_file(a, file->fd, &file->id, &foreign, file->sites, why);
}

static int read_tallies(struct attach *a, struct checked_file *file, char *why)
{
	size_t count = file->sites->sites_count;
	int err;

	file->tallies = calloc(count, sizeof(*file->tallies));
	err = file->tallies ? attach_tallies(a, attach_number(a, &file->id), file->tallies, count)
			    : -ENOMEM;
	if (err)
		snprintf(why, ATTACH_WHY_SIZE, "cannot read what hit the sites: %s",
			 strerror(-err));
	return err;
}

static int watch(struct recipe_check *check, struct attach *a, uint64_t ns, char *why)
{
	struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000u),
				  .tv_nsec = (long)(ns % 1000000000u) };
	int err = 0;

	for (size_t i = 0; !err && i < check->count; i++)
		if (is_to_watch(&check->files[i]))
			err = attach_one(a, &check->files[i], why);
	if (!err)
		nanosleep(&pause, NULL);
	for (size_t i = 0; !err && i < check->count; i++)
		if (is_to_watch(&check->files[i]))
			err = read_tallies(a, &check->files[i], why);
	return err;
}

int recipe_check_watch(struct recipe_check *check, const int *pids, size_t pids_count, uint64_t ns,
		       char *why)
{
	struct attach_options options = { .filter_processes = pids_count > 0,
					  .recipes = true,
					  .tally = true,
					  .no_multi = check->no_multi };
	struct attach *a = NULL;
	bool any = false;
	int err;

	for (size_t i = 0; i < check->count; i++)
		any |= is_to_watch(&check->files[i]);
	if (!any || check->problems.count)
		return 0;
	err = attach_new(&a, &options, why);
	for (size_t i = 0; !err && i < pids_count; i++)
		err = attach_process(a, pids[i], why);
	if (!err)
		err = watch(check, a, ns, why);
	attach_free(a);
	return err;
}

void recipe_check_free(struct recipe_check *check)
{
	for (size_t i = 0; i < check->count; i++) {
		struct checked_file *file = &check->files[i];

		close(file->fd);
		free(file->path);
		free(file->pids);
		free(file->tallies);
		recipe_sites_free(file->sites);
	}
	free(check->files);
	for (size_t i = 0; i < check->problems.count; i++)
		free(check->problems.items[i]);
	free(check->problems.items);
	for (size_t i = 0; i < check->absent.count; i++)
		free(check->absent.items[i]);
	free(check->absent.items);
}
