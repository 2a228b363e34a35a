/* SPDX-License-Identifier: MIT */
#include "elfnote.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "elf_image.h"
#include "elf_stapsdt.h"

#define PROVIDER "pushback"

/* Bounds on the work that one file can cause. */
#define NOTES_MAX          10000 /* of our provider, looked at */
#define BUILD_ID_BYTES_MAX (1u << 20)

#if defined(__x86_64__)
static const uint8_t nop[] = { 0x90 };
#else
static const uint8_t nop[] = { 0x1f, 0x20, 0x03, 0xd5 };
#endif

/* A reading in progress. */
struct reader {
	struct elf_image image;
	uint64_t build_id_budget; /* bytes that may still be read */
	size_t notes;             /* of our provider */
	struct elfnote *out;
};

static const char *const probe_names[PB_PROBES] = {
	[PB_PROBE_SUBMIT_RETURN] = "submit_return",
	[PB_PROBE_FORWARD_RETURN] = "forward_return",
	[PB_PROBE_POLL_RETURN] = "poll_return",
	[PB_PROBE_STEP_END] = "step_end",
};

const char *elfnote_probe_name(enum pb_probe probe)
{
	return probe_names[probe];
}

static bool site_is_same(const struct elfnote_site *a, const struct elfnote_site *b)
{
	return a->probe == b->probe && a->offset == b->offset && a->semaphore == b->semaphore;
}

bool elfnote_is_same(const struct elfnote *a, const struct elfnote *b)
{
	if (a->build_id_size != b->build_id_size || a->sites_count != b->sites_count ||
	    memcmp(a->build_id, b->build_id, a->build_id_size) != 0)
		return false;
	for (size_t i = 0; i < a->sites_count; i++)
		if (!site_is_same(&a->sites[i], &b->sites[i]))
			return false;
	return true;
}

/* -1: not one of ours. */
static int probe_by_name(const char *name)
{
	for (int i = 0; i < PB_PROBES; i++)
		if (strcmp(name, probe_names[i]) == 0)
			return i;
	return -1;
}

static bool is_nop(const struct elf_image *image, uint64_t offset)
{
	uint8_t there[sizeof(nop)];

	return pread(image->fd, there, sizeof(there), (off_t)offset) == sizeof(there) &&
	       memcmp(there, nop, sizeof(nop)) == 0;
}

/* false: the linker has left it behind, the kernel could not count in it, or somebody lies. */
static bool locate(const struct reader *reader, const struct elf_stapsdt *note,
		   struct elfnote_site *site)
{
	const size_t semaphore_size = sizeof(uint16_t);
	uint64_t semaphore = note->semaphore;

	if (!semaphore)
		return false;
	if (!elf_image_offset(&reader->image, note->site, sizeof(nop), PF_X, &site->offset) ||
	    !is_nop(&reader->image, site->offset))
		return false;
	return elf_image_offset(&reader->image, semaphore, semaphore_size, PF_W,
				&site->semaphore) &&
	       !elf_image_is_relro(&reader->image, semaphore, semaphore_size) &&
	       semaphore % semaphore_size == 0 && site->semaphore % semaphore_size == 0;
}

static bool is_known(const struct elfnote *out, uint64_t offset)
{
	for (size_t i = 0; i < out->sites_count; i++)
		if (out->sites[i].offset == offset)
			return true;
	return false;
}

static void add_note(const struct elf_stapsdt *note, void *context)
{
	struct reader *reader = context;
	struct elfnote *out = reader->out;
	struct elfnote_site site = { 0 };
	int probe;

	if (strcmp(note->provider, PROVIDER) != 0)
		return;
	/* The arguments are not used, but a note without them is none. */
	if (!note->name || !note->arguments) {
		out->malformed++;
		return;
	}
	if (++reader->notes > NOTES_MAX) {
		out->too_many++;
		return;
	}
	probe = probe_by_name(note->name);
	if (probe < 0) {
		out->unknown++;
		return;
	}
	site.probe = (enum pb_probe)probe;
	if (!locate(reader, note, &site))
		out->dead++;
	else if (is_known(out, site.offset))
		out->duplicate++;
	else if (out->sites_count == ELFNOTE_SITES_MAX)
		out->too_many++;
	else
		out->sites[out->sites_count++] = site;
}

static void read_build_id(struct reader *reader, Elf_Data *data)
{
	struct elfnote *out = reader->out;
	size_t at = 0, name, description;

	while (at < data->d_size && !out->build_id_size) {
		size_t next;
		GElf_Nhdr note;
		const char *bytes = data->d_buf;

		next = gelf_getnote(data, at, &note, &name, &description);
		if (next <= at)
			return;
		at = next;
		if (!elf_note_is(&note, bytes + name, ELF_NOTE_GNU, NT_GNU_BUILD_ID) ||
		    note.n_descsz == 0 || note.n_descsz > ELFNOTE_BUILD_ID_MAX)
			continue;
		memcpy(out->build_id, bytes + description, note.n_descsz);
		out->build_id_size = note.n_descsz;
	}
}

static void read_note_section(struct reader *reader, const GElf_Shdr *section)
{
	Elf_Data *data;

	if (section->sh_size == 0 || reader->out->build_id_size ||
	    elf_image_section_is(&reader->image, section, ".note.stapsdt"))
		return;
	data = elf_notes_load(&reader->image, section->sh_offset, section->sh_size,
			      section->sh_addralign, &reader->build_id_budget);
	if (data)
		read_build_id(reader, data);
}

static void read_sections(struct reader *reader)
{
	for (size_t i = 1; i < reader->image.sections; i++) {
		Elf_Scn *handle = elf_getscn(reader->image.elf, i);
		GElf_Shdr section;

		if (gelf_getshdr(handle, &section) && section.sh_type == SHT_NOTE)
			read_note_section(reader, &section);
	}
}

static void read_note_segments(struct reader *reader)
{
	for (size_t i = 0; i < reader->image.segments && !reader->out->build_id_size; i++) {
		Elf_Data *data;
		GElf_Phdr part;

		if (!gelf_getphdr(reader->image.elf, (int)i, &part) || part.p_type != PT_NOTE ||
		    part.p_filesz == 0)
			continue;
		data = elf_notes_load(&reader->image, part.p_offset, part.p_filesz, part.p_align,
				      &reader->build_id_budget);
		if (data)
			read_build_id(reader, data);
	}
}

int elfnote_read(int fd, struct elfnote *out)
{
	struct reader reader = {
		.build_id_budget = BUILD_ID_BYTES_MAX,
		.out = out,
	};
	int err;

	memset(out, 0, sizeof(*out));
	err = elf_image_open(&reader.image, fd);
	if (err)
		return err;
	read_note_segments(&reader);
	read_sections(&reader);
	out->malformed += elf_stapsdt_each(&reader.image, add_note, &reader);
	elf_image_close(&reader.image);
	return 0;
}
