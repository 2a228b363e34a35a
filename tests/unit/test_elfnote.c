/* SPDX-License-Identifier: MIT */
/* The note reader against good, large, cut and randomly spoilt files made byte by byte */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf_check.h"
#include "elf_stapsdt.h"

static void drop_section_headers(struct craft *craft)
{
	craft_header(craft)->e_shoff = 0;
	craft_header(craft)->e_shnum = 0;
	craft_header(craft)->e_shstrndx = 0;
}

static void test_good_file(void **state)
{
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_good(&craft);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(out.sites[i].probe, i);
		assert_int_equal(out.sites[i].offset, CRAFT_TEXT_OFFSET + i * SITE_STEP);
		assert_int_equal(out.sites[i].semaphore, CRAFT_DATA_OFFSET);
	}
	assert_int_equal(out.dead + out.duplicate + out.unknown + out.malformed + out.too_many, 0);
	assert_int_equal(out.build_id_size, 20);
	for (uint8_t i = 0; i < 20; i++)
		assert_int_equal(out.build_id[i], i + 1);
	craft_free(&craft);
}

/* ---- More than fits ---- */

static void test_more_sites_than_fit(void **state)
{
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_begin(&craft);
	for (unsigned int i = 0; i < ELFNOTE_SITES_MAX + 3; i++)
		craft_good_note(&craft, "poll_return", i);
	craft_end(&craft);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, ELFNOTE_SITES_MAX);
	assert_int_equal(out.too_many, 3);
	assert_int_equal(out.duplicate, 0);
	assert_null(insane(craft.bytes, craft.size, 0, &out));
	craft_free(&craft);
}

static void test_more_notes_than_are_looked_at(void **state)
{
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_begin(&craft);
	for (unsigned int i = 0; i < 10005; i++)
		craft_good_note(&craft, "poll_return", 0);
	craft_end(&craft);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 1);
	assert_int_equal(out.duplicate, 9999);
	assert_int_equal(out.too_many, 5);
	craft_free(&craft);
}

static void count(const struct elf_stapsdt *probe, void *context)
{
	size_t *notes = context;

	assert_string_equal(probe->provider, "pushback");
	++*notes;
}

/* In two sections, and whoever's they are. */
static void test_more_notes_than_are_told_of(void **state)
{
	struct elf_image image;
	struct craft craft;
	size_t notes = 0;
	int fd;

	(void)state;
	craft_begin(&craft);
	for (size_t i = 0; i < ELF_STAPSDT_NOTES_MAX / 2 + 1; i++)
		craft_good_note(&craft, "poll_return", 0);
	craft_end(&craft);
	*craft_section(&craft, CRAFT_SECTION_BUILD_ID) =
		*craft_section(&craft, CRAFT_SECTION_PROBES);
	fd = craft_open(craft.bytes, craft.size);
	assert_int_equal(elf_image_open(&image, fd), 0);
	assert_int_equal(elf_stapsdt_each(&image, count, &notes), 1);
	assert_int_equal(notes, ELF_STAPSDT_NOTES_MAX);
	elf_image_close(&image);
	close(fd);
	craft_free(&craft);
}

/* Sections that all show the same 1 MB: work is bounded by what is read in all, not by the file. */
static void test_sections_that_overlap(void **state)
{
	enum { SECTIONS = 1000, BYTES = 1 << 20, READ = 16 };
	/* One note without a name, to the last byte. */
	const Elf64_Nhdr note = { .n_descsz = BYTES - sizeof(note) };
	Elf64_Shdr probes;
	struct elfnote out;
	struct craft craft;
	char *zeros = calloc(1, BYTES);

	(void)state;
	assert_non_null(zeros);
	memcpy(zeros, &note, sizeof(note));
	craft_begin(&craft);
	craft_append(&craft, zeros, BYTES);
	craft.notes_size = BYTES;
	craft_end(&craft);
	probes = *craft_section(&craft, CRAFT_SECTION_PROBES);
	for (size_t i = 0; i < SECTIONS; i++)
		craft_append(&craft, &probes, sizeof(probes));
	craft_header(&craft)->e_shnum += SECTIONS;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 0);
	assert_int_equal(out.malformed, SECTIONS + 1 - READ);
	craft_free(&craft);
	free(zeros);
}

