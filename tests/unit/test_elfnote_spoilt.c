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

/* The first note's parts. */
#define NOTE_NAMESZ   (CRAFT_NOTES + 0)
#define NOTE_DESCSZ   (CRAFT_NOTES + 4)
#define NOTE_TYPE     (CRAFT_NOTES + 8)
#define NOTE_OWNER    (CRAFT_NOTES + 12)
#define NOTE_SITE     (CRAFT_NOTES + 20)
#define NOTE_BASE     (CRAFT_NOTES + 28)
#define NOTE_SEM      (CRAFT_NOTES + 36)
#define NOTE_PROVIDER (CRAFT_NOTES + 44)
#define NOTE_PROBE    (CRAFT_NOTES + 53)

struct spoilt {
	const char *name;
	void (*spoil)(struct craft *craft);
	int err;
	/* Of the good file's four notes. */
	size_t sites, dead, duplicate, unknown, malformed;
};

static void move_site(struct craft *craft, uint64_t address)
{
	put64(craft, NOTE_SITE, address);
}

static void move_semaphore(struct craft *craft, uint64_t address)
{
	put64(craft, NOTE_SEM, address);
}

static void site_nowhere(struct craft *craft)
{
	move_site(craft, 0x700000);
}

static void site_zero(struct craft *craft)
{
	move_site(craft, 0);
}

static void site_top(struct craft *craft)
{
	move_site(craft, UINT64_MAX);
}

static void site_not_nop(struct craft *craft)
{
	move_site(craft, CRAFT_TEXT_BASE + SITE_STEP / 2);
}

static void site_behind_segment(struct craft *craft)
{
	move_site(craft, CRAFT_TEXT_BASE + CRAFT_TEXT_SIZE);
}

static void site_in_data(struct craft *craft)
{
	memcpy(craft->bytes + CRAFT_DATA_OFFSET + 8, nop_bytes, nop_size);
	move_site(craft, CRAFT_DATA_BASE + 8);
}

/* One segment that holds the headers and may be executed, as older linkers make it. */
static void merge_headers(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_HEADERS)->p_flags = PF_R | PF_X;
}

static void site_in_elf_header(struct craft *craft)
{
	merge_headers(craft);
	memcpy(craft->bytes + 8, nop_bytes, nop_size); /* padding of e_ident */
	move_site(craft, 0x400008);
}

static void site_in_segment_headers(struct craft *craft)
{
	Elf64_Phdr *last = craft_segment(craft, CRAFT_SEGMENT_RELRO);

	merge_headers(craft);
	memcpy(&last->p_paddr, nop_bytes, nop_size);
	move_site(craft, 0x400000 + (uint64_t)((uint8_t *)&last->p_paddr - craft->bytes));
}

static void site_in_merged_text(struct craft *craft)
{
	merge_headers(craft);
	memcpy(craft->bytes + 0x900, nop_bytes, nop_size);
	move_site(craft, 0x400900);
}

static void site_past_end_of_file(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_offset = craft->size - SITE_STEP;
}

static void segment_offset_overflows(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_offset = UINT64_MAX - 1;
}

static void segment_size_overflows(struct craft *craft)
{
	Elf64_Phdr *text = craft_segment(craft, CRAFT_SEGMENT_TEXT);

	text->p_filesz = text->p_memsz = UINT64_MAX;
}

static void segment_not_executable(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_flags = PF_R;
}

static void segment_in_memory_only(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_filesz = 0;
}

static void segments_overlap(struct craft *craft)
{
	Elf64_Phdr *other = craft_segment(craft, CRAFT_SEGMENT_NOTE);

	*other = *craft_segment(craft, CRAFT_SEGMENT_TEXT);
	other->p_filesz = other->p_memsz = SITE_STEP;
}

static void semaphore_none(struct craft *craft)
{
	move_semaphore(craft, 0);
}

/* Moved as far as from 0 to the first semaphore: still none. */
static void semaphore_none_moved(struct craft *craft)
{
	put64(craft, NOTE_BASE, CRAFT_BASE_BASE - (uint64_t)CRAFT_DATA_BASE);
	move_site(craft, CRAFT_TEXT_BASE - (uint64_t)CRAFT_DATA_BASE);
	move_semaphore(craft, 0);
}

