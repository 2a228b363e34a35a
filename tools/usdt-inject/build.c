/* SPDX-License-Identifier: MIT */
/*
 * Everything of the original stays where it is, its section headers too. Behind it come the notes
 * (those that were there and ours: perf and libbpf read only the first section of the name), the
 * names of sections, the record, and new section headers. Two sections of the original change: those
 * of the notes and of the names point to the new ones.
 */
#include "build.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"
#include "note.h"
#include "undo.h"

#define HEADERS_ALIGN 8

struct blob {
	uint8_t *bytes;
	size_t size;
	uint64_t offset;
};

/* A file in the making. */
struct builder {
	const struct image *image;
	const struct plan *plan;
	struct base base;
	const Elf64_Shdr *notes_there; /* NULL: none */
	struct blob notes;
	struct blob names;
	struct blob record;
	uint64_t headers;
	/* Where the new names are, in the names. */
	uint32_t notes_name;
	uint32_t base_name;
	uint32_t record_name;
};

static uint64_t align(uint64_t offset, uint64_t to)
{
	return (offset + to - 1) / to * to;
}

/* ---- what is appended ---- */

static size_t write_notes(const struct builder *builder, uint8_t *out)
{
	const Elf64_Shdr *there = builder->notes_there;
	size_t at = there ? align(there->sh_size, NOTE_ALIGN) : 0;

	if (there && out)
		memcpy(out, image_content(builder->image, there), there->sh_size);
	for (size_t i = 0; i < builder->plan->count; i++) {
		const struct site *site = &builder->plan->items[i];
		const struct note note = {
			.site = site->address,
			.base = builder->base.address,
			.provider = site->spec->provider,
			.name = site->spec->name,
			.arguments = site->spec->arguments,
		};

		at += note_write(&note, out ? out + at : NULL);
	}
	return at;
}

static uint32_t add_name(struct blob *names, const char *name)
{
	uint32_t at = (uint32_t)names->size;

	memcpy(names->bytes + at, name, strlen(name) + 1);
	names->size += strlen(name) + 1;
	return at;
}

static int make_blobs(struct builder *builder)
{
	const struct image *image = builder->image;
	struct blob *names = &builder->names;
	const size_t more = sizeof(NOTE_SECTION) + sizeof(NOTE_BASE_SECTION) + sizeof(UNDO_SECTION);

	builder->notes.size = write_notes(builder, NULL);
	builder->notes.bytes = calloc(1, builder->notes.size);
	builder->record.size = sizeof(struct undo);
	builder->record.bytes = calloc(1, builder->record.size);
	names->bytes = calloc(1, image->names_size + more);
	if (!builder->notes.bytes || !builder->record.bytes || !names->bytes)
		return -ENOMEM;
	write_notes(builder, builder->notes.bytes);
	memcpy(names->bytes, image->names, image->names_size);
	names->size = image->names_size;
	builder->notes_name = add_name(names, NOTE_SECTION);
	builder->base_name = add_name(names, NOTE_BASE_SECTION);
	builder->record_name = add_name(names, UNDO_SECTION);
	return 0;
}

static void place_blobs(struct builder *builder)
{
	builder->notes.offset = align(builder->image->size, HEADERS_ALIGN);
	builder->record.offset = align(builder->notes.offset + builder->notes.size, HEADERS_ALIGN);
	builder->names.offset = builder->record.offset + builder->record.size;
	builder->headers = align(builder->names.offset + builder->names.size, HEADERS_ALIGN);
}

/* ---- with libelf ---- */

static bool set_content(Elf_Scn *scn, Elf_Data *data, const struct blob *blob, uint64_t alignment)
{
	if (!scn || !data)
		return false;
	data->d_buf = blob->bytes;
	data->d_size = blob->size;
	data->d_align = alignment;
	data->d_off = 0;
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	return elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY) != 0;
}

/* A section that is there gets another content at another place. */
static bool repoint(Elf *elf, size_t index, const struct blob *blob)
{
	Elf_Scn *scn = elf_getscn(elf, index);
	GElf_Shdr header;

	if (!scn || !gelf_getshdr(scn, &header))
		return false;
	header.sh_offset = blob->offset;
	header.sh_size = blob->size;
	return set_content(scn, elf_getdata(scn, NULL), blob, header.sh_addralign) &&
	       gelf_update_shdr(scn, &header);
}

