/* SPDX-License-Identifier: MIT */
/* The note reader against files in which one thing is wrong */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "elf_check.h"

/* A number written over what is there; none if it has no size. */
struct put {
	size_t at;
	size_t size;
	uint64_t value;
};

#define PUTS_MAX 3

struct spoilt {
	const char *name;
	struct put put[PUTS_MAX];
	size_t nop;                         /* a nop written there, if not 0 */
	void (*spoil)(struct craft *craft); /* what is not said by these */
	int err;
	/* Of the good file's four notes. */
	size_t sites, dead, duplicate, unknown, malformed;
};

/* clang-format off */
#define PUT(offset, bytes, number) { .at = (offset), .size = (bytes), .value = (number) }
/* clang-format on */

/* The first note's parts; of its strings a letter. */
#define NOTE_NAMESZ(size)    PUT(CRAFT_NOTES + 0, 4, size)
#define NOTE_DESCSZ(size)    PUT(CRAFT_NOTES + 4, 4, size)
#define NOTE_TYPE(type)      PUT(CRAFT_NOTES + 8, 4, type)
#define NOTE_OWNER(letter)   PUT(CRAFT_NOTES + 12, 1, letter)
#define SITE(address)        PUT(CRAFT_NOTES + 20, 8, address)
#define BASE(address)        PUT(CRAFT_NOTES + 28, 8, address)
#define SEMAPHORE(address)   PUT(CRAFT_NOTES + 36, 8, address)
#define PROVIDER(letter)     PUT(CRAFT_NOTES + 44, 1, letter)
#define PROVIDER_END(letter) PUT(CRAFT_NOTES + 52, 1, letter)
#define PROBE(letter)        PUT(CRAFT_NOTES + 53, 1, letter)

#define SIZE_OF(type, field)  sizeof(((type *)0)->field)
#define HEADER(field, number) PUT(offsetof(Elf64_Ehdr, field), SIZE_OF(Elf64_Ehdr, field), number)
#define SEGMENT_AT(which, field)                                           \
	(sizeof(Elf64_Ehdr) + CRAFT_SEGMENT_##which * sizeof(Elf64_Phdr) + \
	 offsetof(Elf64_Phdr, field))
#define SEGMENT(which, field, number) \
	PUT(SEGMENT_AT(which, field), SIZE_OF(Elf64_Phdr, field), number)
/* Where the section headers are is not known before the file is made. */
#define SECTIONS 0x1000000u
#define SECTION(which, field, number)                                                            \
	PUT(SECTIONS + CRAFT_SECTION_##which * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, field), \
	    SIZE_OF(Elf64_Shdr, field), number)

static void spoil(struct craft *craft, const struct spoilt *how)
{
	for (const struct put *put = how->put; put < how->put + PUTS_MAX; put++) {
		size_t at = put->at;

		if (at >= SECTIONS)
			at += craft->sections - SECTIONS;
		/* The file is little-endian. */
		for (size_t i = 0; i < put->size; i++)
			craft->bytes[at + i] = (uint8_t)(put->value >> 8 * i);
	}
	if (how->nop)
		memcpy(craft->bytes + how->nop, nop_bytes, nop_size);
	if (how->spoil)
		how->spoil(craft);
}

static void site_past_end_of_file(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_offset = craft->size - SITE_STEP;
}

static void segments_overlap(struct craft *craft)
{
	Elf64_Phdr *other = craft_segment(craft, CRAFT_SEGMENT_NOTE);

	*other = *craft_segment(craft, CRAFT_SEGMENT_TEXT);
	other->p_filesz = other->p_memsz = SITE_STEP;
}

static void semaphore_past_end_of_file(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_offset = craft->size - 1;
}

/* The section ends in the last note's strings. */
static void section_ends_early(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_size -= 8;
}

/* The description ends within the probe's name: it is all the last note has. */
static void last_note_unterminated(struct craft *craft)
{
	size_t last = CRAFT_NOTES + craft->notes_size - 64;
	uint32_t size;

	assert_memory_equal(craft->bytes + last + 12, "stapsdt", 8);
	memcpy(&size, craft->bytes + last + 4, sizeof(size));
	assert_int_equal(size, 24 + 9 + 9 + 1);
	put32(craft, last + 4, 24 + 9 + 4);
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_size -= 4;
}

