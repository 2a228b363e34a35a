/* SPDX-License-Identifier: MIT */
/*
 * inject_craft.h - a small shared object for the tests of usdt-inject, made by hand
 *
 * It has a function with two returns and one that has none, known by symbols and by unwind
 * information, and a probe. Addresses are offsets in the file.
 */
#ifndef INJECT_CRAFT_H
#define INJECT_CRAFT_H

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CRAFT_SIZE   0x900
#define CRAFT_TEXT   0x200
#define CRAFT_WORK   0x200 /* to 0x20c: push; test; je; ret; nop5; pop; ret */
#define CRAFT_JUMPER 0x20c /* to 0x20e: jmp work */
#define CRAFT_END    0x20e

static const uint8_t craft_text[] = {
	0x53,                         /* 200 push %rbx */
	0x85, 0xff,                   /* 201 test %edi,%edi */
	0x74, 0x01,                   /* 203 je 206 */
	0xc3,                         /* 205 ret */
	0x0f, 0x1f, 0x44, 0x00, 0x00, /* 206 nop5, before the ret */
	0xc3,                         /* 20b ret */
	0xeb, 0xf2,                   /* 20c jmp 200 */
};

enum craft_section {
	CRAFT_NONE,
	CRAFT_S_TEXT,
	CRAFT_S_SYMTAB,
	CRAFT_S_STRTAB,
	CRAFT_S_FRAME,
	CRAFT_S_NOTES,
	CRAFT_S_BASE,
	CRAFT_S_NAMES,
	CRAFT_SECTIONS,
};

#define CRAFT_SYMTAB  0x240
#define CRAFT_STRTAB  0x2a0
#define CRAFT_FRAME   0x2c0
#define CRAFT_NOTE    0x340
#define CRAFT_BASE    0x3a0
#define CRAFT_NAMES   0x3c0
#define CRAFT_HEADERS 0x480

static const char craft_strings[] = "\0work\0jumper";
static const char craft_names[] =
	"\0.text\0.symtab\0.strtab\0.eh_frame\0.note.stapsdt\0.stapsdt.base\0.shstrtab";

