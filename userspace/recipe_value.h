/* SPDX-License-Identifier: MIT */
/*
 * recipe_value.h - where a recipe finds a value, and what values it means
 *
 *	VALUE = [TYPE] ["*"] PLACE [("+" | "-") NUMBER]
 *	TYPE  = u8 u16 u32 u64 s8 s16 s32 s64	(u64; of a USDT probe's argument, as its note has it)
 *	PLACE = arg1 .. arg6			the function's arguments, as it is entered; a result
 *						that is *arg1 is in memory there, as it returns
 *		return				what it returns
 *		usdt1 .. usdt12			a USDT probe's arguments
 *		%rax ...			a register by its name
 *
 * With a star it is in the memory there, brackets as in "*(return+8)" are allowed. Where is told by the
 * calling convention or by the probe's note, as bytes of struct pt_regs; see recipe_value_bind().
 * Numbers are decimal or 0x.... Pure.
 */
#ifndef RECIPE_VALUE_H
#define RECIPE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pushback_abi.h"

#define RECIPE_ARGUMENTS      6
#define RECIPE_USDT_ARGUMENTS 12

enum recipe_place {
	RECIPE_NOWHERE,
	RECIPE_ARGUMENT, /* `number` is its, from 1 */
	RECIPE_RETURN,
	RECIPE_USDT,     /* likewise */
	RECIPE_REGISTER, /* `number` is its offset in struct pt_regs */
};

struct recipe_value {
	enum recipe_place place;
	unsigned int number;
	bool memory;
	bool is_signed;
	uint8_t width;
	int64_t offset;
	bool typed; /* its type was given, and is not only what there is else */
};

/* false: it is none. */
bool recipe_value_parse(const char *text, struct recipe_value *out);

/*
 * Where it is in registers and memory. `usdt` are the arguments as the probe's note has them
 * ("8@%rdi -4@-20(%rbp)"), NULL at a function. NULL, or what is wrong with it, in a few words.
 */
const char *recipe_value_bind(const struct recipe_value *value, const char *usdt,
			      struct pb_source *out);

/*
 * Which of the registers it needs the value of at entry has; struct pt_regs offset, -1: none.
 */
int recipe_value_register(const struct recipe_value *value);

/* Where a register stands in struct pt_regs, by any of its names ("rdi", "edi"); -1: not there. */
int recipe_register_at(const char *name);

/*
 * "0, 3..5, -11, 0x8000000000000000..0x80000000000000ff, other": adds to `rule`. NULL, or what is wrong, and in
 * `at`, unless that is NULL, with which of them: where in `text` it begins.
 */
const char *recipe_value_ranges(const char *text, uint32_t outcome, struct pb_rule *rule,
				const char **at);

#endif /* RECIPE_VALUE_H */