static void last_note_without_arguments(struct craft *craft)
{
	size_t last = CRAFT_NOTES + craft->notes_size - 64;

	put32(craft, last + 4, 24 + 9 + 9);
}

static void section_outside(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_offset = craft->size;
}

static void section_twice(struct craft *craft)
{
	*craft_section(craft, CRAFT_SECTION_BUILD_ID) = *craft_section(craft, CRAFT_SECTION_PROBES);
}

static void section_headers_outside(struct craft *craft)
{
	craft_header(craft)->e_shoff = craft->size - 8;
}

/* As a whole after linking, notes untouched: only the base tells. */
static void move(struct craft *craft, uint64_t by)
{
	craft_section(craft, CRAFT_SECTION_BASE)->sh_addr += by;
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_vaddr += by;
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_vaddr += by;
	craft_segment(craft, CRAFT_SEGMENT_RELRO)->p_vaddr += by;
}

static void moved(struct craft *craft)
{
	move(craft, 0x7f0000000000);
}

static void moved_down(struct craft *craft)
{
	move(craft, -(uint64_t)0x1000);
	craft_segment(craft, CRAFT_SEGMENT_HEADERS)->p_vaddr -= 0x1000;
}

/* One segment that holds the headers and may be executed, as older linkers make it. */
#define MERGED SEGMENT(HEADERS, p_flags, PF_R | PF_X)
/* The count stands in the first section header, as for more than 65,279 of them. */
#define EXTENDED(count) HEADER(e_shnum, 0), SECTION(NULL, sh_size, count)

