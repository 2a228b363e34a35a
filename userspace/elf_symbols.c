/* SPDX-License-Identifier: MIT */
#include "elf_symbols.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <elfutils/libdw.h>

/* Bounds on the work that one file can cause. */
#define TABLE_BYTES_MAX (1u << 30)
#define FUNCTION_MAX    (64u << 20)

/* Functions begin at the same place and lie in one another only where they are aliases. */
#define ALIASES_MAX 64

struct elf_ranges {
	struct elf_function *functions; /* by address */
	size_t count, capacity;
	int err;
};

/* clang does not say of the cold part of a function what it is. */
static bool is_function(const Elf64_Sym *symbol, const char *name)
{
	return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC || strstr(name, ".cold");
}

/* By what is known without its name, which takes longer to look at. */
static bool may_be_function(const Elf64_Sym *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_NOTYPE) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_size && symbol->st_size <= FUNCTION_MAX;
}

static int load_table(struct elf_image *image, const GElf_Shdr *table, GElf_Shdr *names)
{
	Elf_Scn *section = elf_getscn(image->elf, table->sh_link);
	int err;

	if (!section || !gelf_getshdr(section, names) || names->sh_type != SHT_STRTAB ||
	    names->sh_size > TABLE_BYTES_MAX || table->sh_size > TABLE_BYTES_MAX)
		return -EBADMSG;
	err = elf_image_load(image, table->sh_offset, table->sh_size);
	return err ? err : elf_image_load(image, names->sh_offset, names->sh_size);
}

/* 1: `fn` has had enough. */
static int each_of_table(struct elf_image *image, const GElf_Shdr *table,
			 bool (*fn)(const struct elf_function *function, void *context),
			 void *context)
{
	GElf_Shdr names;
	int err = load_table(image, table, &names);

	for (uint64_t at = 0; !err && at + sizeof(Elf64_Sym) <= table->sh_size;
	     at += sizeof(Elf64_Sym)) {
		struct elf_function function;
		Elf64_Sym symbol;

		memcpy(&symbol, image->memory + table->sh_offset + at, sizeof(symbol));
		if (!may_be_function(&symbol))
			continue;
		function = (struct elf_function){
			.name = elf_image_string(image, &names, symbol.st_name),
			.address = symbol.st_value,
			.size = symbol.st_size,
		};
		if (function.name && is_function(&symbol, function.name) && !fn(&function, context))
			return 1;
	}
	return err;
}

int elf_symbols_each(struct elf_image *image,
		     bool (*fn)(const struct elf_function *function, void *context), void *context)
{
	bool seen[2] = { false };

	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *section = elf_getscn(image->elf, i);
		GElf_Shdr header;
		int err;

		if (!section || !gelf_getshdr(section, &header))
			return -EBADMSG;
		if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)
			continue;
		/* There may be thousands of others, all of the same bytes. */
		if (seen[header.sh_type == SHT_DYNSYM])
			continue;
		seen[header.sh_type == SHT_DYNSYM] = true;
		err = each_of_table(image, &header, fn, context);
		if (err)
			return err > 0 ? 0 : err;
	}
	return 0;
}

/* ---- By address ---- */

