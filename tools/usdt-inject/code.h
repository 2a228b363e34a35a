/* SPDX-License-Identifier: MIT */
/*
 * code.h - the instructions of a function of the file, or the reason why they can't be told
 */
#ifndef CODE_H
#define CODE_H

#include "functions.h"
#include "image.h"
#include "insn_walk.h"

/* A file's code as the decoder sees it. */
struct code {
	const struct image *image;
	struct functions functions;
	struct insn_decoder *decoder;
};

int code_open(struct code *code, const struct image *image, struct why *why);
void code_close(struct code *code);

/* A function alone, and with what is its part elsewhere. */
int code_walk(struct code *code, const struct function *function, struct insn_walk *out,
	      struct why *why);
int code_parts(struct code *code, const struct function *function, struct insn_parts *out,
	       struct why *why);

/* "work" or "0x1139", for messages. */
const char *code_name(const struct function *function, char *out, size_t size);

#endif /* CODE_H */