/* More headers than any linker makes, all of them in the file. */
static void test_more_headers_than_are_read(void **state)
{
	enum { SECTIONS = 65536, SEGMENTS = 4096 };
	static const Elf64_Shdr no_section;
	static const Elf64_Phdr no_segment;
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_good(&craft);
	for (size_t i = CRAFT_SECTIONS; i < SECTIONS; i++)
		craft_append(&craft, &no_section, sizeof(no_section));
	craft_header(&craft)->e_shnum = 0;
	craft_section(&craft, CRAFT_SECTION_NULL)->sh_size = SECTIONS;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 4);
	craft_append(&craft, &no_section, sizeof(no_section));
	craft_section(&craft, CRAFT_SECTION_NULL)->sh_size++;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), -EBADMSG);
	craft_free(&craft);

	craft_good(&craft);
	size_t segments = craft.size;

	for (unsigned int i = 0; i < SEGMENTS + 1; i++)
		craft_append(&craft, i < CRAFT_SEGMENTS ? craft_segment(&craft, i) : &no_segment,
			     sizeof(no_segment));
	craft_header(&craft)->e_phoff = segments;
	craft_header(&craft)->e_phnum = SEGMENTS;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 4);
	craft_header(&craft)->e_phnum++;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), -EBADMSG);
	craft_free(&craft);
}

static void test_several_sites_and_semaphores(void **state)
{
	struct craft_note note = {
		.provider = "pushback",
		.probe = "submit_return",
		.arguments = "8@%rdi",
		.base = CRAFT_BASE_BASE,
	};
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_begin(&craft);
	for (unsigned int i = 0; i < 5; i++) {
		note.site = CRAFT_TEXT_BASE + i * SITE_STEP;
		note.semaphore = CRAFT_DATA_BASE + i * 2;
		craft_note(&craft, &note);
	}
	craft_end(&craft);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 5);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(out.sites[i].probe, PB_PROBE_SUBMIT_RETURN);
		assert_int_equal(out.sites[i].offset, CRAFT_TEXT_OFFSET + i * SITE_STEP);
		assert_int_equal(out.sites[i].semaphore, CRAFT_DATA_OFFSET + i * 2);
	}
	craft_free(&craft);
}

/* ---- Build id ---- */

static void test_build_id_sources(void **state)
{
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_good(&craft);
	drop_section_headers(&craft);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.build_id_size, 20);
	craft_free(&craft);

	craft_good(&craft);
	craft_segment(&craft, CRAFT_SEGMENT_NOTE)->p_type = PT_NULL;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.build_id_size, 20);
	/* longer than there is room for */
	craft_section(&craft, CRAFT_SECTION_BUILD_ID)->sh_size = 16 + 64;
	put32(&craft, craft.build_id + 4, 64);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.build_id_size, 0);
	put32(&craft, craft.build_id + 4, 8);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.build_id_size, 8);
	assert_int_equal(out.build_id[7], 8);
	craft_free(&craft);
}

/* ---- Not an ELF file at all ---- */

static void test_other_files(void **state)
{
	struct elfnote out;
	int fd, pipes[2];

	(void)state;
	assert_int_equal(read_bytes("", 0, &out), -ENOEXEC);
	assert_int_equal(read_bytes("#!/bin/sh\nexit 0\n", 17, &out), -ENOEXEC);
	assert_int_equal(read_bytes("\177EL", 3, &out), -ENOEXEC);
	assert_int_equal(read_bytes("\177ELF", 4, &out), -EBADMSG);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(elfnote_read(fd, &out), -EISDIR);
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(elfnote_read(fd, &out), -ENOEXEC);
	close(fd);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(elfnote_read(pipes[0], &out), -ENOEXEC);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(elfnote_read(-1, &out), -EBADF);
}

