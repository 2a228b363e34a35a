/* SPDX-License-Identifier: MIT */
#include "elf_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* What a linker makes has tens of each. A bound on memory and work. */
#define SECTIONS_MAX    65536
#define SEGMENTS_MAX    4096
#define NAMES_BYTES_MAX (16u << 20)

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "pushback knows x86-64 and aarch64"
#endif

static bool is_within(uint64_t offset, uint64_t size, uint64_t whole)
{
	return offset <= whole && size <= whole - offset;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

int elf_image_load(struct elf_image *image, uint64_t offset, uint64_t size)
{
	return file_pages_load(&image->pages, offset, size);
}

/* Copied out: an offset in a hostile file need not be aligned. */
static void peek(const struct elf_image *image, uint64_t offset, void *to, size_t size)
{
	memcpy(to, image->memory + offset, size);
}

static int check_header(const Elf64_Ehdr *header)
{
	const unsigned char *ident = header->e_ident;

	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB ||
	    ident[EI_VERSION] != EV_CURRENT || header->e_machine != MACHINE)
		return -ENOEXEC;
	if (header->e_version != EV_CURRENT || header->e_ehsize < sizeof(*header))
		return -EBADMSG;
	if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
		return -EBADMSG;
	if (header->e_shoff && header->e_shentsize != sizeof(Elf64_Shdr))
		return -EBADMSG;
	return 0;
}

/* Of all segments those that tell what is where in memory: they are asked for each note and function. */
static int copy_parts(struct elf_image *image, uint64_t headers)
{
	for (size_t i = 0; i < image->segments; i++) {
		Elf64_Phdr part;

		peek(image, headers + i * sizeof(part), &part, sizeof(part));
		if (part.p_type != PT_LOAD && part.p_type != PT_GNU_RELRO)
			continue;
		if (image->parts_count == ELF_IMAGE_PARTS_MAX)
			return -EBADMSG;
		image->parts[image->parts_count++] = part;
	}
	return 0;
}

static int load_segments(struct elf_image *image, const Elf64_Ehdr *header)
{
	int err;

	/* PN_XNUM, the escape to larger numbers, is above the bound as well. */
	if (header->e_phnum > SEGMENTS_MAX)
		return -EBADMSG;
	image->segments = header->e_phnum;
	err = elf_image_load(image, header->e_phoff, image->segments * sizeof(Elf64_Phdr));
	return err ? err : copy_parts(image, header->e_phoff);
}

/* Counts and indices that do not fit the header are in the first section's header. */
static int load_sections(struct elf_image *image, const Elf64_Ehdr *header)
{
	uint64_t names = header->e_shstrndx, count = header->e_shnum;
	Elf64_Shdr section;
	int err;

	if (!header->e_shoff)
		return 0;
	err = elf_image_load(image, header->e_shoff, sizeof(section));
	if (err)
		return err;
	peek(image, header->e_shoff, &section, sizeof(section));
	if (!count)
		count = section.sh_size;
	if (names == SHN_XINDEX)
		names = section.sh_link;
	if (count == 0)
		return 0;
	if (count > SECTIONS_MAX || names >= count)
		return -EBADMSG;
	err = elf_image_load(image, header->e_shoff, count * sizeof(section));
	if (err)
		return err;
	image->sections = count;
	if (names == SHN_UNDEF)
		return 0;
	peek(image, header->e_shoff + names * sizeof(section), &section, sizeof(section));
	if (section.sh_type != SHT_STRTAB || section.sh_size > NAMES_BYTES_MAX)
		return -EBADMSG;
	image->names_offset = section.sh_offset;
	image->names_size = section.sh_size;
	return elf_image_load(image, section.sh_offset, section.sh_size);
}