static void semaphore_in_bss(struct craft *craft)
{
	move_semaphore(craft, CRAFT_DATA_BASE + CRAFT_DATA_SIZE);
}

static void semaphore_half_in_bss(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_filesz = 1;
}

static void semaphore_in_text(struct craft *craft)
{
	move_semaphore(craft, CRAFT_TEXT_BASE + 0x100);
}

static void semaphore_in_headers(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_HEADERS)->p_flags = PF_R | PF_W;
	move_semaphore(craft, 0x400010);
}

static void semaphore_odd(struct craft *craft)
{
	move_semaphore(craft, CRAFT_DATA_BASE + 3);
}

static void semaphore_odd_in_file(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_offset++;
}

static void semaphore_odd_in_memory(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_vaddr++;
	move_semaphore(craft, CRAFT_DATA_BASE + 1);
}

static void semaphore_in_relro(struct craft *craft)
{
	move_semaphore(craft, CRAFT_RELRO_BASE + 8);
}

static void semaphore_before_relro(struct craft *craft)
{
	move_semaphore(craft, CRAFT_RELRO_BASE - 2);
}

static void semaphore_segment_read_only(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_flags = PF_R;
}

static void semaphore_past_end_of_file(struct craft *craft)
{
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_offset = craft->size - 1;
}

static void same_site_twice(struct craft *craft)
{
	move_site(craft, CRAFT_TEXT_BASE + SITE_STEP);
}

static void probe_unknown(struct craft *craft)
{
	put_string(craft, NOTE_PROBE, "rubmit_return");
}

static void probe_nameless(struct craft *craft)
{
	craft->bytes[NOTE_PROBE] = 0;
}

static void provider_foreign(struct craft *craft)
{
	put_string(craft, NOTE_PROVIDER, "rushback");
}

static void provider_longer(struct craft *craft)
{
	craft->bytes[NOTE_PROBE - 1] = '2';
}

static void note_owner_foreign(struct craft *craft)
{
	put_string(craft, NOTE_OWNER, "Stapsdt");
}

static void note_type_foreign(struct craft *craft)
{
	put32(craft, NOTE_TYPE, 4);
}

static void note_name_huge(struct craft *craft)
{
	put32(craft, NOTE_NAMESZ, UINT32_MAX);
}

static void note_description_huge(struct craft *craft)
{
	put32(craft, NOTE_DESCSZ, UINT32_MAX - 3);
}

/* Then the strings are read as the next note, whose sizes are letters. */
static void note_description_short(struct craft *craft)
{
	put32(craft, NOTE_DESCSZ, 20);
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

static void section_offset_overflows(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_offset = UINT64_MAX - 8;
}

static void section_size_overflows(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_size = UINT64_MAX - CRAFT_NOTES + 1;
}

static void section_not_notes(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_type = SHT_PROGBITS;
}

static void section_empty(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_size = 0;
}

static void section_twice(struct craft *craft)
{
	*craft_section(craft, CRAFT_SECTION_BUILD_ID) = *craft_section(craft, CRAFT_SECTION_PROBES);
}

static void section_name_outside(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_name = UINT32_MAX - 3;
}

static void section_alignment_odd(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_PROBES)->sh_addralign = 8;
}

static void no_section_headers(struct craft *craft)
{
	craft_header(craft)->e_shoff = 0;
	craft_header(craft)->e_shnum = 0;
	craft_header(craft)->e_shstrndx = 0;
}

static void section_headers_outside(struct craft *craft)
{
	craft_header(craft)->e_shoff = craft->size - 8;
}

static void section_headers_overflow(struct craft *craft)
{
	craft_header(craft)->e_shoff = UINT64_MAX - 32;
}

static void section_count_too_large(struct craft *craft)
{
	craft_header(craft)->e_shnum = 60000;
}

/* The count stands in the first section header, as for more than 65,279 of them. */
static void section_count_extended(struct craft *craft)
{
	craft_header(craft)->e_shnum = 0;
	craft_section(craft, CRAFT_SECTION_NULL)->sh_size = CRAFT_SECTIONS;
}

static void section_count_huge(struct craft *craft)
{
	section_count_extended(craft);
	craft_section(craft, CRAFT_SECTION_NULL)->sh_size = UINT64_MAX / 64;
}

