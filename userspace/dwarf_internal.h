/* SPDX-License-Identifier: MIT */
/* dwarf_internal.h - a file's debug information and its functions, for dwarf_enum.c */
#ifndef DWARF_INTERNAL_H
#define DWARF_INTERNAL_H

#include <elfutils/libdw.h>

#include "dwarf_enum.h"

struct dwarf_function {
	uint64_t address;
	Dwarf_Off die;
};

struct dwarf_enums {
	Dwarf *dwarf;
	/* The functions of units that have been looked at. */
	struct dwarf_function *functions;
	size_t functions_count, functions_room;
	Dwarf_Off *units; /* by their offsets */
	size_t units_count, units_room;
	size_t entries;   /* that have been walked through */
	size_t locations; /* of parameters, that have been looked at */
	bool split;       /* some unit is in another file */
};

/* Through what is within an entry, in the order of the file. */
struct dwarf_walk {
	Dwarf_Die die;
	unsigned int depth; /* 0: the entry that it begins with */
};

/* Appends to a growing list; false: out of memory. */
bool dwarf_internal_add(void **list, size_t *count, size_t *room, const void *item, size_t size);

/* Counts one against what is looked at in a file. 0, -E2BIG. */
int dwarf_internal_count(struct dwarf_enums *d);

/*
 * On to the first one within it, or to what is behind it. 1; 0: it was the last; -E2BIG. Without `enter`,
 * what is within it is only walked through where nothing says what is next to it.
 */
int dwarf_internal_step(struct dwarf_enums *d, struct dwarf_walk *walk, bool enter);

/* Adds the functions of each unit that has code there. 0; -ENOMEM, -E2BIG. */
int dwarf_internal_look(struct dwarf_enums *d, uint64_t address);

/* What there is to say of an error of these. */
const char *dwarf_internal_why(int err);

#endif /* DWARF_INTERNAL_H */
