/* SPDX-License-Identifier: MIT */
/*
 * note.h - what .note.stapsdt holds
 */
#ifndef NOTE_H
#define NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"

#define NOTE_SECTION      ".note.stapsdt"
#define NOTE_BASE_SECTION ".stapsdt.base"
#define NOTE_ALIGN        4

struct note {
	uint64_t site;
	uint64_t base; /* where .stapsdt.base was when `site` was written */
	uint64_t semaphore;
	const char *provider;
	const char *name;
	const char *arguments;
};

/* Calls `found` for each until it returns an error, which is returned; -EBADMSG: they are damaged. */
int note_each(const uint8_t *bytes, size_t size, int (*found)(void *ctx, const struct note *note),
	      void *ctx);

/* note_each() over a section; none is no error. */
int note_each_in(const struct image *image, const Elf64_Shdr *section,
		 int (*found)(void *ctx, const struct note *note), void *ctx);

/* How many bytes it takes; writes them if `out` is not NULL. */
size_t note_write(const struct note *note, uint8_t *out);

#endif /* NOTE_H */
