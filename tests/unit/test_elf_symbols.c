/* SPDX-License-Identifier: MIT */
/* Functions of files that tell of more of them, or at more length, than any linker does */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf_check.h"
#include "elf_symbols.h"

/* Two functions, each with its own name. */
static const char names[] = "\0first\0second";
static const Elf64_Sym symbols[] = {
	{ 0 },
	{ .st_name = 1,
	  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
	  .st_shndx = 1,
	  .st_value = CRAFT_TEXT_BASE,
	  .st_size = 16 },
	{ .st_name = 7,
	  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
	  .st_shndx = 1,
	  .st_value = CRAFT_TEXT_BASE + 16,
	  .st_size = 16 },
};

/* A part of the file, behind all else; its offset. */
static uint64_t add_part(struct craft *craft, const void *bytes, size_t size)
{
	uint64_t at;

	while (craft->size % 8)
		craft_append(craft, "", 1);
	at = craft->size;
	craft_append(craft, bytes, size);
	return at;
}

/* From here on sections can be added. */
static void move_sections(struct craft *craft)
{
	Elf64_Shdr sections[CRAFT_SECTIONS];

	memcpy(sections, craft_section(craft, 0), sizeof(sections));
	craft->sections = add_part(craft, sections, sizeof(sections));
	craft_header(craft)->e_shoff = craft->sections;
}

static uint32_t add_section(struct craft *craft, const Elf64_Shdr *section)
{
	craft_append(craft, section, sizeof(*section));
	return craft_header(craft)->e_shnum++;
}

/* With a symbol table and its names; what both are is returned, for more of them. */
static Elf64_Shdr craft_symbols(struct craft *craft, const void *table, size_t table_size,
				const char *strings, size_t strings_size)
{
	Elf64_Shdr names_section = { .sh_type = SHT_STRTAB, .sh_size = strings_size };
	Elf64_Shdr section = { .sh_type = SHT_SYMTAB, .sh_size = table_size };

	craft_good(craft);
	names_section.sh_offset = add_part(craft, strings, strings_size);
	section.sh_offset = add_part(craft, table, table_size);
	section.sh_entsize = sizeof(Elf64_Sym);
	move_sections(craft);
	section.sh_link = add_section(craft, &names_section);
	add_section(craft, &section);
	return section;
}

static void open_image(const struct craft *craft, struct elf_image *image)
{
	assert_int_equal(elf_image_open(image, craft_open(craft->bytes, craft->size)), 0);
}

static void close_image(struct elf_image *image)
{
	int fd = image->fd;

	elf_image_close(image);
	close(fd);
}

static bool count(const struct elf_function *function, void *context)
{
	size_t *functions = context;

	assert_int_equal(function->size, 16);
	++*functions;
	return true;
}

static size_t count_functions(const struct craft *craft)
{
	struct elf_image image;
	size_t functions = 0;

	open_image(craft, &image);
	assert_int_equal(elf_symbols_each(&image, count, &functions), 0);
	close_image(&image);
	return functions;
}

static void test_good_table(void **state)
{
	struct craft craft;

	(void)state;
	craft_symbols(&craft, symbols, sizeof(symbols), names, sizeof(names));
	assert_int_equal(count_functions(&craft), 2);
	craft_free(&craft);
}

/* ---- Names ---- */

/* The end of each is looked for: of one string that is the whole table, again and again. */
static void test_long_names(void **state)
{
	Elf64_Sym both[2] = { symbols[1], symbols[1] };
	size_t size = ELF_IMAGE_STRING_MAX + 3;
	char *strings = malloc(size);
	struct craft craft;

	(void)state;
	assert_non_null(strings);
	memset(strings, 'f', size);
	strings[0] = strings[size - 1] = '\0';
	/* One letter more than there may be, and as many. */
	both[1].st_name = 2;
	craft_symbols(&craft, both, sizeof(both), strings, size);
	assert_int_equal(count_functions(&craft), 1);
	craft_free(&craft);
	/* The table has no end for them. */
	craft_symbols(&craft, both, sizeof(both), strings, size - 1);
	assert_int_equal(count_functions(&craft), 0);
	craft_free(&craft);
	free(strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_table),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