static inline void craft_frames(uint8_t *at)
{
	static const uint8_t cie[] = { 16,  0, 0, 0,    0,  0, 0,    0, 1, 'z',
				       'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0 };
	uint32_t fde[] = { 16, 24, 0, CRAFT_JUMPER - CRAFT_WORK, 0 };

	memcpy(at, cie, sizeof(cie));
	fde[2] = (uint32_t)(CRAFT_WORK - (CRAFT_FRAME + sizeof(cie) + 8));
	memcpy(at + sizeof(cie), fde, sizeof(fde));
	fde[1] += sizeof(fde);
	fde[2] = (uint32_t)(CRAFT_JUMPER - (CRAFT_FRAME + sizeof(cie) + sizeof(fde) + 8));
	fde[3] = CRAFT_END - CRAFT_JUMPER;
	memcpy(at + sizeof(cie) + sizeof(fde), fde, sizeof(fde));
}

#define CRAFT_FRAME_SIZE 60

static inline size_t craft_note(uint8_t *at)
{
	const uint32_t header[] = { 8, 24 + 4 + 4 + 1, 3 };
	const uint64_t addresses[] = { CRAFT_WORK + 1, CRAFT_BASE, 0 };

	memcpy(at, header, sizeof(header));
	memcpy(at + 12, "stapsdt", 8);
	memcpy(at + 20, addresses, sizeof(addresses));
	memcpy(at + 44, "old\0one\0", 9);
	return 56;
}

static inline void craft_symbols(uint8_t *at)
{
	const Elf64_Sym symbols[] = {
		{ 0 },
		{ .st_name = 1,
		  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		  .st_shndx = CRAFT_S_TEXT,
		  .st_value = CRAFT_WORK,
		  .st_size = CRAFT_JUMPER - CRAFT_WORK },
		{ .st_name = 6,
		  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		  .st_shndx = CRAFT_S_TEXT,
		  .st_value = CRAFT_JUMPER,
		  .st_size = CRAFT_END - CRAFT_JUMPER },
	};

	memcpy(at, symbols, sizeof(symbols));
}

static inline void craft_section(uint8_t *bytes, enum craft_section index, Elf64_Shdr section,
				 const char *name)
{
	section.sh_name = (uint32_t)((const char *)memmem(craft_names, sizeof(craft_names), name,
							  strlen(name) + 1) -
				     craft_names);
	memcpy(bytes + CRAFT_HEADERS + index * sizeof(section), &section, sizeof(section));
}

static inline Elf64_Shdr craft_place(uint32_t type, uint64_t flags, uint64_t at, uint64_t size)
{
	return (Elf64_Shdr){ .sh_type = type,
			     .sh_flags = flags,
			     .sh_addr = flags & SHF_ALLOC ? at : 0,
			     .sh_offset = at,
			     .sh_size = size,
			     .sh_addralign = 1 };
}

static inline void craft_sections(uint8_t *bytes, size_t notes)
{
	Elf64_Shdr symbols = craft_place(SHT_SYMTAB, 0, CRAFT_SYMTAB, 3 * sizeof(Elf64_Sym));

	symbols.sh_link = CRAFT_S_STRTAB;
	symbols.sh_info = 1;
	symbols.sh_entsize = sizeof(Elf64_Sym);
	symbols.sh_addralign = 8;
	craft_section(bytes, CRAFT_S_TEXT,
		      craft_place(SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, CRAFT_TEXT,
				  sizeof(craft_text)),
		      ".text");
	craft_section(bytes, CRAFT_S_SYMTAB, symbols, ".symtab");
	craft_section(bytes, CRAFT_S_STRTAB,
		      craft_place(SHT_STRTAB, 0, CRAFT_STRTAB, sizeof(craft_strings)), ".strtab");
	craft_section(bytes, CRAFT_S_FRAME,
		      craft_place(SHT_PROGBITS, SHF_ALLOC, CRAFT_FRAME, CRAFT_FRAME_SIZE),
		      ".eh_frame");
	craft_section(bytes, CRAFT_S_NOTES, craft_place(SHT_NOTE, 0, CRAFT_NOTE, notes),
		      ".note.stapsdt");
	craft_section(bytes, CRAFT_S_BASE, craft_place(SHT_PROGBITS, SHF_ALLOC, CRAFT_BASE, 1),
		      ".stapsdt.base");
	craft_section(bytes, CRAFT_S_NAMES,
		      craft_place(SHT_STRTAB, 0, CRAFT_NAMES, sizeof(craft_names)), ".shstrtab");
}

/* To free(). */
static inline uint8_t *craft_file(void)
{
	uint8_t *bytes = calloc(1, CRAFT_SIZE);
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_shoff = CRAFT_HEADERS,
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = CRAFT_SECTIONS,
		.e_shstrndx = CRAFT_S_NAMES,
	};
	const Elf64_Phdr segment = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_filesz = CRAFT_NAMES,
		.p_memsz = CRAFT_NAMES,
		.p_align = 0x1000,
	};

	if (!bytes)
		abort();
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &segment, sizeof(segment));
	memcpy(bytes + CRAFT_TEXT, craft_text, sizeof(craft_text));
	craft_symbols(bytes + CRAFT_SYMTAB);
	memcpy(bytes + CRAFT_STRTAB, craft_strings, sizeof(craft_strings));
	craft_frames(bytes + CRAFT_FRAME);
	memcpy(bytes + CRAFT_NAMES, craft_names, sizeof(craft_names));
	craft_sections(bytes, craft_note(bytes + CRAFT_NOTE));
	return bytes;
}

#endif /* INJECT_CRAFT_H */
