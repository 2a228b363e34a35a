/* SPDX-License-Identifier: MIT */
/*
 * fuzz_input.h - what harnesses share: one input taken apart, and what must hold
 *
 * An input that is too short goes on with zeros. Texts end at a byte 0.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with the place and what did not hold: libFuzzer keeps the input. */
#define MUST(condition) ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

struct input {
	const uint8_t *data;
	size_t size;
};

uint8_t input_byte(struct input *in);
uint64_t input_number(struct input *in); /* 8 bytes */
void input_bytes(struct input *in, void *out, size_t size);
/* The next text, malloc'ed to its size, so that a read behind its end shows. */
char *input_text(struct input *in);
/* All that is left, likewise. */
char *input_rest(struct input *in);
bool input_is_over(const struct input *in);

/* A file with these bytes, always the same descriptor. */
int fuzz_file(const void *data, size_t size);

/* Whether a text is one that the library may show: terminated within `size`, and of one line. */
bool fuzz_is_line(const char *text, size_t size);

#endif /* FUZZ_INPUT_H */
