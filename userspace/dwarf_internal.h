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
	size_t entries; /* that have been looked at for functions */
	Dwarf_Off last; /* of these, in a unit */
	bool split;     /* some unit is in another file */
};

/* Appends to a growing list; false: out of memory. */
bool dwarf_internal_add(void **list, size_t *count, size_t *room, const void *item, size_t size);

/* The next sibling. Only forwards: a hostile file may say otherwise, and for ever. */
bool dwarf_internal_next(Dwarf_Die *die);

/* Adds the functions of each unit that has code there. 0; -ENOMEM, -E2BIG: `why` says so. */
int dwarf_internal_look(struct dwarf_enums *d, uint64_t address, const char **why);

#endif /* DWARF_INTERNAL_H */
