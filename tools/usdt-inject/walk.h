/* SPDX-License-Identifier: MIT */
/*
 * walk.h - the instructions of one function, from its beginning to its end
 *
 * x86-64 code can be read from any byte on, and makes sense from most. So a function is decoded from
 * its first byte, and what comes out is believed only if the last instruction ends where the
 * function does and every jump within it goes to the beginning of one: data between the code, or a
 * jump into the middle of an instruction, would show.
 */
#ifndef WALK_H
#define WALK_H

#include "decoder.h"
#include "functions.h"
#include "image.h"

struct walk {
	struct function function;
	struct instruction *items;
	size_t count;
};

int walk_function(struct walk *walk, struct decoder *decoder, const struct image *image,
		  const struct function *function, struct why *why);
void walk_free(struct walk *walk);

/* The instruction that begins at `address`; NULL: none does. */
const struct instruction *walk_at(const struct walk *walk, uint64_t address);

/* Something in the function jumps to `address`. */
bool walk_is_target(const struct walk *walk, uint64_t address);

/* "work" or "0x1139", for messages. */
const char *walk_name(const struct function *function, char *out, size_t size);

#endif /* WALK_H */
