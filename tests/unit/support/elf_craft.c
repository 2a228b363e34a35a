/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "elf_craft.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

static const char names[] = "\0.note.gnu.build-id\0.note.stapsdt\0.stapsdt.base\0.shstrtab";

static uint32_t name_at(const char *name)
{
	const char *at = names + 1;

	while (strcmp(at, name) != 0)
		at += strlen(at) + 1;
	return (uint32_t)(at - names);
}

void craft_append(struct craft *craft, const void *bytes, size_t size)
{
	while (craft->size + size > craft->room) {
		craft->room = craft->room ? 2 * craft->room : 0x2000;
		craft->bytes = realloc(craft->bytes, craft->room);
		if (!craft->bytes)
			abort();
	}
	if (size)
		memcpy(craft->bytes + craft->size, bytes, size);
	craft->size += size;
}

/* Zeros up to an offset. */
static void pad_to(struct craft *craft, size_t offset)
{
	while (craft->size < offset)
		craft_append(craft, "", 1);
}

static void align(struct craft *craft, size_t to)
{
	pad_to(craft, (craft->size + to - 1) / to * to);
}

Elf64_Ehdr *craft_header(struct craft *craft)
{
	return (Elf64_Ehdr *)(void *)craft->bytes;
}

Elf64_Phdr *craft_segment(struct craft *craft, enum craft_segment segment)
{
	return (Elf64_Phdr *)(void *)(craft->bytes + sizeof(Elf64_Ehdr)) + segment;
}

Elf64_Shdr *craft_section(struct craft *craft, enum craft_section section)
{
	return (Elf64_Shdr *)(void *)(craft->bytes + craft->sections) + section;
}

static void set_segment(struct craft *craft, enum craft_segment which, uint32_t type,
			uint32_t flags, uint64_t offset, uint64_t address, uint64_t size)
{
	*craft_segment(craft, which) = (Elf64_Phdr){
		.p_type = type,
		.p_flags = flags,
		.p_offset = offset,
		.p_vaddr = address,
		.p_paddr = address,
		.p_filesz = size,
		.p_memsz = size,
		.p_align = 4,
	};
}

static void fill_header(struct craft *craft)
{
	*craft_header(craft) = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = CRAFT_SEGMENTS,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	set_segment(craft, CRAFT_SEGMENT_HEADERS, PT_LOAD, PF_R, 0, 0x400000, 0x1000);
	set_segment(craft, CRAFT_SEGMENT_TEXT, PT_LOAD, PF_R | PF_X, CRAFT_TEXT_OFFSET,
		    CRAFT_TEXT_BASE, CRAFT_TEXT_SIZE);
	set_segment(craft, CRAFT_SEGMENT_DATA, PT_LOAD, PF_R | PF_W, CRAFT_DATA_OFFSET,
		    CRAFT_DATA_BASE, CRAFT_DATA_SIZE);
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_memsz += CRAFT_BSS_SIZE;
	set_segment(craft, CRAFT_SEGMENT_RELRO, PT_GNU_RELRO, PF_R, CRAFT_DATA_OFFSET + 0x80,
		    CRAFT_RELRO_BASE, CRAFT_DATA_SIZE - 0x80);
}

static void fill_build_id(struct craft *craft)
{
	static const Elf64_Nhdr note = { 4, 20, NT_GNU_BUILD_ID };

	craft->build_id = 0x800;
	memcpy(craft->bytes + craft->build_id, &note, sizeof(note));
	memcpy(craft->bytes + craft->build_id + 12, "GNU", 4);
	for (uint8_t i = 0; i < 20; i++)
		craft->bytes[craft->build_id + 16 + i] = i + 1;
	set_segment(craft, CRAFT_SEGMENT_NOTE, PT_NOTE, PF_R, craft->build_id, 0x400800, 36);
}

static void fill_text(struct craft *craft)
{
#if defined(__x86_64__)
	static const uint8_t nop_ret[] = { 0x90, 0xc3 };
#else
	static const uint8_t nop_ret[] = { 0x1f, 0x20, 0x03, 0xd5, 0xc0, 0x03, 0x5f, 0xd6 };
#endif
	for (size_t i = 0; i < CRAFT_TEXT_SIZE; i++)
		craft->bytes[CRAFT_TEXT_OFFSET + i] = nop_ret[i % sizeof(nop_ret)];
}

