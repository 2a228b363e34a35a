/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

/* An .eh_frame being read. */
struct reader {
	const uint8_t *bytes;
	size_t size;
	uint64_t address; /* of the section when loaded */
	Elf_Data data;
	const unsigned char *ident;
};

static size_t width_of(uint8_t encoding)
{
	switch (encoding & 0x07) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8: /* and sdata8 */
		return 8;
	case DW_EH_PE_udata4:
		return 4;
	case DW_EH_PE_udata2:
		return 2;
	default:
		return 0; /* LEB128: no compiler uses it here */
	}
}

static uint64_t number_at(const uint8_t *at, size_t width, bool is_signed)
{
	uint64_t value = 0;

	memcpy(&value, at, width); /* little-endian, as all files that image_open() takes */
	if (is_signed && width < 8 && value >> (8 * width - 1))
		value |= ~0ull << 8 * width;
	return value;
}

/* How the addresses of a CIE's functions are written; DW_EH_PE_omit: unknown. */
static uint8_t encoding_of(const Dwarf_CIE *cie)
{
	const char *letter = cie->augmentation;
	const uint8_t *at = cie->augmentation_data;
	const uint8_t *end = at + cie->augmentation_data_size;

	if (*letter == '\0')
		return DW_EH_PE_absptr;
	if (*letter != 'z')
		return DW_EH_PE_omit;
	for (letter++; *letter && at < end; letter++) {
		if (*letter == 'R')
			return *at;
		if (*letter == 'P') {
			size_t width = width_of(*at);

			if (!width || (size_t)(end - at) <= width)
				return DW_EH_PE_omit;
			at += 1 + width;
		} else if (*letter == 'L') {
			at++;
		} else if (*letter != 'S' && *letter != 'B') {
			return DW_EH_PE_omit;
		}
	}
	return *letter ? DW_EH_PE_omit : DW_EH_PE_absptr;
}

static bool read_function(const struct reader *reader, const Dwarf_FDE *fde, struct frame *frame)
{
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;
	uint8_t encoding;
	size_t width;

	if (fde->CIE_pointer >= reader->size ||
	    dwarf_next_cfi(reader->ident, (Elf_Data *)&reader->data, true, fde->CIE_pointer, &next,
			   &entry) != 0 ||
	    !dwarf_cfi_cie_p(&entry))
		return false;
	encoding = encoding_of(&entry.cie);
	width = width_of(encoding);
	if (encoding == DW_EH_PE_omit || !width || (size_t)(fde->end - fde->start) < 2 * width)
		return false;
	frame->start = number_at(fde->start, width, encoding & DW_EH_PE_signed);
	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		frame->start += reader->address + (uint64_t)(fde->start - reader->bytes);
	else if ((encoding & 0x70) != DW_EH_PE_absptr)
		return false;
	frame->end = frame->start + number_at(fde->start + width, width, false);
	return frame->end > frame->start;
}

int frames_each(const struct image *image, int (*found)(void *ctx, struct frame frame), void *ctx)
{
	const Elf64_Shdr *section = image_section(image, ".eh_frame");
	struct reader reader = { 0 };
	Dwarf_Off at = 0, next;
	Dwarf_CFI_Entry entry;
	struct frame frame;
	int got, err = 0;

	if (!section || !image_content(image, section))
		return 0;
	reader.bytes = image_content(image, section);
	reader.size = section->sh_size;
	reader.address = section->sh_addr;
	reader.ident = image->header.e_ident;
	reader.data.d_buf = (void *)reader.bytes;
	reader.data.d_size = reader.size;
	reader.data.d_version = EV_CURRENT;
	for (; !err && at < reader.size; at = next) {
		next = at;
		got = dwarf_next_cfi(reader.ident, &reader.data, true, at, &next, &entry);
		/* An entry that it can't read has a length all the same: -1 and a next one. */
		if (got > 0 || next == (Dwarf_Off)-1 || next <= at)
			break;
		if (got == 0 && !dwarf_cfi_cie_p(&entry) &&
		    read_function(&reader, &entry.fde, &frame))
			err = found(ctx, frame);
	}
	return err;
}