/* A hole of 1 TB costs neither memory nor time. In valgrind there is no such room. */
static void test_huge_sparse_file(void **state)
{
	struct elfnote out;
	struct craft craft;
	void *map;
	int fd;

	(void)state;
	craft_good(&craft);
	fd = craft_open(craft.bytes, craft.size);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	map = mmap(NULL, (size_t)1 << 40, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED) {
		close(fd);
		craft_free(&craft);
		skip();
	}
	munmap(map, (size_t)1 << 40);
	assert_int_equal(elfnote_read(fd, &out), 0);
	assert_int_equal(out.sites_count, 4);
	close(fd);
	craft_free(&craft);
}

/* ---- Cut off, and spoilt at random ---- */

static void test_truncated_anywhere(void **state)
{
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_good(&craft);
	for (size_t size = 0; size < craft.size; size++) {
		int err = read_bytes(craft.bytes, size, &out);

		/* The section headers come last. */
		assert_int_equal(err, size < 4 ? -ENOEXEC : -EBADMSG);
		assert_null(insane(craft.bytes, size, err, &out));
	}
	/* The same without section headers: whatever is left can be read. */
	drop_section_headers(&craft);
	for (size_t size = CRAFT_TEXT_OFFSET; size < craft.size; size++) {
		assert_int_equal(read_bytes(craft.bytes, size, &out), 0);
		assert_null(insane(craft.bytes, size, 0, &out));
	}
	craft_free(&craft);
}

/* Every aligned word of what is parsed, set to what breaks careless arithmetic. */
static void test_every_word_spoilt(void **state)
{
	const struct {
		size_t from, to;
	} parts[] = { { 0, 0x200 }, { 0x800, 0x830 }, { CRAFT_NOTES, SIZE_MAX } };
	struct elfnote out;
	struct craft craft;

	(void)state;
	craft_good(&craft);
	const uint32_t hostile[] = {
		0,          1,          3,          0x7fffffff,           0x80000000,
		0xffffffff, 0xfffffffc, 0xfffffff0, (uint32_t)craft.size, (uint32_t)craft.size - 1
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		for (size_t at = parts[i].from; at + 4 <= craft.size && at < parts[i].to; at += 4) {
			uint32_t before;
			int err;

			memcpy(&before, craft.bytes + at, sizeof(before));
			for (size_t k = 0; k < sizeof(hostile) / sizeof(*hostile); k++) {
				put32(&craft, at, hostile[k]);
				err = read_bytes(craft.bytes, craft.size, &out);
				assert_null(insane(craft.bytes, craft.size, err, &out));
			}
			put32(&craft, at, before);
		}
	}
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 4);
	craft_free(&craft);
}

static unsigned int choose_seed(void)
{
	const char *seed = getenv("SEED");

	return seed ? (unsigned int)strtoul(seed, NULL, 0)
		    : (unsigned int)time(NULL) ^ (unsigned int)getpid();
}

static void test_random_bytes_spoilt(void **state)
{
	unsigned int seed = choose_seed();

	(void)state;
	print_message("SEED=%u\n", seed);
	srandom(seed);
	for (int round = 0; round < 20000; round++) {
		struct elfnote out;
		struct craft craft;
		int err;

		craft_good(&craft);
		for (long n = 1 + random() % 8; n; n--) {
			size_t at = (size_t)random() % craft.size;

			/* Mostly where it matters. */
			if (at >= 0x200 && at < CRAFT_NOTES)
				at %= 0x200;
			craft.bytes[at] = (uint8_t)random();
		}
		err = read_bytes(craft.bytes, craft.size, &out);
		assert_null(insane(craft.bytes, craft.size, err, &out));
		craft_free(&craft);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_file),
		cmocka_unit_test(test_more_sites_than_fit),
		cmocka_unit_test(test_more_notes_than_are_looked_at),
		cmocka_unit_test(test_more_notes_than_are_told_of),
		cmocka_unit_test(test_sections_that_overlap),
		cmocka_unit_test(test_more_headers_than_are_read),
		cmocka_unit_test(test_several_sites_and_semaphores),
		cmocka_unit_test(test_build_id_sources),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_huge_sparse_file),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_every_word_spoilt),
		cmocka_unit_test(test_random_bytes_spoilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
