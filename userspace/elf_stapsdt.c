/* SPDX-License-Identifier: MIT */
#include "elf_stapsdt.h"

#include <elf.h>
#include <string.h>

#define NOTE_OWNER "stapsdt"
#define NOTE_TYPE  3

/* Bounds on the work that one file can cause. */
#define NOTE_BYTES_MAX (16u << 20)

/* What precedes the strings of a note: struct stapsdt's three addresses. */
struct addresses {
	uint64_t site;
	uint64_t base;
	uint64_t semaphore;
};

/* A reading in progress. */
struct reader {
	uint64_t base; /* where .stapsdt.base is, 0 if nowhere */
	uint64_t budget;
	size_t notes; /* that were looked at, whoever's */
	size_t malformed;
	void (*fn)(const struct elf_stapsdt *probe, void *context);
	void *context;
};

/* The string at *at, which moves behind it; NULL: not terminated before `end`. */
static const char *take_string(const char **at, const char *end)
{
	const char *string = *at;
	const char *nul = string < end ? memchr(string, 0, (size_t)(end - string)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return string;
}

/*
 * An address in a note is where the linker put it. prelink and the like move sections later and do
 * not know notes; how far, the moved .stapsdt.base section tells. A note base of 0 was lost on the
 * way and says nothing.
 */
static uint64_t adjusted(const struct reader *reader, uint64_t address, uint64_t note_base)
{
	if (!reader->base || !note_base || !address)
		return address;
	return address + (reader->base - note_base);
}

/* The payload of a stapsdt note: three addresses, then provider, probe and arguments as strings. */
static void read_description(struct reader *reader, const char *at, size_t size)
{
	const char *end = at + size;
	struct elf_stapsdt probe;
	struct addresses there;

	if (size < sizeof(there)) {
		reader->malformed++;
		return;
	}
	memcpy(&there, at, sizeof(there));
	at += sizeof(there);
	probe.site = adjusted(reader, there.site, there.base);
	probe.semaphore = adjusted(reader, there.semaphore, there.base);
	probe.provider = take_string(&at, end);
	probe.name = probe.provider ? take_string(&at, end) : NULL;
	probe.arguments = probe.name ? take_string(&at, end) : NULL;
	if (probe.provider)
		reader->fn(&probe, reader->context);
	else
		reader->malformed++;
}

bool elf_note_is(const GElf_Nhdr *note, const char *there, const char *owner, uint32_t type)
{
	size_t size = strlen(owner) + 1;

	return note->n_type == type && note->n_namesz == size && memcmp(there, owner, size) == 0;
}

static void read_notes(struct reader *reader, Elf_Data *data)
{
	size_t at = 0, name, description;

	while (at < data->d_size) {
		size_t next;
		GElf_Nhdr note;
		const char *bytes = data->d_buf;

		next = gelf_getnote(data, at, &note, &name, &description);
		if (next <= at || reader->notes == ELF_STAPSDT_NOTES_MAX) {
			reader->malformed++;
			return;
		}
		reader->notes++;
		at = next;
		if (elf_note_is(&note, bytes + name, NOTE_OWNER, NOTE_TYPE))
			read_description(reader, bytes + description, note.n_descsz);
	}
}

Elf_Data *elf_notes_load(struct elf_image *image, uint64_t offset, uint64_t size, uint64_t align,
			 uint64_t *budget)
{
	if (size > *budget)
		return NULL;
	*budget -= size;
	if (elf_image_load(image, offset, size))
		return NULL;
	return elf_getdata_rawchunk(image->elf, (int64_t)offset, size,
				    align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
}

static uint64_t find_base(const struct elf_image *image)
{
	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *handle = elf_getscn(image->elf, i);
		GElf_Shdr section;

		if (gelf_getshdr(handle, &section) && section.sh_type != SHT_NOTE &&
		    elf_image_section_is(image, &section, ".stapsdt.base"))
			return section.sh_addr;
	}
	return 0;
}

size_t elf_stapsdt_each(struct elf_image *image,
			void (*fn)(const struct elf_stapsdt *probe, void *context), void *context)
{
	struct reader reader = {
		.base = find_base(image), .budget = NOTE_BYTES_MAX, .fn = fn, .context = context
	};

	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *handle = elf_getscn(image->elf, i);
		GElf_Shdr section;
		Elf_Data *data;

		if (!gelf_getshdr(handle, &section) || section.sh_type != SHT_NOTE ||
		    !section.sh_size || !elf_image_section_is(image, &section, ".note.stapsdt"))
			continue;
		data = elf_notes_load(image, section.sh_offset, section.sh_size, 4, &reader.budget);
		if (data)
			read_notes(&reader, data);
		else
			reader.malformed++;
	}
	return reader.malformed;
}
