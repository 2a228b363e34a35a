/* SPDX-License-Identifier: MIT */
/*
 * undo.h - what an injected file knows of the file that it was
 *
 * Injection appends, and changes two numbers of the ELF header: where the section headers are, and
 * how many. So the original is the beginning of the file with those two put back. The checksums tell
 * whether both the beginning and what was appended are still as they were written.
 */
#ifndef UNDO_H
#define UNDO_H

#include <stdint.h>

#include "image.h"

#define UNDO_SECTION ".usdt_inject"
#define UNDO_MAGIC   "usdt-inject 1"

/* In the file: little-endian, as every file that is taken. */
struct undo {
	char magic[16];
	uint64_t original_size;
	uint64_t original_sections_offset;
	uint64_t injected_size;
	uint32_t original_sections_count;
	uint32_t original_crc;
	uint32_t appended_crc; /* with this as 0 */
	uint32_t reserved;
};

_Static_assert(sizeof(struct undo) == 56, "it is in files");

/* Something of ours is in the file, whole or not. */
bool undo_is_there(const struct image *image);

/* Fills in the record at `offset` of a file that is otherwise finished. */
void undo_write(uint8_t *bytes, size_t size, size_t offset, const struct image *original);

/* The original file, to free(); NULL with the reason in `why`. */
uint8_t *undo_restore(const struct image *image, size_t *size, struct why *why);

#endif /* UNDO_H */
