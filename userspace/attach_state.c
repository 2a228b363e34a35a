/* SPDX-License-Identifier: MIT */
/* What of attach was there before this agent, or stays after it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach_internal.h"
#include "identity.h"
#include "multi_link.h"

#define EVENT "pushback_event"
/* At a time: each takes the kernel up to 50 ms. */
#define LET_GO_MOST 4

/* FNV-1a. Of what is ours or what a former agent has found good, so no enemy makes two alike. */
static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ bytes[i]) * 0x100000001b3u;
	return h;
}

#define HASH_BEGIN 0xcbf29ce484222325u

uint64_t attach_hash(const struct elfnote *note)
{
	uint64_t h = hash(HASH_BEGIN, note->build_id, note->build_id_size);

	for (size_t i = 0; i < note->sites_count; i++) {
		uint64_t site[] = { note->sites[i].probe, note->sites[i].offset,
				    note->sites[i].semaphore };

		h = hash(h, site, sizeof(site));
	}
	return h;
}

int attach_open_state(struct attach *a, const char *dir, const void *code, size_t size, char *why)
{
	return pinned_open(&a->pinned, a->object, EVENT, hash(HASH_BEGIN, code, size), dir, why);
}

struct attached *attach_slot(struct attach *a, size_t number)
{
	struct attached *files = a->files;

	if (number < a->files_count)
		return &files[number];
	files = realloc(files, (number + 1) * sizeof(*files));
	if (!files)
		return NULL;
	a->files = files;
	while (a->files_count <= number)
		files[a->files_count++] = (struct attached){ .link_fd = -1 };
	return &files[number];
}

static int take_file(uint32_t number, const struct pinned_file *file, int link, void *context)
{
	struct attach *a = context;
	struct attached *slot = number < PB_MAX_OBJECTS ? attach_slot(a, number) : NULL;

	if (!slot) {
		if (link >= 0)
			close(link);
		return -ENOMEM;
	}
	if (link < 0)
		return 0;
	*slot = (struct attached){
		.id = { .dev = file->dev, .inode = file->inode },
		.link_fd = link,
		.sites = file->sites_count,
		.hash = file->sites,
		.changed_ns = file->changed_ns,
		.disowned = file->disowned,
		.outdated = pinned_event(a->pinned) < 0,
		.unasked = true,
	};
	a->sites_count += slot->sites;
	return 0;
}

int attach_take_over(struct attach *a, char *why)
{
	int err = pinned_each_file(a->pinned, take_file, a);

	if (err)
		snprintf(why, ATTACH_WHY_SIZE, "cannot take over the files of the state: %s",
			 strerror(-err));
	return err ? err : pinned_attach(a->pinned, a->object, EVENT, why);
}

struct pinned *attach_pinned(const struct attach *a)
{
	return a->pinned;
}

int attach_make_pinned_link(struct attach *a, int fd, const struct elfnote *note, size_t number,
			    bool instead, struct attached *file)
{
	struct pinned_file pin = {
		.dev = file->id.dev,
		.inode = file->id.inode,
		.sites = file->hash,
		.sites_count = (uint32_t)note->sites_count,
		.build_id_size = (uint32_t)note->build_id_size,
	};
	struct file_stamp stamp;
	char path[64];
	int err = 0;

	if (!identity_stamp(fd, &stamp))
		pin.changed_ns = stamp.changed_ns;
	memcpy(pin.build_id, note->build_id, note->build_id_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, pin.path, sizeof(pin.path) - 1) < 0)
		pin.path[0] = '\0';
	if (!instead)
		err = pinned_begin_file(a->pinned, (uint32_t)number, &pin);
	if (!err)
		err = attach_make_link(a, fd, note, number, file);
	if (!err)
		err = pinned_end_file(a->pinned, (uint32_t)number, &pin, file->link_fd);
	if (err && !instead)
		pinned_drop_file(a->pinned, (uint32_t)number);
	return err;
}

size_t attach_free_number(const struct attach *a)
{
	size_t i = 0;

	while (i < a->files_count && a->files[i].sites)
		i++;
	return i;
}

bool attach_is_right(const struct attach *a, const struct attached *file,
		     const struct elfnote *note)
{
	return !a->pinned || (!file->outdated && file->hash == attach_hash(note));
}

/*
 * One that was copied up while no agent ran has its number and is another inode, of a later change. Without
 * our probes it surely is. Probes there may also be somebody else's: in doubt both are attached to, which
 * counts once.
 */
bool attach_is_there(const struct attached *file, int fd, const struct elfnote *note)
{
	struct file_stamp stamp;

	if (!file->unasked || !identity_is_overlay(fd) || !note->sites_count)
		return true;
	if (!identity_is_probed(fd, note->sites[0].offset))
		return false;
	return !identity_stamp(fd, &stamp) && stamp.changed_ns == file->changed_ns;
}

void attach_let_go(struct attach *a, bool all, attach_mapped_fn *is_mapped, void *context)
{
	size_t gone = 0;

	for (size_t i = 0; i < a->files_count && gone < LET_GO_MOST; i++) {
		const struct attached *file = &a->files[i];

		if (!file->sites || !file->unasked)
			continue;
		if (!all && !multi_link_is_deleted(file->link_fd))
			continue;
		if (file->disowned && is_mapped(&file->id, context))
			continue;
		attach_drop(a, (int)i);
		gone++;
	}
}

size_t attach_unasked(const struct attach *a)
{
	size_t unasked = 0;

	for (size_t i = 0; i < a->files_count; i++)
		unasked += a->files[i].sites && a->files[i].unasked;
	return unasked;
}
