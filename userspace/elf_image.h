/* SPDX-License-Identifier: MIT */
/*
 * elf_image.h - a safe look at an ELF file that may be hostile
 *
 * libelf is given memory of ours (elf_memory) that is as long as the file and holds only the parts
 * that were copied in with pread, each page once: the headers, and what elf_image_load() is asked for. So
 *   - a file that shrinks meanwhile is a short read and no SIGBUS, as with ELF_C_READ_MMAP;
 *   - what has been checked is what is used, also of a file that is written to meanwhile: with
 *     ELF_C_READ libelf reads the headers again after our look at them, and believes a section count of
 *     any size;
 *   - nothing but the parts that matter is read or takes memory: the rest are untouched zero pages.
 * All parts together may be 2 GiB, FILE_PAGES_BYTES_MAX.
 * Only 64-bit little-endian files of this machine are taken. Library code: does not print.
 */
#ifndef ELF_IMAGE_H
#define ELF_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file_pages.h"

/* PT_LOAD and PT_GNU_RELRO; a linker makes about ten. A file with more is refused. */
#define ELF_IMAGE_PARTS_MAX 128

struct elf_image {
	int fd; /* the caller's */
	struct file_pages pages;
	uint64_t size; /* both the pages' */
	char *memory;
	Elf *elf;
	size_t segments;
	Elf64_Phdr parts[ELF_IMAGE_PARTS_MAX]; /* of the segments those two kinds */
	size_t parts_count;
	size_t sections; /* 0: no section headers */
	/* Where the section names are, in the image; checked and loaded. */
	uint64_t names_offset;
	uint64_t names_size;
};

/* -ENOEXEC, -EBADMSG, -EISDIR, -EFBIG, ...: as elfnote_read(). On failure there is nothing to
 * close. */
int elf_image_open(struct elf_image *image, int fd);
void elf_image_close(struct elf_image *image);

/*
 * Copies a part of the file into the image, but for what is there. -EBADMSG: it is not (any more) within the
 * file; -EFBIG: it is too much of one file.
 */
int elf_image_load(struct elf_image *image, uint64_t offset, uint64_t size);

/* Section `index` (below `sections`) is called `name`. */
bool elf_image_section_is(const struct elf_image *image, const GElf_Shdr *section,
			  const char *name);

/*
 * The string at `at` of a section that was loaded. NULL: it does not end there, or is longer than any that
 * means something. The end of each is looked for, and a hostile table has one end for all.
 */
#define ELF_IMAGE_STRING_MAX 16384u
const char *elf_image_string(const struct elf_image *image, const GElf_Shdr *strings, uint64_t at);

/*
 * The offset in the file of `size` bytes at a virtual address. They must lie in the file-backed
 * part of a loaded segment with all of `flags` (PF_X, PF_W), in the file, outside its headers, and
 * no other segment may claim the address. false: they do not.
 */
bool elf_image_offset(const struct elf_image *image, uint64_t address, uint64_t size,
		      uint32_t flags, uint64_t *offset);

/* The dynamic linker makes some part of these bytes read-only at start (PT_GNU_RELRO). */
bool elf_image_is_relro(const struct elf_image *image, uint64_t address, uint64_t size);

#endif /* ELF_IMAGE_H */
