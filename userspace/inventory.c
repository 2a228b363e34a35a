/* SPDX-License-Identifier: MIT */
#include "inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "namespaces.h"
#include "own_note.h"
#include "proc_maps.h"
#include "usdt_semaphore.h"

/* `note` is NULL where there is nothing to list, which is nearly always. */
struct inventory_file {
	struct file_id id;
	UT_hash_handle hh;
	struct elfnote *note;
};

static struct inventory_file *find(const struct inventory *inventory, const struct file_id *id)
{
	struct inventory_file *file;

	HASH_FIND(hh, inventory->files, id, sizeof(*id), file);
	return file;
}

/* Ours, or left of ours: it was to have probes, and whoever looks for them should see why not. */
static bool has_notes(const struct elfnote *note)
{
	return note->sites_count || note->dead || note->duplicate || note->unknown ||
	       note->too_many;
}

static int read_notes(struct inventory *inventory, int fd, struct inventory_file *file)
{
	struct elfnote note;
	int err = elfnote_read(fd, &note);

	if (err == -ENOMEM)
		return err;
	if (err && err != -ENOEXEC)
		inventory->unreadable++;
	if (err || !has_notes(&note) || own_note_is(inventory->own, &note))
		return 0;
	file->note = malloc(sizeof(note));
	if (!file->note)
		return -ENOMEM;
	*file->note = note;
	return 0;
}

/* NULL when out of memory. */
static struct inventory_file *file_of(struct inventory *inventory, const struct mapped_file *mapped)
{
	struct inventory_file *file = find(inventory, &mapped->id);

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->id = mapped->id;
	if (!read_notes(inventory, mapped->fd, file))
		HASH_ADD(hh, inventory->files, id, sizeof(file->id), file);
	if (!file->hh.tbl) {
		free(file->note);
		free(file);
		return NULL;
	}
	return file;
}

static struct inventory_row *new_row(struct inventory *inventory)
{
	size_t count = inventory->count;
	struct inventory_row *rows = inventory->rows;

	/* Twice as many when it is full, at 16, 32, 64... */
	if (count == 0 || (count >= 16 && !(count & (count - 1)))) {
		rows = realloc(rows, (count ? 2 * count : 16) * sizeof(*rows));
		if (!rows)
			return NULL;
		inventory->rows = rows;
	}
	rows[count] = (struct inventory_row){ 0 };
	return &rows[count];
}

static int add_row(struct inventory *inventory, const struct mapped_file *mapped,
		   const struct elfnote *note)
{
	struct inventory_row *row = new_row(inventory);

	if (!row)
		return -ENOMEM;
	/* It has just ended. */
	if (discover_name(mapped->pid, row->name, sizeof(row->name)))
		return 0;
	if (discover_container_id(mapped->pid, row->container, sizeof(row->container)))
		row->container[0] = '\0';
	row->path = strdup(mapped->path);
	if (!row->path)
		return -ENOMEM;
	proc_maps_unescape(row->path);
	row->pid = mapped->pid;
	row->deleted = mapped->deleted;
	row->our_mounts = namespaces_is_ours(mapped->pid, "mnt");
	row->semaphore = semaphore_read(mapped->pid, &mapped->id, note);
	row->note = note;
	inventory->count++;
	return 0;
}

static bool is_wanted(const struct file_id *id, void *context)
{
	const struct inventory_file *file = find(context, id);

	return !file || file->note;
}

static int look_at(struct mapped_file *mapped, void *context)
{
	struct inventory_file *file = file_of(context, mapped);

	if (!file)
		return -ENOMEM;
	return file->note ? add_row(context, mapped, file->note) : 0;
}

int inventory_add_process(struct inventory *inventory, pid_t pid)
{
	int err;

	if (!matcher_admits(inventory->matcher, pid))
		return 0;
	if (!inventory->own)
		inventory->own = own_note_read();
	if (!inventory->own)
		return -ENOMEM;
	err = discover_process(pid, is_wanted, look_at, inventory, &inventory->unopened);
	return err == -EPERM ? -EACCES : err;
}

static int add_any(pid_t pid, void *context)
{
	struct inventory *inventory = context;
	int err = inventory_add_process(inventory, pid);

	if (err == -EACCES)
		inventory->denied++;
	return err == -EACCES || err == -ESRCH ? 0 : err;
}

int inventory_add_all(struct inventory *inventory)
{
	return discover_pids(add_any, inventory);
}

void inventory_free(struct inventory *inventory)
{
	struct inventory_file *file, *next;
	size_t i;

	for (i = 0; i < inventory->count; i++)
		free(inventory->rows[i].path);
	free(inventory->rows);
	free(inventory->own);
	HASH_ITER (hh, inventory->files, file, next) {
		HASH_DEL(inventory->files, file);
		free(file->note);
		free(file);
	}
	*inventory = (struct inventory){ 0 };
}