static bool add(const struct elf_function *function, void *context)
{
	struct elf_ranges *r = context;

	if (r->count == ELF_RANGES_MAX) {
		r->err = -E2BIG;
		return false;
	}
	if (r->count == r->capacity) {
		size_t more = r->capacity ? r->capacity * 2 : 256;
		struct elf_function *functions = realloc(r->functions, more * sizeof(*functions));

		if (!functions) {
			r->err = -ENOMEM;
			return false;
		}
		r->functions = functions;
		r->capacity = more;
	}
	r->functions[r->count++] = *function;
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct elf_function *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* ---- .eh_frame ---- */

/*
 * What linkers write: both numbers of four bytes, the first counted from where it stands. 0: another
 * encoding, and so nothing is known.
 */
static size_t pointer_size(const Dwarf_CIE *cie)
{
	const char *letter = cie->augmentation;
	const uint8_t *data = cie->augmentation_data;
	size_t left = cie->augmentation_data_size;

	if (*letter++ != 'z')
		return 0;
	for (; *letter; letter++) {
		size_t size = 1;

		if (!left)
			return 0;
		if (*letter == 'R')
			return *data == (DW_EH_PE_pcrel | DW_EH_PE_sdata4) ? 4 : 0;
		if (*letter == 'P')
			size += (*data & 0x07) == DW_EH_PE_udata4 ? 4 : 8;
		if (*letter == 'S' || *letter == 'B')
			size = 0;
		if (size > left)
			return 0;
		data += size;
		left -= size;
	}
	return 0;
}

static void add_frame(struct elf_ranges *r, const Elf_Data *data, uint64_t address,
		      const Dwarf_FDE *fde)
{
	const uint8_t *begin = data->d_buf;
	struct elf_function function = { .name = "" };
	unsigned char ident[EI_NIDENT] = { [EI_CLASS] = ELFCLASS64, [EI_DATA] = ELFDATA2LSB };
	Dwarf_CFI_Entry cie;
	Dwarf_Off next;
	int32_t start;
	uint32_t size;

	if (dwarf_next_cfi(ident, (Elf_Data *)data, true, fde->CIE_pointer, &next, &cie) ||
	    !dwarf_cfi_cie_p(&cie) || pointer_size(&cie.cie) != sizeof(start) ||
	    (size_t)(fde->end - fde->start) < sizeof(start) + sizeof(size))
		return;
	memcpy(&start, fde->start, sizeof(start));
	memcpy(&size, fde->start + sizeof(start), sizeof(size));
	function.address = address + (uint64_t)(fde->start - begin) + (uint64_t)(int64_t)start;
	function.size = size;
	if (size && size <= FUNCTION_MAX)
		add(&function, r);
}

static void add_frames(struct elf_ranges *r, const struct elf_image *image,
		       const GElf_Shdr *section)
{
	unsigned char ident[EI_NIDENT] = { [EI_CLASS] = ELFCLASS64, [EI_DATA] = ELFDATA2LSB };
	Elf_Data data = { .d_buf = image->memory + section->sh_offset,
			  .d_type = ELF_T_BYTE,
			  .d_version = EV_CURRENT,
			  .d_size = section->sh_size };
	Dwarf_CFI_Entry entry;
	Dwarf_Off at = 0, next;

	while (!r->err && !dwarf_next_cfi(ident, &data, true, at, &next, &entry) && next > at) {
		if (!dwarf_cfi_cie_p(&entry))
			add_frame(r, &data, section->sh_addr, &entry.fde);
		at = next;
	}
}

/* Of the first section of that name: linkers make one. */
static void add_all_frames(struct elf_ranges *r, struct elf_image *image)
{
	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *section = elf_getscn(image->elf, i);
		GElf_Shdr header;

		if (!section || !gelf_getshdr(section, &header))
			return;
		if (!elf_image_section_is(image, &header, ".eh_frame"))
			continue;
		if (header.sh_type != SHT_NOBITS && header.sh_size <= TABLE_BYTES_MAX &&
		    !elf_image_load(image, header.sh_offset, header.sh_size))
			add_frames(r, image, &header);
		return;
	}
}

/* ---- Both ---- */

int elf_ranges_new(struct elf_image *image, struct elf_ranges **out)
{
	struct elf_ranges *r = calloc(1, sizeof(*r));
	int err;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	/* Of a table that is damaged what could be read: the code itself is checked as well. */
	elf_symbols_each(image, add, r);
	if (!r->err)
		add_all_frames(r, image);
	err = r->err;
	if (err) {
		elf_ranges_free(r);
		return err;
	}
	if (r->count)
		qsort(r->functions, r->count, sizeof(*r->functions), by_address);
	*out = r;
	return 0;
}

void elf_ranges_free(struct elf_ranges *r)
{
	if (!r)
		return;
	free(r->functions);
	free(r);
}

/* How many begin at or before it. */
static size_t count_until(const struct elf_ranges *r, uint64_t address)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool elf_ranges_find(const struct elf_ranges *r, uint64_t address, struct elf_function *out)
{
	size_t end = count_until(r, address), i;
	bool found = false;

	for (i = end; i > 0 && end - i < ALIASES_MAX; i--) {
		const struct elf_function *f = &r->functions[i - 1];

		if (address - f->address >= f->size)
			continue;
		if (!found || (!*out->name && *f->name))
			*out = *f;
		found = true;
	}
	return found;
}

const uint8_t *elf_code(struct elf_image *image, uint64_t address, uint64_t size)
{
	uint64_t offset;

	if (!elf_image_offset(image, address, size, PF_X, &offset) ||
	    elf_image_load(image, offset, size))
		return NULL;
	return (const uint8_t *)image->memory + offset;
}

bool elf_word(struct elf_image *image, uint64_t address, uint64_t *out)
{
	uint64_t offset;

	if (!elf_image_offset(image, address, sizeof(*out), PF_R, &offset) ||
	    elf_image_load(image, offset, sizeof(*out)))
		return false;
	memcpy(out, image->memory + offset, sizeof(*out));
	return true;
}

bool elf_code_address(const struct elf_image *image, uint64_t offset, uint64_t *out)
{
	for (size_t i = 0; i < image->parts_count; i++) {
		const Elf64_Phdr *load = &image->parts[i];

		if (load->p_type != PT_LOAD || !(load->p_flags & PF_X) ||
		    offset - load->p_offset >= load->p_filesz)
			continue;
		*out = load->p_vaddr + (offset - load->p_offset);
		return true;
	}
	return false;
}
