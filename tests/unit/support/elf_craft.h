/* SPDX-License-Identifier: MIT */
/*
 * elf_craft.h - ELF files made byte by byte, to be spoilt by tests
 *
 * The file: headers; a read-execute segment of nops and rets; a read-write one that begins with the
 * semaphores and goes on in memory beyond the file (bss); a build id; .note.stapsdt; .stapsdt.base;
 * section names and headers last. Offsets of what is worth spoiling are public.
 */
#ifndef ELF_CRAFT_H
#define ELF_CRAFT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define CRAFT_TEXT_OFFSET 0x1000u
#define CRAFT_TEXT_BASE   0x401000u /* its address */
#define CRAFT_TEXT_SIZE   0x400u    /* nops at even addresses, rets at odd ones */
#define CRAFT_DATA_OFFSET 0x1400u
#define CRAFT_DATA_BASE   0x403400u
#define CRAFT_DATA_SIZE   0x100u
#define CRAFT_BSS_SIZE    0x100u
#define CRAFT_RELRO_BASE  (CRAFT_DATA_BASE + 0x80u) /* to the end of the data */
#define CRAFT_NOTES       0x1500u
#define CRAFT_BASE_BASE   0x402000u /* where .stapsdt.base is */

enum craft_segment {
	CRAFT_SEGMENT_HEADERS, /* read-only: file headers */
	CRAFT_SEGMENT_TEXT,
	CRAFT_SEGMENT_DATA,
	CRAFT_SEGMENT_NOTE,
	CRAFT_SEGMENT_RELRO,
	CRAFT_SEGMENTS,
};

enum craft_section {
	CRAFT_SECTION_NULL,
	CRAFT_SECTION_BUILD_ID,
	CRAFT_SECTION_PROBES, /* .note.stapsdt */
	CRAFT_SECTION_BASE,
	CRAFT_SECTION_NAMES,
	CRAFT_SECTIONS,
};

struct craft {
	uint8_t *bytes;
	size_t size;
	size_t room;
	size_t notes_size;
	size_t build_id; /* offset */
	size_t sections; /* offset of the section headers */
};

/* A note, as it stands in the file. */
struct craft_note {
	const char *provider;
	const char *probe;
	const char *arguments;
	uint64_t site;
	uint64_t base;
	uint64_t semaphore;
};

/* Everything up to the notes; then any number of notes; then the rest. */
void craft_begin(struct craft *craft);
void craft_note(struct craft *craft, const struct craft_note *note);
void craft_end(struct craft *craft);
void craft_free(struct craft *craft);

/* A good note of ours: the site `nth` nop, the first semaphore. */
void craft_good_note(struct craft *craft, const char *probe, unsigned int nth);
/* Begin, one good note for each of the four probes, end. */
void craft_good(struct craft *craft);

/* For spoiling. */
Elf64_Ehdr *craft_header(struct craft *craft);
Elf64_Phdr *craft_segment(struct craft *craft, enum craft_segment segment);
Elf64_Shdr *craft_section(struct craft *craft, enum craft_section section);

void craft_append(struct craft *craft, const void *bytes, size_t size);

/* A file in memory with the first `size` of these bytes; the caller closes it. */
int craft_open(const void *bytes, size_t size);

#endif /* ELF_CRAFT_H */
