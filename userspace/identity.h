/* SPDX-License-Identifier: MIT */
/*
 * identity.h - whether a file is still what it was
 *
 * A binary is known by where it lies (struct file_id, as /proc/PID/maps has it) and by what was built
 * (its build-id and sites, see elfnote_is_same()). Neither is enough: a file may be written to in
 * place, and on overlayfs one that is copied up keeps its number while another inode is mapped from
 * then on. So there is also what changes when it is written to, and a look at the inode itself.
 * Library code: does not print. Not told of by anybody: it has to be asked.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "discover.h"

/* Where stat says that it lies: all zero if it does not. On overlayfs and btrfs maps says otherwise. */
struct file_id identity_where(int fd);

/* What changes when a file is written to. */
struct file_stamp {
	int64_t size;
	int64_t modified_ns; /* of its file system's clock */
	int64_t changed_ns;
};

/* 0 or -errno. */
int identity_stamp(int fd, struct file_stamp *out);
bool identity_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b);
/*
 * Whether somebody may run it from where it lies: it is not deleted, and its mount is one of our mount
 * namespace, or of the host's. Of others, as those of containers, an open file is in the way when they are unmounted.
 */
bool identity_is_reachable(int fd);
/*
 * Whether it was changed so lately that one more change might leave the same stamp, since file
 * systems count time in ticks.
 */
bool identity_stamp_is_fresh(const struct file_stamp *stamp);

/*
 * A view of the inode that is behind `fd` now, whatever becomes of the file that `fd` is of. NULL where
 * it cannot be mapped. To be freed.
 */
struct inode_view;
struct inode_view *identity_view(int fd);
void identity_view_free(struct inode_view *view);
/*
 * Whether both see the same page of memory, so the same inode, for uprobes too. False also where that
 * cannot be told: it takes CAP_SYS_ADMIN, at the first call of one of these two, of which the other does
 * no more than that. NULL is like no other. Not in a child of the process that has called it.
 */
bool identity_view_is_same(const struct inode_view *a, const struct inode_view *b);
void identity_prepare(void);

/* Here an inode may change beneath a file that stays the same one, by being copied up. */
bool identity_is_overlay(int fd);
/*
 * Whether a uprobe is at this place of the inode that is behind `fd` now, whoever's: it shows in a mapping
 * of our own. 1, 0, or -errno where that cannot be told.
 */
int identity_is_probed(int fd, uint64_t offset);

#endif /* IDENTITY_H */