static bool add_section(Elf *elf, const GElf_Shdr *header, const struct blob *blob)
{
	Elf_Scn *scn = elf_newscn(elf);

	/* The header last: libelf would look for the content in the file. */
	if (!scn || (blob && !set_content(scn, elf_newdata(scn), blob, header->sh_addralign)))
		return false;
	return gelf_update_shdr(scn, (GElf_Shdr *)header);
}

static bool put_notes(const struct builder *builder, Elf *elf)
{
	const GElf_Shdr header = {
		.sh_name = builder->notes_name,
		.sh_type = SHT_NOTE,
		.sh_offset = builder->notes.offset,
		.sh_size = builder->notes.size,
		.sh_addralign = NOTE_ALIGN,
	};

	if (builder->notes_there)
		return repoint(elf, (size_t)(builder->notes_there - builder->image->sections),
			       &builder->notes);
	return add_section(elf, &header, &builder->notes);
}

static bool put_base(const struct builder *builder, Elf *elf)
{
	const GElf_Shdr header = {
		.sh_name = builder->base_name,
		.sh_type = SHT_PROGBITS,
		.sh_flags = SHF_ALLOC,
		.sh_addr = builder->base.address,
		.sh_offset = builder->base.offset,
		.sh_addralign = 1,
	};

	return !builder->base.is_new || add_section(elf, &header, NULL);
}

static bool put_record(const struct builder *builder, Elf *elf)
{
	const GElf_Shdr header = {
		.sh_name = builder->record_name,
		.sh_type = SHT_PROGBITS,
		.sh_offset = builder->record.offset,
		.sh_size = builder->record.size,
		.sh_addralign = HEADERS_ALIGN,
	};

	return add_section(elf, &header, &builder->record);
}

static bool put_all(const struct builder *builder, Elf *elf)
{
	GElf_Ehdr header;

	/*
	 * It lays out nothing: all stays where it is. Dirty: else it writes the section headers
	 * from an array that has no room for new ones. Where they go comes last, since it reads
	 * them when first asked for one.
	 */
	if (!elf || !elf_flagelf(elf, ELF_C_SET, ELF_F_LAYOUT | ELF_F_DIRTY) ||
	    !repoint(elf, builder->image->header.e_shstrndx, &builder->names) ||
	    !put_notes(builder, elf) || !put_base(builder, elf) || !put_record(builder, elf) ||
	    !gelf_getehdr(elf, &header))
		return false;
	header.e_shoff = builder->headers;
	return gelf_update_ehdr(elf, &header) && elf_update(elf, ELF_C_WRITE) >= 0;
}

/* Into `fd`, which is empty. */
static int write_elf(const struct builder *builder, int fd, struct why *why)
{
	const struct image *image = builder->image;
	Elf *elf;
	bool done;

	elf_version(EV_CURRENT);
	if (write(fd, image->bytes, image->size) != (ssize_t)image->size)
		return refuse(why, "can't be copied: %s", strerror(errno));
	elf = elf_begin(fd, ELF_C_RDWR, NULL);
	done = put_all(builder, elf);
	if (!done)
		refuse(why, "can't be written by libelf: %s", elf_errmsg(-1));
	elf_end(elf);
	return done ? 0 : -EINVAL;
}

/* ---- and without ---- */

/* libelf has filled what it takes for gaps, such as the original's section headers. */
static void put_original_back(const struct image *image, uint8_t *bytes)
{
	memcpy(bytes + sizeof(Elf64_Ehdr), image->bytes + sizeof(Elf64_Ehdr),
	       image->size - sizeof(Elf64_Ehdr));
}

static bool is_repointed(const struct builder *builder, size_t section)
{
	return section == builder->image->header.e_shstrndx ||
	       &builder->image->sections[section] == builder->notes_there;
}

