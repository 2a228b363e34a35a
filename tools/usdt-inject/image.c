/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_within(uint64_t offset, uint64_t size, uint64_t whole)
{
	return offset <= whole && size <= whole - offset;
}

static int check_kind(const Elf64_Ehdr *header, struct why *why)
{
	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(why, "is a 32-bit file: only 64-bit ones are supported");
	if (header->e_ident[EI_DATA] != ELFDATA2LSB)
		return refuse(why, "is big-endian: only x86-64 and little-endian aarch64 are "
				   "supported");
	if (header->e_machine != EM_X86_64 && header->e_machine != EM_AARCH64)
		return refuse(why,
			      "is for another machine (ELF machine %u): only x86-64 and "
			      "aarch64 are supported",
			      header->e_machine);
	if (header->e_type == ET_REL)
		return refuse(why, "is an object file: inject the program or library it is linked "
				   "into");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return refuse(why, "is no executable and no shared object (ELF type %u)",
			      header->e_type);
	return 0;
}

static int check_header(struct image *image, struct why *why)
{
	const Elf64_Ehdr *header = &image->header;
	int err;

	if (image->size < sizeof(*header) || memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
		return refuse(why, "is not an ELF file");
	memcpy(&image->header, image->bytes, sizeof(*header));
	err = check_kind(header, why);
	if (err)
		return err;
	if (header->e_ehsize != sizeof(Elf64_Ehdr) ||
	    (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr)))
		return refuse(why, "has ELF headers of unknown sizes: it is damaged");
	if (!header->e_shoff || !header->e_shnum)
		return refuse(why, "has no section headers, and that is where tracers look for "
				   "probes: use a copy from before they were removed");
	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return refuse(why, "has ELF headers of unknown sizes: it is damaged");
	if (header->e_phnum == PN_XNUM || header->e_shnum >= SHN_LORESERVE - 8)
		return refuse(why, "has more sections or segments than are supported");
	if (!is_within(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), image->size) ||
	    !is_within(header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr), image->size))
		return refuse(why, "is truncated: its headers reach past its end");
	return 0;
}

/* Copies of the tables, since nothing says that they are aligned in the file. */
static int copy_tables(struct image *image, struct why *why)
{
	const Elf64_Ehdr *header = &image->header;

	image->segments = calloc(header->e_phnum + 1u, sizeof(Elf64_Phdr));
	image->sections = calloc(header->e_shnum, sizeof(Elf64_Shdr));
	if (!image->segments || !image->sections)
		return refuse_memory(why);
	image->segments_count = header->e_phnum;
	image->sections_count = header->e_shnum;
	memcpy(image->segments, image->bytes + header->e_phoff,
	       image->segments_count * sizeof(Elf64_Phdr));
	memcpy(image->sections, image->bytes + header->e_shoff,
	       image->sections_count * sizeof(Elf64_Shdr));
	return 0;
}

static int check_names(struct image *image, struct why *why)
{
	const Elf64_Shdr *names;

	if (image->header.e_shstrndx == SHN_UNDEF ||
	    image->header.e_shstrndx >= image->sections_count)
		return refuse(why, "has no section names: it is damaged");
	names = &image->sections[image->header.e_shstrndx];
	if (names->sh_type != SHT_STRTAB || names->sh_size == 0 ||
	    !is_within(names->sh_offset, names->sh_size, image->size) ||
	    image->bytes[names->sh_offset + names->sh_size - 1] != '\0')
		return refuse(why, "has broken section names: it is damaged");
	image->names = (const char *)image->bytes + names->sh_offset;
	image->names_size = names->sh_size;
	return 0;
}

static int check_sections(const struct image *image, struct why *why)
{
	for (size_t i = 1; i < image->sections_count; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (section->sh_name >= image->names_size)
			return refuse(why, "has broken section names: it is damaged");
		if (section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
		    !is_within(section->sh_offset, section->sh_size, image->size))
			return refuse(why, "is truncated: section '%.64s' reaches past its end",
				      image_name(image, section));
		if (section->sh_addr + section->sh_size < section->sh_addr)
			return refuse(why, "is damaged: section '%.64s' has no possible address",
				      image_name(image, section));
	}
	return 0;
}

static int check_segments(const struct image *image, struct why *why)
{
	for (size_t i = 0; i < image->segments_count; i++) {
		const Elf64_Phdr *segment = &image->segments[i];

		if (!is_within(segment->p_offset, segment->p_filesz, image->size))
			return refuse(why, "is truncated: segment %zu reaches past its end", i);
		if (segment->p_vaddr + segment->p_memsz < segment->p_vaddr ||
		    (segment->p_type == PT_LOAD && segment->p_filesz > segment->p_memsz))
			return refuse(why, "is damaged: segment %zu has no possible address", i);
	}
	return 0;
}

static int check(struct image *image, struct why *why)
{
	int err = check_header(image, why);

	err = err ? err : copy_tables(image, why);
	err = err ? err : check_names(image, why);
	err = err ? err : check_sections(image, why);
	return err ? err : check_segments(image, why);
}

int image_open(struct image *image, uint8_t *bytes, size_t size, struct why *why)
{
	int err;

	memset(image, 0, sizeof(*image));
	image->bytes = bytes;
	image->size = size;
	err = check(image, why);
	if (err)
		image_close(image);
	return err;
}

void image_close(struct image *image)
{
	free(image->bytes);
	free(image->segments);
	free(image->sections);
	memset(image, 0, sizeof(*image));
}

const char *image_name(const struct image *image, const Elf64_Shdr *section)
{
	return image->names + section->sh_name;
}

const Elf64_Shdr *image_section(const struct image *image, const char *name)
{
	for (size_t i = 1; i < image->sections_count; i++)
		if (strcmp(image_name(image, &image->sections[i]), name) == 0)
			return &image->sections[i];
	return NULL;
}

const uint8_t *image_content(const struct image *image, const Elf64_Shdr *section)
{
	if (section->sh_type == SHT_NOBITS || section->sh_type == SHT_NULL)
		return NULL;
	return image->bytes + section->sh_offset;
}

const Elf64_Phdr *image_segment(const struct image *image, uint64_t address, uint32_t flags)
{
	for (const Elf64_Phdr *s = image->segments; s < image->segments + image->segments_count;
	     s++)
		if (s->p_type == PT_LOAD && (s->p_flags & flags) == flags &&
		    address >= s->p_vaddr && address - s->p_vaddr < s->p_filesz)
			return s;
	return NULL;
}

const Elf64_Phdr *image_segment_at_offset(const struct image *image, uint64_t offset,
					  uint32_t flags)
{
	for (const Elf64_Phdr *s = image->segments; s < image->segments + image->segments_count;
	     s++)
		if (s->p_type == PT_LOAD && (s->p_flags & flags) == flags &&
		    offset >= s->p_offset && offset - s->p_offset < s->p_filesz)
			return s;
	return NULL;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t image_end(const struct image *image)
{
	uint64_t end = image->header.e_shoff + image->sections_count * sizeof(Elf64_Shdr);

	end = larger(end, image->header.e_phoff + image->segments_count * sizeof(Elf64_Phdr));
	for (size_t i = 0; i < image->segments_count; i++)
		end = larger(end, image->segments[i].p_offset + image->segments[i].p_filesz);
	for (size_t i = 1; i < image->sections_count; i++)
		if (image_content(image, &image->sections[i]))
			end = larger(end,
				     image->sections[i].sh_offset + image->sections[i].sh_size);
	return end;
}
