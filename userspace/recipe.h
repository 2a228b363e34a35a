/* SPDX-License-Identifier: MIT */
/*
 * recipe.h - consumers without our probes: what of them is to be probed, as somebody has written it down
 *
 *	# Comments begin with # or ;
 *	[target]
 *	path = /usr/bin/ingest		; the file, as its processes see it: absolute, through links and ..
 *					; or with * and ? as in a shell what maps calls it: * is any
 *					; characters, '/' too
 *	build-id = 3f2a...		; optional: of no other build is anything probed
 *
 *	[step parse]			; the name in metrics; without one, the class or function has it
 *	submit = symbol parse_submit	; once or more:
 *					;   symbol NAME			a function, as nm(1) has it
 *					;   glob PATTERN		functions, as nm -C has them
 *					;   function OFFSET		one at this offset in the file
 *					;   usdt PROVIDER:NAME		a probe: all is there at once
 *					;   site OFFSET			likewise, an instruction
 *	poll = ...			; optional: what it submits meanwhile is handed on by it
 *	end = ...			; optional: the instance is destroyed
 *	instance = arg1			; or none: one of them per process. See recipe_value.h.
 *	result = s32 return		; or dwarf, or dwarf else s32 return: see below
 *	accepted = 0			; values and ranges of the result, see recipe_value.h
 *	rejected = -11, 1..5
 *	invalid = other
 *	unknown = ...			; optional: what it cannot return. Is lost if it does, as
 *					; result_unknown: the recipe is wrong
 *	message = arg3			; instead of a result: refused is what is handed back, as in a
 *					; Rust Err; `result` is then where that begins (arg1)
 *	ready = u8 return		; optional: what a poll returns is not 0 when it is
 *	refusals = own			; or auto: a refusal just after the next step's is handed on
 *	returns = ret			; or uretprobe, for those of its functions that end in another one
 *					; which is not probed:
 *					; an exception or a panic that passes through such a call ends
 *					; the process. Where that may be, it has to be said that it
 *					; never is: uretprobe, nothing-throws
 *	optional = no			; or yes: where a file has no such function, that is all right
 *
 * A function is probed where it is entered and at each of its returns. One that ends by a jump to another
 * function has the result of that one, which has to be probed as well.
 *
 * `result = dwarf`: what the function returns is an enum, as a Rust Result, whose variants the file's debug
 * information tells apart. `accepted`, `rejected` and `invalid` then name variants, at any depth; those of
 * arroyo without being told (Ok, MessageRejected, InvalidMessage). A value behind `else` is where there is no
 * debug information, in the file or in /usr/lib/debug, and numbers are its values: "accepted = Ok, 2".
 *
 * `message` takes for refused what holds the message's first three words again, at its beginning or behind a
 * tag of 0. That is right where what tells the variants apart is among these bytes: for payloads at the
 * message's beginning, a tag, or none (u64, String, Option<u32>, ()), not for a bool behind them, as then an
 * accepted message leaves in place what was refused before. An invalid one is taken for accepted. It needs
 * messages of at least 24 bytes: those of up to 16 are handed over in registers, and not where arg3 points.
 *
 * Text only: nothing is opened but the recipe. Errors are one line, with file and line number.
 */
#ifndef RECIPE_H
#define RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elfnote.h"
#include "recipe_names.h"
#include "recipe_value.h"

#define RECIPE_TARGETS_MAX 64
#define RECIPE_WHERES_MAX  32 /* of one step */

/* A draft has it where a value is to be filled in. */
#define RECIPE_TODO "TODO"

enum recipe_site_kind {
	RECIPE_SYMBOL,
	RECIPE_GLOB,
	RECIPE_FUNCTION,
	RECIPE_SITE,
	RECIPE_PROBE,
};

struct recipe_where {
	enum recipe_site_kind kind;
	enum pb_rule_kind rule;
	char *text;      /* NAME, PATTERN or PROVIDER:NAME; NULL with an offset */
	uint64_t offset; /* in the file */
	int line;
};

struct recipe_step {
	size_t target;
	char *name; /* NULL: that of the function */
	struct recipe_where wheres[RECIPE_WHERES_MAX];
	size_t wheres_count;
	struct recipe_value instance, result, message, ready;
	struct pb_rule values; /* its ranges, and what all other values mean */
	bool dwarf;            /* debug information goes before `result`, by these names */
	struct recipe_names names;
	uint32_t numbered; /* outcomes that have values, as bits */
	bool other;        /* it is said what all other values mean */
	bool own_refusals;
	bool uretprobe; /* where there is no other way */
	bool nothing_throws;
	bool optional;
	uint32_t given; /* which keys were */
	int line;
};

struct recipe_target {
	char *file; /* that the recipe is in */
	char *path;
	uint8_t build_id[ELFNOTE_BUILD_ID_MAX];
	size_t build_id_size; /* 0: any */
	int line;
};

struct recipes {
	struct recipe_target targets[RECIPE_TARGETS_MAX];
	size_t targets_count;
	struct recipe_step steps[PB_MAX_KINDS];
	size_t steps_count;
};

/* NULL when out of memory. */
struct recipes *recipes_new(void);
void recipes_free(struct recipes *r);

/* Adds those of a file. 0, or -errno with one line in `why`; -EINVAL: it is none. */
int recipes_read(struct recipes *r, const char *path, char *why, size_t why_size);

/* Whether it has * or ? in its path, so that it is for files of some name and not for one. */
bool recipe_target_is_pattern(const struct recipe_target *target);
/* Whether its path is this one, or matches it; see recipe_target.h. */
bool recipe_target_names(const struct recipe_target *target, const char *path);
/* Whether it is the build that is meant, or any is. */
bool recipe_target_fits(const struct recipe_target *target, const struct elfnote *note);

#endif /* RECIPE_H */
