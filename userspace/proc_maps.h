/* SPDX-License-Identifier: MIT */
/*
 * proc_maps.h - one line of /proc/PID/maps
 *
 * Pure. A process chooses the paths that it maps, so nothing about them is taken for granted.
 */
#ifndef PROC_MAPS_H
#define PROC_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct proc_mapping {
	uint64_t start;
	uint64_t end;
	bool executable;
	bool writable;
	bool shared;     /* MAP_SHARED */
	uint64_t offset; /* in the file, of `start` */
	uint64_t dev;    /* as st_dev writes it */
	uint64_t inode;  /* 0: no file */
	char *path;      /* within the line, as it stands there; "" if there is none */
};

/* Takes the line apart in place (its newline is cut off). false: not a line of maps. */
bool proc_maps_parse(char *line, struct proc_mapping *mapping);

/* Cuts off " (deleted)". true: it was there. (A file may also be called so.) */
bool proc_maps_cut_deleted(char *path);

/* Newlines in paths stand as "\012" in maps; turns them back, in place. */
void proc_maps_unescape(char *path);

#endif /* PROC_MAPS_H */
