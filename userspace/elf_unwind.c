/* SPDX-License-Identifier: MIT */
#include "elf_unwind.h"

#include <dwarf.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <elfutils/libdw.h>

#define TABLE_BYTES_MAX (1u << 30)

/* What is known of the file. */
struct known {
	bool handlers;       /* some function has a personality routine */
	bool program;        /* and no library */
	bool opens;          /* libraries, as it runs */
	const char *library; /* one that it needs, of which nothing is known */
	bool seen[3];        /* sections: what it needs, symbols, frames */
};

/* A section with its strings; false: it cannot be read. */
static bool load(struct elf_image *image, const GElf_Shdr *section, GElf_Shdr *names)
{
	Elf_Scn *linked = elf_getscn(image->elf, section->sh_link);

	return linked && gelf_getshdr(linked, names) && names->sh_type == SHT_STRTAB &&
	       section->sh_type != SHT_NOBITS && section->sh_size <= TABLE_BYTES_MAX &&
	       names->sh_size <= TABLE_BYTES_MAX &&
	       !elf_image_load(image, section->sh_offset, section->sh_size) &&
	       !elf_image_load(image, names->sh_offset, names->sh_size);
}

/* "" where there is none. */
static const char *string_at(const struct elf_image *image, const GElf_Shdr *names, uint64_t at)
{
	const char *string = elf_image_string(image, names, at);

	return string ? string : "";
}

/* Of C, which throws nothing. */
static bool is_known(const char *library)
{
	static const char *const known[] = {
		"libc.so",  "libm.so",    "libpthread.so", "libdl.so",
		"librt.so", "libc.musl-", "ld-linux",      "ld-musl-"
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strncmp(library, known[i], strlen(known[i])))
			return true;
	return false;
}

static bool look_at_needs(struct elf_image *image, const GElf_Shdr *section, struct known *out)
{
	GElf_Shdr names;

	if (!load(image, section, &names))
		return false;
	for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= section->sh_size; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, image->memory + section->sh_offset + at, sizeof(entry));
		if (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_PIE)
			out->program = true;
		if (entry.d_tag == DT_NEEDED &&
		    !is_known(string_at(image, &names, entry.d_un.d_val)))
			out->library = string_at(image, &names, entry.d_un.d_val);
	}
	return true;
}

static bool look_at_symbols(struct elf_image *image, const GElf_Shdr *section, struct known *out)
{
	GElf_Shdr names;

	if (!load(image, section, &names))
		return false;
	for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section->sh_size; at += sizeof(Elf64_Sym)) {
		const char *name;
		Elf64_Sym symbol;

		memcpy(&symbol, image->memory + section->sh_offset + at, sizeof(symbol));
		name = string_at(image, &names, symbol.st_name);
		if (!strcmp(name, "dlopen") || !strcmp(name, "dlmopen"))
			out->opens = true;
	}
	return true;
}

/* A personality routine is what looks for handlers, and landing pads, as an exception passes. */
static bool look_at_frames(struct elf_image *image, const GElf_Shdr *section, struct known *out)
{
	unsigned char ident[EI_NIDENT] = { [EI_CLASS] = ELFCLASS64, [EI_DATA] = ELFDATA2LSB };
	Elf_Data data = { .d_type = ELF_T_BYTE,
			  .d_version = EV_CURRENT,
			  .d_size = section->sh_size };
	Dwarf_CFI_Entry entry;
	Dwarf_Off at = 0, next;
	int end;

	if (section->sh_type == SHT_NOBITS || section->sh_size > TABLE_BYTES_MAX ||
	    elf_image_load(image, section->sh_offset, section->sh_size))
		return false;
	data.d_buf = image->memory + section->sh_offset;
	while (!(end = dwarf_next_cfi(ident, &data, true, at, &next, &entry)) && next > at) {
		if (dwarf_cfi_cie_p(&entry) && strchr(entry.cie.augmentation, 'P'))
			out->handlers = true;
		at = next;
	}
	return end > 0;
}

/* One of each there is, by the gABI and as linkers make it. A second one is nothing that is understood. */
static bool is_first(struct known *out, int kind)
{
	bool first = !out->seen[kind];

	out->seen[kind] = true;
	return first;
}

static bool look_at(struct elf_image *image, const GElf_Shdr *section, struct known *out)
{
	if (section->sh_type == SHT_DYNAMIC)
		return is_first(out, 0) && look_at_needs(image, section, out);
	if (section->sh_type == SHT_DYNSYM)
		return is_first(out, 1) && look_at_symbols(image, section, out);
	if (elf_image_section_is(image, section, ".eh_frame"))
		return is_first(out, 2) && look_at_frames(image, section, out);
	return true;
}

static bool is_readable(struct elf_image *image, struct known *out)
{
	GElf_Ehdr header;

	if (!image->sections || !gelf_getehdr(image->elf, &header))
		return false;
	out->program = header.e_type == ET_EXEC;
	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *scn = elf_getscn(image->elf, i);
		GElf_Shdr section;

		if (!scn || !gelf_getshdr(scn, &section) || !look_at(image, &section, out))
			return false;
	}
	return true;
}

bool elf_may_unwind(struct elf_image *image, char *why, size_t why_size)
{
	struct known known = { 0 };

	if (!is_readable(image, &known))
		snprintf(why, why_size, "its sections, which would tell, cannot be read");
	else if (known.handlers)
		snprintf(why, why_size, "it has handlers for them, as C++ and Rust have");
	else if (!known.program)
		snprintf(why, why_size, "it is a library, and whose is not known");
	else if (known.library)
		snprintf(why, why_size, "it uses %.128s, which may be of C++ or Rust",
			 known.library);
	else if (known.opens)
		snprintf(why, why_size, "it opens libraries (dlopen), which may be of C++ or Rust");
	else
		return false;
	return true;
}
