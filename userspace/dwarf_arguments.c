/* SPDX-License-Identifier: MIT */
/*
 * dwarf_arguments.c - whether an argument is still where the calling convention has it
 *
 * Of a function that is only called directly, the compiler may change the arguments: a pointer may be
 * handed over as what it points to, an unused one not at all. It tells no name of that, as gcc does
 * (.isra.), but debug information has where parameters are.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdio.h>

#include "dwarf_internal.h"

#define ARGUMENTS 6

/* What a compiler makes is far below: bounds on work. */
#define PARAMETERS_MAX 64     /* of one function */
#define LOCATIONS_MAX  100000 /* of all parameters that are looked at in a file */

#if defined(__x86_64__)
static const uint8_t registers[ARGUMENTS] = { 5, 4, 1, 2, 8, 9 };
#else
static const uint8_t registers[ARGUMENTS] = { 0, 1, 2, 3, 4, 5 };
#endif

enum place { NOWHERE, ARGUMENT, ELSEWHERE };

/* As dwarf_getlocation_addr(), but those that are elsewhere count. 1; 0: it is in no place; -E2BIG. */
static int location_at(struct dwarf_enums *d, Dwarf_Attribute *attribute, uint64_t entry,
		       Dwarf_Op **operations, size_t *count)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t at = 0;

	while (d->locations < LOCATIONS_MAX) {
		at = dwarf_getlocations(attribute, at, &base, &begin, &end, operations, count);
		if (at <= 0)
			return 0;
		d->locations++;
		if (entry >= begin && entry < end)
			return *count > 0;
	}
	return -E2BIG;
}

/* Where a parameter is as its function is entered; a large one is where an argument points to. */
static int place_of(struct dwarf_enums *d, Dwarf_Die *parameter, uint64_t entry,
		    unsigned int *argument)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *operations;
	size_t count;
	int found;

	if (!dwarf_attr_integrate(parameter, DW_AT_location, &attribute))
		return NOWHERE;
	found = location_at(d, &attribute, entry, &operations, &count);
	if (found <= 0)
		return found < 0 ? found : NOWHERE;
	for (unsigned int i = 0; i < ARGUMENTS; i++)
		if (count == 1 && (operations[0].atom == DW_OP_reg0 + registers[i] ||
				   operations[0].atom == DW_OP_breg0 + registers[i])) {
			*argument = i + 1;
			return ARGUMENT;
		}
	/* A value that the compiler knows, or has from elsewhere, is in no place. */
	return operations[count - 1].atom == DW_OP_stack_value ||
			       operations[0].atom == DW_OP_implicit_pointer ||
			       operations[0].atom == DW_OP_GNU_implicit_pointer
		       ? NOWHERE
		       : ELSEWHERE;
}

/* What is known of a function's parameters. */
struct known {
	bool found;        /* one is in the argument that is looked for */
	bool elsewhere;    /* one is on the stack, as all are where nothing is optimized */
	unsigned int self; /* the argument that the first one is in, 0: none */
};

/* 0; -E2BIG. */
static int look_at(struct dwarf_enums *d, Dwarf_Die *function, uint64_t entry, unsigned int wanted,
		   struct known *out)
{
	struct dwarf_walk walk = { .die = *function };
	int parameters = 0, found;

	while ((found = dwarf_internal_step(d, &walk, !walk.depth)) > 0) {
		unsigned int argument = 0;
		int place;

		if (walk.depth > 1 || dwarf_tag(&walk.die) != DW_TAG_formal_parameter)
			continue;
		place = place_of(d, &walk.die, entry, &argument);
		if (place < 0)
			return place;
		out->found = out->found || argument == wanted;
		out->elsewhere = out->elsewhere || place == ELSEWHERE;
		if (!parameters)
			out->self = argument;
		if (++parameters == PARAMETERS_MAX)
			return 0;
	}
	return found;
}

/* Of all functions that are there: the compiler makes one of those that are alike. */
static int look_at_all(struct dwarf_enums *d, uint64_t address, unsigned int wanted,
		       struct known *out)
{
	int err = 0;

	for (size_t i = 0; !err && i < d->functions_count; i++) {
		Dwarf_Die die;

		if (d->functions[i].address == address &&
		    dwarf_offdie(d->dwarf, d->functions[i].die, &die))
			err = look_at(d, &die, address, wanted, out);
	}
	return err;
}

int dwarf_enums_argument(struct dwarf_enums *d, uint64_t function, unsigned int argument, char *why,
			 size_t why_size)
{
	struct known known = { 0 };
	int err = dwarf_internal_look(d, function);

	if (!err)
		err = look_at_all(d, function, argument, &known);
	if (err) {
		snprintf(why, why_size, "%s", dwarf_internal_why(err));
		return err;
	}
	if (known.found || known.elsewhere)
		return 0;
	if (known.self)
		snprintf(why, why_size, "its first argument is in arg%u, not in arg%u", known.self,
			 argument);
	else
		snprintf(why, why_size,
			 "the compiler has changed its arguments: nothing is in arg%u as it is "
			 "entered",
			 argument);
	return -EINVAL;
}