static const struct spoilt spoilt[] = {
	{ "site_nowhere", .put = { SITE(0x700000) }, .sites = 3, .dead = 1 },
	{ "site_zero", .put = { SITE(0) }, .sites = 3, .dead = 1 },
	{ "site_top", .put = { SITE(UINT64_MAX) }, .sites = 3, .dead = 1 },
	{ "site_not_nop", .put = { SITE(CRAFT_TEXT_BASE + SITE_STEP / 2) }, .sites = 3, .dead = 1 },
	{ "site_behind_segment", .put = { SITE(CRAFT_TEXT_BASE + CRAFT_TEXT_SIZE) }, .sites = 3,
	  .dead = 1 },
	{ "site_in_data", .put = { SITE(CRAFT_DATA_BASE + 8) }, .nop = CRAFT_DATA_OFFSET + 8,
	  .sites = 3, .dead = 1 },
	/* In the padding of e_ident. */
	{ "site_in_elf_header", .put = { MERGED, SITE(0x400008) }, .nop = 8, .sites = 3,
	  .dead = 1 },
	{ "site_in_segment_headers", .put = { MERGED, SITE(0x400000 + SEGMENT_AT(RELRO, p_paddr)) },
	  .nop = SEGMENT_AT(RELRO, p_paddr), .sites = 3, .dead = 1 },
	{ "site_in_merged_text", .put = { MERGED, SITE(0x400900) }, .nop = 0x900, .sites = 4 },
	{ "site_past_end_of_file", .spoil = site_past_end_of_file, .dead = 4 },
	{ "segment_offset_overflows", .put = { SEGMENT(TEXT, p_offset, UINT64_MAX - 1) },
	  .dead = 4 },
	{ "segment_size_overflows",
	  .put = { SEGMENT(TEXT, p_filesz, UINT64_MAX), SEGMENT(TEXT, p_memsz, UINT64_MAX) },
	  .dead = 4 },
	{ "segment_not_executable", .put = { SEGMENT(TEXT, p_flags, PF_R) }, .dead = 4 },
	{ "segment_in_memory_only", .put = { SEGMENT(TEXT, p_filesz, 0) }, .dead = 4 },
	{ "segments_overlap", .spoil = segments_overlap, .sites = 3, .dead = 1 },
	{ "semaphore_none", .put = { SEMAPHORE(0) }, .sites = 3, .dead = 1 },
	/* Moved as far as from 0 to the first semaphore: still none. */
	{ "semaphore_none_moved",
	  .put = { BASE(CRAFT_BASE_BASE - (uint64_t)CRAFT_DATA_BASE),
		   SITE(CRAFT_TEXT_BASE - (uint64_t)CRAFT_DATA_BASE), SEMAPHORE(0) },
	  .sites = 3, .dead = 1 },
	{ "semaphore_in_bss", .put = { SEMAPHORE(CRAFT_DATA_BASE + CRAFT_DATA_SIZE) }, .sites = 3,
	  .dead = 1 },
	{ "semaphore_half_in_bss", .put = { SEGMENT(DATA, p_filesz, 1) }, .dead = 4 },
	{ "semaphore_in_text", .put = { SEMAPHORE(CRAFT_TEXT_BASE + 0x100) }, .sites = 3,
	  .dead = 1 },
	{ "semaphore_in_headers",
	  .put = { SEGMENT(HEADERS, p_flags, PF_R | PF_W), SEMAPHORE(0x400010) }, .sites = 3,
	  .dead = 1 },
	{ "semaphore_odd", .put = { SEMAPHORE(CRAFT_DATA_BASE + 3) }, .sites = 3, .dead = 1 },
	{ "semaphore_odd_in_file", .put = { SEGMENT(DATA, p_offset, CRAFT_DATA_OFFSET + 1) },
	  .dead = 4 },
	{ "semaphore_odd_in_memory",
	  .put = { SEGMENT(DATA, p_vaddr, CRAFT_DATA_BASE + 1), SEMAPHORE(CRAFT_DATA_BASE + 1) },
	  .dead = 4 },
	{ "semaphore_in_relro", .put = { SEMAPHORE(CRAFT_RELRO_BASE + 8) }, .sites = 3, .dead = 1 },
	{ "semaphore_before_relro", .put = { SEMAPHORE(CRAFT_RELRO_BASE - 2) }, .sites = 4 },
	{ "semaphore_segment_read_only", .put = { SEGMENT(DATA, p_flags, PF_R) }, .dead = 4 },
	{ "semaphore_past_end_of_file", .spoil = semaphore_past_end_of_file, .dead = 4 },
	{ "same_site_twice", .put = { SITE(CRAFT_TEXT_BASE + SITE_STEP) }, .sites = 3,
	  .duplicate = 1 },
	{ "probe_unknown", .put = { PROBE('r') }, .sites = 3, .unknown = 1 },
	{ "probe_nameless", .put = { PROBE(0) }, .sites = 3, .unknown = 1 },
	{ "provider_foreign", .put = { PROVIDER('r') }, .sites = 3 },
	{ "provider_longer", .put = { PROVIDER_END('2') }, .sites = 3 },
	{ "note_owner_foreign", .put = { NOTE_OWNER('S') }, .sites = 3 },
	{ "note_type_foreign", .put = { NOTE_TYPE(4) }, .sites = 3 },
	{ "note_name_huge", .put = { NOTE_NAMESZ(UINT32_MAX) }, .malformed = 1 },
	{ "note_description_huge", .put = { NOTE_DESCSZ(UINT32_MAX - 3) }, .malformed = 1 },
	/* Then the strings are read as the next note, whose sizes are letters. */
	{ "note_description_short", .put = { NOTE_DESCSZ(20) }, .malformed = 2 },
	{ "section_ends_early", .spoil = section_ends_early, .sites = 3, .malformed = 1 },
	{ "last_note_unterminated", .spoil = last_note_unterminated, .sites = 3, .malformed = 1 },
	{ "last_note_without_arguments", .spoil = last_note_without_arguments, .sites = 3,
	  .malformed = 1 },
	{ "section_outside", .spoil = section_outside, .malformed = 1 },
	{ "section_offset_overflows", .put = { SECTION(PROBES, sh_offset, UINT64_MAX - 8) },
	  .malformed = 1 },
	{ "section_size_overflows",
	  .put = { SECTION(PROBES, sh_size, UINT64_MAX - CRAFT_NOTES + 1) }, .malformed = 1 },
	{ "section_not_notes", .put = { SECTION(PROBES, sh_type, SHT_PROGBITS) } },
	{ "section_empty", .put = { SECTION(PROBES, sh_size, 0) } },
	{ "section_twice", .spoil = section_twice, .sites = 4, .duplicate = 4 },
	{ "section_name_outside", .put = { SECTION(PROBES, sh_name, UINT32_MAX - 3) } },
	{ "section_alignment_odd", .put = { SECTION(PROBES, sh_addralign, 8) }, .sites = 4 },
	{ "no_section_headers",
	  .put = { HEADER(e_shoff, 0), HEADER(e_shnum, 0), HEADER(e_shstrndx, 0) } },
	{ "section_headers_outside", .spoil = section_headers_outside, .err = -EBADMSG },
	{ "section_headers_overflow", .put = { HEADER(e_shoff, UINT64_MAX - 32) },
	  .err = -EBADMSG },
	{ "section_count_too_large", .put = { HEADER(e_shnum, 60000) }, .err = -EBADMSG },
	{ "section_count_extended", .put = { EXTENDED(CRAFT_SECTIONS) }, .sites = 4 },
	{ "section_count_huge", .put = { EXTENDED(UINT64_MAX / 64) }, .err = -EBADMSG },
	{ "section_names_extended",
	  .put = { HEADER(e_shstrndx, SHN_XINDEX), SECTION(NULL, sh_link, CRAFT_SECTION_NAMES) },
	  .sites = 4 },
	{ "section_names_absent", .put = { HEADER(e_shstrndx, SHN_UNDEF) } },
	{ "section_names_outside", .put = { HEADER(e_shstrndx, CRAFT_SECTIONS) }, .err = -EBADMSG },
	{ "section_names_no_strings", .put = { HEADER(e_shstrndx, CRAFT_SECTION_PROBES) },
	  .err = -EBADMSG },
	{ "section_header_size_odd", .put = { HEADER(e_shentsize, 65) }, .err = -EBADMSG },
	{ "segment_header_size_odd", .put = { HEADER(e_phentsize, 32) }, .err = -EBADMSG },
	{ "segment_count_too_large", .put = { HEADER(e_phnum, 3000) }, .err = -EBADMSG },
	{ "segment_count_extended", .put = { HEADER(e_phnum, PN_XNUM) }, .err = -EBADMSG },
	{ "no_segments", .put = { HEADER(e_phnum, 0) }, .dead = 4 },
	{ "class_32", .put = { HEADER(e_ident[EI_CLASS], ELFCLASS32) }, .err = -ENOEXEC },
	{ "big_endian", .put = { HEADER(e_ident[EI_DATA], ELFDATA2MSB) }, .err = -ENOEXEC },
	{ "machine_foreign", .put = { HEADER(e_machine, FOREIGN_EM) }, .err = -ENOEXEC },
	{ "magic_wrong", .put = { HEADER(e_ident[EI_MAG3], 'G') }, .err = -ENOEXEC },
	{ "version_wrong", .put = { HEADER(e_version, 2) }, .err = -EBADMSG },
	{ "moved", .spoil = moved, .sites = 4 },
	{ "moved_down", .spoil = moved_down, .sites = 4 },
	{ "base_of_note_lost", .put = { BASE(0) }, .sites = 4 },
	{ "base_of_note_wrong", .put = { BASE(CRAFT_BASE_BASE + 0x800000) }, .sites = 3,
	  .dead = 1 },
	{ "base_section_lost", .put = { SECTION(BASE, sh_name, 0), BASE(0x123456) }, .sites = 4 },
	{ "base_section_at_zero", .put = { SECTION(BASE, sh_addr, 0) }, .sites = 4 },
};

static void test_spoilt_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spoilt) / sizeof(*spoilt); i++) {
		const struct spoilt *want = &spoilt[i];
		struct elfnote out;
		struct craft craft;
		int err;

		craft_good(&craft);
		spoil(&craft, want);
		err = read_bytes(craft.bytes, craft.size, &out);
		print_message(
			"%s: %d, sites %zu dead %zu duplicate %zu unknown %zu malformed %zu\n",
			want->name, err, out.sites_count, out.dead, out.duplicate, out.unknown,
			out.malformed);
		assert_int_equal(err, want->err);
		assert_null(insane(craft.bytes, craft.size, err, &out));
		assert_int_equal(out.sites_count, want->sites);
		assert_int_equal(out.dead, want->dead);
		assert_int_equal(out.duplicate, want->duplicate);
		assert_int_equal(out.unknown, want->unknown);
		assert_int_equal(out.malformed, want->malformed);
		craft_free(&craft);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_spoilt_files) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
