/* SPDX-License-Identifier: MIT */
/* What is in memory of an ELF file, while that is written to, cut, or ever so large */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf_check.h"
#include "elf_image.h"

#define PAGE 4096u

/* A good file with some pages of a letter behind it, in the last one a few bytes. */
static int good_file(struct craft *craft)
{
	craft_good(craft);
	while (craft->size < 8 * PAGE + 100)
		craft_append(craft, "a", 1);
	return craft_open(craft->bytes, craft->size);
}

static void write_over(int fd, size_t size, int letter)
{
	char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, letter, size);
	assert_int_equal(pwrite(fd, bytes, size, 0), size);
	free(bytes);
}

/* What was there at the start is gone when it is read. */
static void test_file_that_shrinks(void **state)
{
	struct elf_image image;
	struct craft craft;
	int fd;

	(void)state;
	fd = good_file(&craft);
	assert_int_equal(elf_image_open(&image, fd), 0);
	assert_int_equal(elf_image_load(&image, 5 * PAGE, PAGE), 0);
	assert_int_equal(ftruncate(fd, 6 * PAGE + 32), 0);
	assert_int_equal(elf_image_load(&image, 6 * PAGE, 64), -EBADMSG);
	assert_int_equal(elf_image_load(&image, 7 * PAGE, 1), -EBADMSG);
	/* That was read before. */
	assert_int_equal(elf_image_load(&image, 5 * PAGE, PAGE), 0);
	assert_int_equal(image.memory[5 * PAGE], 'a');
	elf_image_close(&image);
	close(fd);
	craft_free(&craft);
}

/* What has been checked is what is used: also the headers, which libelf looks at as well. */
static void test_file_that_is_written_to(void **state)
{
	struct elf_image image;
	struct craft craft;
	GElf_Ehdr header;
	int fd;

	(void)state;
	fd = good_file(&craft);
	assert_int_equal(elf_image_open(&image, fd), 0);
	assert_int_equal(elf_image_load(&image, 5 * PAGE - 1, 2), 0);
	write_over(fd, craft.size, 'b');
	assert_int_equal(elf_image_load(&image, 0, craft.size), 0);
	assert_memory_equal(image.memory, craft.bytes, 2 * PAGE);
	assert_memory_equal(image.memory + 4 * PAGE, craft.bytes + 4 * PAGE, 2 * PAGE);
	assert_non_null(gelf_getehdr(image.elf, &header));
	assert_int_equal(header.e_shnum, CRAFT_SECTIONS);
	/* The others were read now, and stay. */
	write_over(fd, craft.size, 'c');
	assert_int_equal(elf_image_load(&image, 0, craft.size), 0);
	for (size_t at = 6 * PAGE; at < craft.size; at++)
		assert_int_equal(image.memory[at], 'b');
	assert_int_equal(image.memory[3 * PAGE], 'b');
	elf_image_close(&image);
	close(fd);
	craft_free(&craft);
}

static void test_parts_at_the_end(void **state)
{
	struct elf_image image;
	struct craft craft;
	int fd;

	(void)state;
	fd = good_file(&craft);
	assert_int_equal(elf_image_open(&image, fd), 0);
	/* What is appended later is none of it. */
	assert_int_equal(ftruncate(fd, 9 * PAGE), 0);
	assert_int_equal(elf_image_load(&image, craft.size - 1, 1), 0);
	assert_int_equal(image.memory[craft.size - 1], 'a');
	assert_int_equal(elf_image_load(&image, craft.size, 0), 0);
	assert_int_equal(elf_image_load(&image, craft.size, 1), -EBADMSG);
	assert_int_equal(elf_image_load(&image, craft.size + 1, 0), -EBADMSG);
	assert_int_equal(elf_image_load(&image, 1, UINT64_MAX), -EBADMSG);
	elf_image_close(&image);
	close(fd);
	craft_free(&craft);
}

/* Of the hole there is nothing to read, but it would be memory. */
static void test_more_than_is_loaded_of_one_file(void **state)
{
	struct elf_image image;
	struct craft craft;
	int fd;

	(void)state;
	fd = good_file(&craft);
	assert_int_equal(ftruncate(fd, (off_t)FILE_PAGES_BYTES_MAX + 16 * PAGE), 0);
	assert_int_equal(elf_image_open(&image, fd), 0);
	/* The first pages were read by opening it. */
	assert_int_equal(elf_image_load(&image, 8 * PAGE, FILE_PAGES_BYTES_MAX), -EFBIG);
	assert_int_equal(elf_image_load(&image, 8 * PAGE, FILE_PAGES_BYTES_MAX + 1), -EFBIG);
	assert_int_equal(elf_image_load(&image, 8 * PAGE, PAGE), 0);
	elf_image_close(&image);
	close(fd);
	craft_free(&craft);
}

/* Each is asked for every note and function. Of other kinds there may be more. */
static void test_more_parts_than_any_linker_makes(void **state)
{
	static const Elf64_Phdr load = { .p_type = PT_LOAD }, other = { .p_type = PT_NOTE };
	struct craft craft;
	struct elfnote out;
	size_t segments;

	(void)state;
	craft_good(&craft);
	segments = craft.size;
	for (unsigned int i = 0; i < CRAFT_SEGMENTS; i++)
		craft_append(&craft, craft_segment(&craft, i), sizeof(load));
	for (unsigned int i = 0; i < 1000; i++)
		craft_append(&craft, i < ELF_IMAGE_PARTS_MAX - 4 ? &load : &other, sizeof(load));
	craft_header(&craft)->e_phoff = segments;
	craft_header(&craft)->e_phnum = CRAFT_SEGMENTS + 1000;
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), 0);
	assert_int_equal(out.sites_count, 4);
	/* The last of the others; and a part that is made read-only counts as well. */
	memcpy(craft.bytes + craft.size - sizeof(load), &load, sizeof(load));
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), -EBADMSG);
	put32(&craft, craft.size - sizeof(load), PT_GNU_RELRO);
	assert_int_equal(read_bytes(craft.bytes, craft.size, &out), -EBADMSG);
	craft_free(&craft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_that_shrinks),
		cmocka_unit_test(test_file_that_is_written_to),
		cmocka_unit_test(test_parts_at_the_end),
		cmocka_unit_test(test_more_than_is_loaded_of_one_file),
		cmocka_unit_test(test_more_parts_than_any_linker_makes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