static int load_headers(struct elf_image *image)
{
	Elf64_Ehdr header;
	int err;

	if (image->size < SELFMAG || elf_image_load(image, 0, SELFMAG) ||
	    memcmp(image->memory, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	err = elf_image_load(image, 0, sizeof(header));
	if (err)
		return err;
	peek(image, 0, &header, sizeof(header));
	err = check_header(&header);
	if (err)
		return err;
	err = load_segments(image, &header);
	if (err)
		return err;
	return load_sections(image, &header);
}

static int open_elf(struct elf_image *image)
{
	size_t segments, sections;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	image->elf = elf_memory(image->memory, image->size);
	if (!image->elf)
		return -ENOMEM;
	/* Both have read the same bytes. Should they differ all the same, trust neither. */
	if (elf_kind(image->elf) != ELF_K_ELF || elf_getphdrnum(image->elf, &segments) != 0 ||
	    elf_getshdrnum(image->elf, &sections) != 0 || segments != image->segments ||
	    sections != image->sections)
		return -EBADMSG;
	return 0;
}

int elf_image_open(struct elf_image *image, int fd)
{
	struct stat st;
	int err;

	memset(image, 0, sizeof(*image));
	image->fd = fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	err = file_pages_open(&image->pages, fd, (uint64_t)st.st_size);
	if (err)
		return err;
	image->memory = image->pages.memory;
	image->size = image->pages.size;
	err = load_headers(image);
	if (!err)
		err = open_elf(image);
	if (err)
		elf_image_close(image);
	return err;
}

void elf_image_close(struct elf_image *image)
{
	elf_end(image->elf);
	file_pages_close(&image->pages);
	memset(image, 0, sizeof(*image));
	image->fd = -1;
}

/* Not elf_strptr(): it looks for the end of each name, which a hostile table has 16 MB away. */
bool elf_image_section_is(const struct elf_image *image, const GElf_Shdr *section, const char *name)
{
	size_t size = strlen(name) + 1;

	return is_within(section->sh_name, size, image->names_size) &&
	       memcmp(image->memory + image->names_offset + section->sh_name, name, size) == 0;
}

const char *elf_image_string(const struct elf_image *image, const GElf_Shdr *strings, uint64_t at)
{
	const char *string;
	uint64_t left;

	if (at >= strings->sh_size)
		return NULL;
	string = image->memory + strings->sh_offset + at;
	left = strings->sh_size - at;
	if (left > ELF_IMAGE_STRING_MAX)
		left = ELF_IMAGE_STRING_MAX + 1;
	return memchr(string, 0, left) ? string : NULL;
}

static bool is_header(const struct elf_image *image, uint64_t offset, uint64_t size)
{
	Elf64_Ehdr header;

	peek(image, 0, &header, sizeof(header));
	return overlaps(offset, size, 0, sizeof(header)) ||
	       overlaps(offset, size, header.e_phoff, image->segments * sizeof(Elf64_Phdr));
}

bool elf_image_offset(const struct elf_image *image, uint64_t address, uint64_t size,
		      uint32_t flags, uint64_t *offset)
{
	size_t claims = 0;
	bool ok = false;

	for (size_t i = 0; i < image->parts_count; i++) {
		const Elf64_Phdr *load = &image->parts[i];
		uint64_t delta = address - load->p_vaddr;

		if (load->p_type != PT_LOAD ||
		    !overlaps(address, size, load->p_vaddr, load->p_memsz))
			continue;
		claims++;
		if (address < load->p_vaddr || !is_within(delta, size, load->p_filesz) ||
		    (load->p_flags & flags) != flags || load->p_offset > image->size ||
		    !is_within(delta, size, image->size - load->p_offset))
			continue;
		*offset = load->p_offset + delta;
		ok = true;
	}
	return ok && claims == 1 && !is_header(image, *offset, size);
}

bool elf_image_is_relro(const struct elf_image *image, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < image->parts_count; i++) {
		const Elf64_Phdr *part = &image->parts[i];

		if (part->p_type == PT_GNU_RELRO &&
		    overlaps(address, size, part->p_vaddr, part->p_memsz))
			return true;
	}
	return false;
}