void craft_begin(struct craft *craft)
{
	memset(craft, 0, sizeof(*craft));
	pad_to(craft, CRAFT_NOTES);
	fill_header(craft);
	fill_build_id(craft);
	fill_text(craft);
}

void craft_note(struct craft *craft, const struct craft_note *note)
{
	const uint64_t addresses[] = { note->site, note->base, note->semaphore };
	Elf64_Nhdr header = { 8, 0, 3 };

	header.n_descsz = (Elf64_Word)(sizeof(addresses) + strlen(note->provider) + 1 +
				       strlen(note->probe) + 1 + strlen(note->arguments) + 1);
	craft_append(craft, &header, sizeof(header));
	craft_append(craft, "stapsdt", 8);
	craft_append(craft, addresses, sizeof(addresses));
	craft_append(craft, note->provider, strlen(note->provider) + 1);
	craft_append(craft, note->probe, strlen(note->probe) + 1);
	craft_append(craft, note->arguments, strlen(note->arguments) + 1);
	align(craft, 4);
	craft->notes_size = craft->size - CRAFT_NOTES;
}

void craft_good_note(struct craft *craft, const char *probe, unsigned int nth)
{
	const unsigned int step = MACHINE == EM_X86_64 ? 2 : 8;
	const struct craft_note note = {
		.provider = "pushback",
		.probe = probe,
		.arguments = "",
		.site = CRAFT_TEXT_BASE + (uint64_t)step * nth,
		.base = CRAFT_BASE_BASE,
		.semaphore = CRAFT_DATA_BASE,
	};

	craft_note(craft, &note);
}

static void set_section(struct craft *craft, enum craft_section which, const char *name,
			uint32_t type, uint64_t address, uint64_t offset, uint64_t size)
{
	*craft_section(craft, which) = (Elf64_Shdr){
		.sh_name = name_at(name),
		.sh_type = type,
		.sh_addr = address,
		.sh_offset = offset,
		.sh_size = size,
		.sh_addralign = 4,
	};
}

void craft_end(struct craft *craft)
{
	static const Elf64_Shdr none[CRAFT_SECTIONS];
	size_t names_at = craft->size;

	craft_append(craft, names, sizeof(names));
	align(craft, 8);
	craft->sections = craft->size;
	craft_append(craft, none, sizeof(none));
	craft_header(craft)->e_shoff = craft->sections;
	craft_header(craft)->e_shnum = CRAFT_SECTIONS;
	craft_header(craft)->e_shstrndx = CRAFT_SECTION_NAMES;
	set_section(craft, CRAFT_SECTION_BUILD_ID, ".note.gnu.build-id", SHT_NOTE, 0x400800,
		    craft->build_id, 36);
	set_section(craft, CRAFT_SECTION_PROBES, ".note.stapsdt", SHT_NOTE, 0, CRAFT_NOTES,
		    craft->notes_size);
	set_section(craft, CRAFT_SECTION_BASE, ".stapsdt.base", SHT_PROGBITS, CRAFT_BASE_BASE,
		    CRAFT_DATA_OFFSET, 1);
	set_section(craft, CRAFT_SECTION_NAMES, ".shstrtab", SHT_STRTAB, 0, names_at,
		    sizeof(names));
}

void craft_good(struct craft *craft)
{
	craft_begin(craft);
	craft_good_note(craft, "submit_return", 0);
	craft_good_note(craft, "forward_return", 1);
	craft_good_note(craft, "poll_return", 2);
	craft_good_note(craft, "step_end", 3);
	craft_end(craft);
}

void craft_free(struct craft *craft)
{
	free(craft->bytes);
	memset(craft, 0, sizeof(*craft));
}

int craft_open(const void *bytes, size_t size)
{
	int fd = memfd_create("craft", MFD_CLOEXEC);

	if (fd < 0 || (size && pwrite(fd, bytes, size, 0) != (ssize_t)size))
		abort();
	return fd;
}
