/* SPDX-License-Identifier: MIT */
/*
 * elf_stapsdt.h - the USDT probes of an ELF file, whoever's, as .note.stapsdt has them
 *
 * Nothing of what a note says is checked here but that it is within the file. Library code: does not
 * print.
 */
#ifndef ELF_STAPSDT_H
#define ELF_STAPSDT_H

#include "elf_image.h"

struct elf_stapsdt {
	uint64_t site;      /* addresses, where the sections are now */
	uint64_t semaphore; /* 0: none */
	const char *provider;
	const char *name;      /* NULL: the note ends before */
	const char *arguments; /* likewise */
};

/* Of one file. Its sections may have 16 MB in all. */
#define ELF_STAPSDT_NOTES_MAX 65536

/*
 * Tells of each. How many notes, or sections of them, could not be read at all, or are not looked at as
 * there are too many: the rest of a section counts as one.
 */
size_t elf_stapsdt_each(struct elf_image *image,
			void (*fn)(const struct elf_stapsdt *probe, void *context), void *context);

/*
 * A part of the file that holds notes, within `budget` bytes, which become fewer. NULL: it can't be read.
 */
Elf_Data *elf_notes_load(struct elf_image *image, uint64_t offset, uint64_t size, uint64_t align,
			 uint64_t *budget);
/* Whether a note is of this owner and type; `there` is where its owner's name stands. */
bool elf_note_is(const GElf_Nhdr *note, const char *there, const char *owner, uint32_t type);

#endif /* ELF_STAPSDT_H */
