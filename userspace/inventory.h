/* SPDX-License-Identifier: MIT */
/*
 * inventory.h - which processes have our probes, where, and whether they are watched
 *
 * Observers are left out, though their executable, which is ours, has probes: it is no consumer.
 * Looks only: attaches nothing, writes nothing, needs no BPF. Plain data; names and paths are the
 * processes' own and may hold any bytes.
 */
#ifndef INVENTORY_H
#define INVENTORY_H

#include "discover.h"
#include "elfnote.h"
#include "matcher.h"

#define INVENTORY_NAME_SIZE      16
#define INVENTORY_CONTAINER_SIZE 65

/* One file with pushback notes, mapped by one process. */
struct inventory_row {
	pid_t pid;
	char name[INVENTORY_NAME_SIZE];
	char container[INVENTORY_CONTAINER_SIZE]; /* "": none */
	char *path;                               /* as the process's mount namespace has it */
	bool deleted;
	int our_mounts; /* whether `path` means the same to us: 1, 0, or -errno */
	int semaphore;  /* as semaphore_read() */
	const struct elfnote *note;
};

struct inventory_file;

struct inventory {
	struct inventory_row *rows; /* in the order of looking */
	size_t count;
	struct matcher *matcher;      /* the caller's: who is listed; NULL: all */
	struct elfnote *own;          /* our executable's */
	struct inventory_file *files; /* whose notes have been read, each once */
	/* What is missing. */
	size_t denied;     /* processes that we may not look into */
	size_t unopened;   /* mapped files that could not be opened, per process */
	size_t unreadable; /* files: damaged */
};

/*
 * Adds all processes, or one, to an inventory that was all zero at first, but for its matcher. 0; -ENOMEM; -ESRCH,
 * -EACCES of the one.
 */
int inventory_add_all(struct inventory *inventory);
int inventory_add_process(struct inventory *inventory, pid_t pid);
void inventory_free(struct inventory *inventory);

#endif /* INVENTORY_H */
