/* SPDX-License-Identifier: MIT */
#include "recipe_target.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elfnote_text.h"
#include "mapped_open.h"

/* What the kernel calls it; a file that is deleted is called what it was. */
static bool is_called(const struct recipe_target *target, int fd)
{
	static const char deleted[] = " (deleted)";
	char link[64], name[PATH_MAX];
	struct stat st;
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, name, sizeof(name) - 1);
	if (size <= 0 || fstat(fd, &st))
		return false;
	name[size] = '\0';
	if (!st.st_nlink && (size_t)size > strlen(deleted) &&
	    !strcmp(name + size - strlen(deleted), deleted))
		name[(size_t)size - strlen(deleted)] = '\0';
	return recipe_target_names(target, name);
}

static bool leads_to(const struct recipe_target *target, const struct recipe_file *file)
{
	bool same;
	int fd;

	if (recipe_target_is_pattern(target))
		return false;
	fd = mapped_open_through(file->pid, target->path);
	if (fd < 0)
		return false;
	same = mapped_is_same(fd, file->fd);
	close(fd);
	return same;
}

bool recipe_target_is(const struct recipe_target *target, const struct recipe_file *file)
{
	/* What maps has is the kernel's name already. */
	return recipe_target_names(target, file->path) ||
	       (!file->pid && is_called(target, file->fd)) || leads_to(target, file);
}

const struct recipe_target *recipe_target_of(const struct recipes *recipes,
					     const struct recipe_file *file)
{
	for (size_t i = 0; i < recipes->targets_count; i++)
		if (recipe_target_is(&recipes->targets[i], file))
			return &recipes->targets[i];
	return NULL;
}

/* Than the first one's recipe. */
static const char *others_of(const struct recipes *recipes)
{
	for (size_t i = 0; i < recipes->targets_count; i++)
		if (strcmp(recipes->targets[i].file, recipes->targets[0].file) != 0)
			return " or another recipe";
	return "";
}

void recipe_target_explain(const struct recipes *recipes, const char *path, const char *and,
			   char *why, size_t why_size)
{
	const struct recipe_target *first = &recipes->targets[0];

	if (recipes->targets_count == 1)
		snprintf(why, why_size,
			 "'%s' %sis not what %s:%d is for, '%s': put its path there, then pushback "
			 "recipe check %s",
			 path, and, first->file, first->line, first->path, first->file);
	else
		snprintf(why, why_size,
			 "'%s' %sis none of the %zu targets of %s%s: put its path there, then "
			 "pushback recipe check %s",
			 path, and, recipes->targets_count, first->file, others_of(recipes),
			 first->file);
}

void recipe_target_explain_process(const struct recipes *recipes, pid_t pid, char *why,
				   size_t why_size)
{
	const struct recipe_target *first = &recipes->targets[0];

	snprintf(
		why, why_size,
		"process %d maps no file with pushback probes, and none that %s%s is for ('%s'%s): "
		"see its /proc/%d/maps, then pushback recipe check %s --pid %d",
		(int)pid, first->file, others_of(recipes), first->path,
		recipes->targets_count > 1 ? ", ..." : "", (int)pid, first->file, (int)pid);
}

const char *recipe_target_other_build(const struct elfnote *note, char out[RECIPE_TARGET_TEXT])
{
	char id[ELFNOTE_TEXT_SIZE];

	snprintf(out, RECIPE_TARGET_TEXT,
		 "it has another build-id than the recipe is for: not probed; if the recipe is "
		 "right for this build as well, its build-id is %s",
		 elfnote_text_build_id(note, sizeof(id), id, sizeof(id)));
	return out;
}

const char *recipe_where_hint(const struct recipe_where *where)
{
	/* As nm -C has it. */
	if (where->kind == RECIPE_SYMBOL && strpbrk(where->text, "(:<"))
		return "a symbol is as nm has it; by its demangled name it is a glob";
	return "is it inlined, or the file stripped?";
}
