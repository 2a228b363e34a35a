/* SPDX-License-Identifier: MIT */
/*
 * image.h - an ELF file in memory of ours, its headers checked
 *
 * The file may be hostile or broken: every size and offset in its headers is checked here, once, so
 * that the rest can believe them. What a section holds is not.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "why.h"

struct image {
	uint8_t *bytes;
	size_t size;
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	size_t segments_count;
	size_t sections_count;
	const char *names; /* of sections: NUL at the end */
	size_t names_size;
};

/*
 * Takes `bytes`, which come from malloc, also when it fails. Only 64-bit little-endian executables
 * and shared objects of x86-64 and aarch64 with section headers.
 */
int image_open(struct image *image, uint8_t *bytes, size_t size, struct why *why);
void image_close(struct image *image);

const char *image_name(const struct image *image, const Elf64_Shdr *section);

/* The first section of that name, as the readers of notes look for it; NULL: none. */
const Elf64_Shdr *image_section(const struct image *image, const char *name);

/* What a section holds; NULL: nothing in the file. */
const uint8_t *image_content(const struct image *image, const Elf64_Shdr *section);

/* The loaded, file-backed segment with `flags` (PF_X) at an address, or at an offset; NULL: none. */
const Elf64_Phdr *image_segment(const struct image *image, uint64_t address, uint32_t flags);
const Elf64_Phdr *image_segment_at_offset(const struct image *image, uint64_t offset,
					  uint32_t flags);

/* Where what the headers speak of ends. Other bytes after that are somebody's payload. */
uint64_t image_end(const struct image *image);

#endif /* IMAGE_H */