static void section_names_extended(struct craft *craft)
{
	craft_header(craft)->e_shstrndx = SHN_XINDEX;
	craft_section(craft, CRAFT_SECTION_NULL)->sh_link = CRAFT_SECTION_NAMES;
}

static void section_names_absent(struct craft *craft)
{
	craft_header(craft)->e_shstrndx = SHN_UNDEF;
}

static void section_names_outside(struct craft *craft)
{
	craft_header(craft)->e_shstrndx = CRAFT_SECTIONS;
}

static void section_names_no_strings(struct craft *craft)
{
	craft_header(craft)->e_shstrndx = CRAFT_SECTION_PROBES;
}

static void section_header_size_odd(struct craft *craft)
{
	craft_header(craft)->e_shentsize = 65;
}

static void segment_header_size_odd(struct craft *craft)
{
	craft_header(craft)->e_phentsize = 32;
}

static void segment_count_too_large(struct craft *craft)
{
	craft_header(craft)->e_phnum = 3000;
}

static void segment_count_extended(struct craft *craft)
{
	craft_header(craft)->e_phnum = PN_XNUM;
}

static void no_segments(struct craft *craft)
{
	craft_header(craft)->e_phnum = 0;
}

static void class_32(struct craft *craft)
{
	craft_header(craft)->e_ident[EI_CLASS] = ELFCLASS32;
}

static void big_endian(struct craft *craft)
{
	craft_header(craft)->e_ident[EI_DATA] = ELFDATA2MSB;
}

static void machine_foreign(struct craft *craft)
{
	craft_header(craft)->e_machine = FOREIGN_EM;
}

static void magic_wrong(struct craft *craft)
{
	craft->bytes[3] = 'G';
}

static void version_wrong(struct craft *craft)
{
	craft_header(craft)->e_version = 2;
}

/* Moved as a whole after linking, notes untouched: only the base tells. */
static void moved(struct craft *craft)
{
	const uint64_t by = 0x7f0000000000;

	craft_section(craft, CRAFT_SECTION_BASE)->sh_addr += by;
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_vaddr += by;
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_vaddr += by;
	craft_segment(craft, CRAFT_SEGMENT_RELRO)->p_vaddr += by;
}

static void moved_down(struct craft *craft)
{
	const uint64_t by = 0x1000;

	craft_segment(craft, CRAFT_SEGMENT_HEADERS)->p_vaddr -= by;
	craft_section(craft, CRAFT_SECTION_BASE)->sh_addr -= by;
	craft_segment(craft, CRAFT_SEGMENT_TEXT)->p_vaddr -= by;
	craft_segment(craft, CRAFT_SEGMENT_DATA)->p_vaddr -= by;
	craft_segment(craft, CRAFT_SEGMENT_RELRO)->p_vaddr -= by;
}

static void base_of_note_lost(struct craft *craft)
{
	put64(craft, NOTE_BASE, 0);
}

static void base_of_note_wrong(struct craft *craft)
{
	put64(craft, NOTE_BASE, CRAFT_BASE_BASE + 0x800000);
}

static void base_section_lost(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_BASE)->sh_name = 0;
	put64(craft, NOTE_BASE, 0x123456);
}

static void base_section_at_zero(struct craft *craft)
{
	craft_section(craft, CRAFT_SECTION_BASE)->sh_addr = 0;
}

#define CASE(function, ...)                                       \
	{                                                         \
		.name = #function, .spoil = function, __VA_ARGS__ \
	}

