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

#if defined(__x86_64__)
static const uint8_t registers[ARGUMENTS] = { 5, 4, 1, 2, 8, 9 };
#else
static const uint8_t registers[ARGUMENTS] = { 0, 1, 2, 3, 4, 5 };
#endif

enum place { NOWHERE, ARGUMENT, ELSEWHERE };

/* Where a parameter is as its function is entered; a large one is where an argument points to. */
static enum place place_of(Dwarf_Die *parameter, uint64_t entry, unsigned int *argument)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *operations;
	size_t count;

	if (!dwarf_attr_integrate(parameter, DW_AT_location, &attribute) ||
	    dwarf_getlocation_addr(&attribute, entry, &operations, &count, 1) != 1 || !count)
		return NOWHERE;
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

static void look_at(Dwarf_Die *function, uint64_t entry, unsigned int wanted, struct known *out)
{
	bool first = true;
	Dwarf_Die die;

	if (dwarf_child(function, &die))
		return;
	do {
		unsigned int argument = 0;
		enum place place;

		if (dwarf_tag(&die) != DW_TAG_formal_parameter)
			continue;
		place = place_of(&die, entry, &argument);
		out->found = out->found || argument == wanted;
		out->elsewhere = out->elsewhere || place == ELSEWHERE;
		if (first)
			out->self = argument;
		first = false;
	} while (dwarf_internal_next(&die));
}

int dwarf_enums_argument(struct dwarf_enums *d, uint64_t function, unsigned int argument, char *why,
			 size_t why_size)
{
	struct known known = { 0 };
	const char *wrong;
	int err = dwarf_internal_look(d, function, &wrong);

	if (err) {
		snprintf(why, why_size, "%s", wrong);
		return err;
	}
	for (size_t i = 0; i < d->functions_count; i++) {
		Dwarf_Die die;

		if (d->functions[i].address == function &&
		    dwarf_offdie(d->dwarf, d->functions[i].die, &die))
			look_at(&die, function, argument, &known);
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