/* Nothing but what was to change may have changed in headers. */
static bool is_as_wanted(const struct builder *builder, const uint8_t *bytes, size_t size)
{
	Elf64_Ehdr wanted = builder->image->header;

	wanted.e_shoff = builder->headers;
	wanted.e_shnum =
		(uint16_t)(wanted.e_shnum + 1 + !builder->notes_there + builder->base.is_new);
	if (size != builder->headers + wanted.e_shnum * sizeof(Elf64_Shdr) ||
	    memcmp(bytes, &wanted, sizeof(wanted)) != 0)
		return false;
	for (size_t i = 0; i < builder->image->sections_count; i++)
		if (!is_repointed(builder, i) &&
		    memcmp(bytes + builder->headers + i * sizeof(Elf64_Shdr),
			   &builder->image->sections[i], sizeof(Elf64_Shdr)) != 0)
			return false;
	return true;
}

static uint8_t *read_back(int fd, size_t *size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = end > 0 ? malloc((size_t)end) : NULL;

	if (bytes && pread(fd, bytes, (size_t)end, 0) != end) {
		free(bytes);
		return NULL;
	}
	*size = (size_t)end;
	return bytes;
}

static uint8_t *finish(const struct builder *builder, int fd, size_t *size, struct why *why)
{
	uint8_t *bytes = read_back(fd, size);

	if (!bytes || !is_as_wanted(builder, bytes, *size)) {
		free(bytes);
		refuse(why, "can't be injected: libelf has not written what it was told");
		return NULL;
	}
	put_original_back(builder->image, bytes);
	undo_write(bytes, *size, builder->record.offset, builder->image);
	return bytes;
}

static bool has_payload(const struct image *image)
{
	for (uint64_t at = image_end(image); at < image->size; at++)
		if (image->bytes[at])
			return true;
	return false;
}

static bool has_code(const struct image *image)
{
	for (size_t i = 0; i < image->segments_count; i++)
		if (image->segments[i].p_type == PT_LOAD && image->segments[i].p_flags & PF_X &&
		    image->segments[i].p_filesz)
			return true;
	return false;
}

int build_check(const struct image *image, struct why *why)
{
	const Elf64_Shdr *notes = image_section(image, NOTE_SECTION);

	if (undo_is_there(image))
		return refuse(why, "is injected already: --remove first");
	if (!has_code(image))
		return refuse(why, "has no code in it, only debug information: inject the program "
				   "or library that it is of");
	if (has_payload(image))
		return refuse(why, "has data behind its end as an ELF file, which it may look for "
				   "at the end of the file: nothing can be appended");
	if (notes && (notes->sh_flags & SHF_ALLOC || notes->sh_type != SHT_NOTE ||
		      notes->sh_addralign > NOTE_ALIGN))
		return refuse(why, "has a " NOTE_SECTION " that is loaded, or no section of notes: "
				   "none can be added to it");
	if (image->sections[image->header.e_shstrndx].sh_flags & SHF_ALLOC)
		return refuse(why, "has its section names in the loaded part: none can be added");
	return 0;
}

static uint8_t *build(struct builder *builder, size_t *size, struct why *why)
{
	uint8_t *bytes = NULL;
	int fd;

	if (make_blobs(builder)) {
		refuse_memory(why);
		return NULL;
	}
	place_blobs(builder);
	fd = memfd_create("usdt-inject", MFD_CLOEXEC);
	if (fd < 0) {
		refuse(why, "can't be built in memory: %s", strerror(errno));
		return NULL;
	}
	if (!write_elf(builder, fd, why))
		bytes = finish(builder, fd, size, why);
	close(fd);
	return bytes;
}

uint8_t *build_injected(const struct image *image, struct plan *plan, size_t *size, struct why *why)
{
	struct builder builder = {
		.image = image,
		.plan = plan,
		.notes_there = image_section(image, NOTE_SECTION),
	};
	uint8_t *bytes = NULL;

	if (!build_check(image, why) && !base_choose(&builder.base, image, plan, why))
		bytes = build(&builder, size, why);
	free(builder.notes.bytes);
	free(builder.names.bytes);
	free(builder.record.bytes);
	return bytes;
}
