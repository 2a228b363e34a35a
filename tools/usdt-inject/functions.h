/* SPDX-License-Identifier: MIT */
/*
 * functions.h - the functions of a file: by symbol, and by unwind information where it is stripped
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "image.h"

struct function {
	uint64_t start;
	uint64_t end;     /* start, where nothing says how long it is */
	const char *name; /* as in the symbol table, in the image; NULL: from unwind information */
	bool is_indirect; /* a GNU indirect function: what the symbol names is its resolver */
};

struct functions {
	struct function *items; /* by start, then by end, those with a name first */
	size_t count;
	size_t room;
};

int functions_load(struct functions *functions, const struct image *image, struct why *why);
void functions_free(struct functions *functions);

/*
 * The one function of a name: as in the symbol table, or as in source (C++ and Rust, with or without
 * the parameters), or the address where it begins. NULL with the reason in `why`.
 */
const struct function *functions_find(const struct functions *functions, const char *name,
				      struct why *why);

/* The smallest one that covers an address, or begins there; NULL: none does. */
const struct function *functions_at(const struct functions *functions, uint64_t address);

/* The next one after `previous` (NULL: the first) that a compiler has made of a named one. */
const struct function *functions_made_of(const struct functions *functions,
					 const struct function *previous,
					 const struct function *of);

/* "0x1139", "31". false: it is no number. */
bool functions_number(const char *text, uint64_t *number);

#endif /* FUNCTIONS_H */