static const struct spoilt spoilt[] = {
	CASE(site_nowhere, .sites = 3, .dead = 1),
	CASE(site_zero, .sites = 3, .dead = 1),
	CASE(site_top, .sites = 3, .dead = 1),
	CASE(site_not_nop, .sites = 3, .dead = 1),
	CASE(site_behind_segment, .sites = 3, .dead = 1),
	CASE(site_in_data, .sites = 3, .dead = 1),
	CASE(site_in_elf_header, .sites = 3, .dead = 1),
	CASE(site_in_segment_headers, .sites = 3, .dead = 1),
	CASE(site_in_merged_text, .sites = 4),
	CASE(site_past_end_of_file, .sites = 0, .dead = 4),
	CASE(segment_offset_overflows, .sites = 0, .dead = 4),
	CASE(segment_size_overflows, .sites = 0, .dead = 4),
	CASE(segment_not_executable, .sites = 0, .dead = 4),
	CASE(segment_in_memory_only, .sites = 0, .dead = 4),
	CASE(segments_overlap, .sites = 3, .dead = 1),
	CASE(semaphore_none, .sites = 3, .dead = 1),
	CASE(semaphore_none_moved, .sites = 3, .dead = 1),
	CASE(semaphore_in_bss, .sites = 3, .dead = 1),
	CASE(semaphore_half_in_bss, .sites = 0, .dead = 4),
	CASE(semaphore_in_text, .sites = 3, .dead = 1),
	CASE(semaphore_in_headers, .sites = 3, .dead = 1),
	CASE(semaphore_odd, .sites = 3, .dead = 1),
	CASE(semaphore_odd_in_file, .sites = 0, .dead = 4),
	CASE(semaphore_odd_in_memory, .sites = 0, .dead = 4),
	CASE(semaphore_in_relro, .sites = 3, .dead = 1),
	CASE(semaphore_before_relro, .sites = 4),
	CASE(semaphore_segment_read_only, .sites = 0, .dead = 4),
	CASE(semaphore_past_end_of_file, .sites = 0, .dead = 4),
	CASE(same_site_twice, .sites = 3, .duplicate = 1),
	CASE(probe_unknown, .sites = 3, .unknown = 1),
	CASE(probe_nameless, .sites = 3, .unknown = 1),
	CASE(provider_foreign, .sites = 3),
	CASE(provider_longer, .sites = 3),
	CASE(note_owner_foreign, .sites = 3),
	CASE(note_type_foreign, .sites = 3),
	CASE(note_name_huge, .sites = 0, .malformed = 1),
	CASE(note_description_huge, .sites = 0, .malformed = 1),
	CASE(note_description_short, .sites = 0, .malformed = 2),
	CASE(section_ends_early, .sites = 3, .malformed = 1),
	CASE(last_note_unterminated, .sites = 3, .malformed = 1),
	CASE(last_note_without_arguments, .sites = 3, .malformed = 1),
	CASE(section_outside, .sites = 0, .malformed = 1),
	CASE(section_offset_overflows, .sites = 0, .malformed = 1),
	CASE(section_size_overflows, .sites = 0, .malformed = 1),
	CASE(section_not_notes, .sites = 0),
	CASE(section_empty, .sites = 0),
	CASE(section_twice, .sites = 4, .duplicate = 4),
	CASE(section_name_outside, .sites = 0),
	CASE(section_alignment_odd, .sites = 4),
	CASE(no_section_headers, .sites = 0),
	CASE(section_headers_outside, .err = -EBADMSG),
	CASE(section_headers_overflow, .err = -EBADMSG),
	CASE(section_count_too_large, .err = -EBADMSG),
	CASE(section_count_extended, .sites = 4),
	CASE(section_count_huge, .err = -EBADMSG),
	CASE(section_names_extended, .sites = 4),
	CASE(section_names_absent, .sites = 0),
	CASE(section_names_outside, .err = -EBADMSG),
	CASE(section_names_no_strings, .err = -EBADMSG),
	CASE(section_header_size_odd, .err = -EBADMSG),
	CASE(segment_header_size_odd, .err = -EBADMSG),
	CASE(segment_count_too_large, .err = -EBADMSG),
	CASE(segment_count_extended, .err = -EBADMSG),
	CASE(no_segments, .sites = 0, .dead = 4),
	CASE(class_32, .err = -ENOEXEC),
	CASE(big_endian, .err = -ENOEXEC),
	CASE(machine_foreign, .err = -ENOEXEC),
	CASE(magic_wrong, .err = -ENOEXEC),
	CASE(version_wrong, .err = -EBADMSG),
	CASE(moved, .sites = 4),
	CASE(moved_down, .sites = 4),
	CASE(base_of_note_lost, .sites = 4),
	CASE(base_of_note_wrong, .sites = 3, .dead = 1),
	CASE(base_section_lost, .sites = 4),
	CASE(base_section_at_zero, .sites = 4),
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
		want->spoil(&craft);
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
