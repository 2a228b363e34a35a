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
#include "elf_unwind.h"
#include "recipe_sites.h"

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

/* ---- How many ---- */

/* Of 65,536 sections each may be one, of the same bytes. */
static void test_tables_that_are_one(void **state)
{
	struct craft craft;
	Elf64_Shdr section;

	(void)state;
	section = craft_symbols(&craft, symbols, sizeof(symbols), names, sizeof(names));
	add_section(&craft, &section);
	add_section(&craft, &section);
	assert_int_equal(count_functions(&craft), 2);
	section.sh_type = SHT_DYNSYM;
	add_section(&craft, &section);
	add_section(&craft, &section);
	assert_int_equal(count_functions(&craft), 4);
	craft_free(&craft);
}

/* Each of two tables has half of what there may be, or one more. */
static void craft_many(struct craft *craft, size_t functions)
{
	Elf64_Sym *table = calloc(functions, sizeof(*table));
	Elf64_Shdr section;

	assert_non_null(table);
	for (size_t i = 0; i < functions; i++)
		table[i] = symbols[1];
	section = craft_symbols(craft, table, functions * sizeof(*table), names, sizeof(names));
	section.sh_type = SHT_DYNSYM;
	add_section(craft, &section);
	free(table);
}

static int make_ranges(const struct craft *craft)
{
	struct elf_ranges *ranges;
	struct elf_image image;
	int err;

	open_image(craft, &image);
	err = elf_ranges_new(&image, &ranges);
	assert_true(!err == !!ranges);
	elf_ranges_free(ranges);
	close_image(&image);
	return err;
}

static void write_recipe(struct recipes *recipes, const char *submit)
{
	char text[256];
	char path[] = "/tmp/recipe-XXXXXX", why[512];
	int fd = mkstemp(path);

	snprintf(text, sizeof(text),
		 "[target]\npath = */many\n[step a]\nsubmit = %s\ninstance = arg1\n"
		 "result = s32 return\naccepted = 0\nrejected = -11\n",
		 submit);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(recipes_read(recipes, path, why, sizeof(why)), 0);
	unlink(path);
}

/* It is said what is wrong with the file, and not that there is no memory. */
static void test_more_functions_than_are_kept(void **state)
{
	struct recipe_file file = { .path = "/usr/bin/many" };
	struct elfnote note = { 0 };
	struct recipes *recipes = recipes_new();
	struct recipe_sites *sites;
	struct craft craft;
	char why[512];

	(void)state;
	craft_many(&craft, ELF_RANGES_MAX / 2);
	assert_int_equal(make_ranges(&craft), 0);
	craft_free(&craft);
	craft_many(&craft, ELF_RANGES_MAX / 2 + 1);
	assert_int_equal(make_ranges(&craft), -E2BIG);
	write_recipe(recipes, "symbol first");
	file.fd = craft_open(craft.bytes, craft.size);
	assert_int_equal(recipe_sites_find(recipes, &file, &note, &sites, why, sizeof(why)),
			 -E2BIG);
	assert_null(sites);
	assert_non_null(strstr(why, "/usr/bin/many: it has more than 4194304 functions"));
	close(file.fd);
	recipes_free(recipes);
	craft_free(&craft);
}

/* Each name stands for 60,000 letters: all of them together take minutes. */
static void test_names_that_take_too_long(void **state)
{
	static const char name[] = "_Z6submit1AIiiES_IS0_S0_ES_IS1_S1_ES_IS2_S2_ES_IS3_S3_E"
				   "S_IS4_S4_ES_IS5_S5_ES_IS6_S6_ES_IS7_S7_ES_IS8_S8_ES_IS9_S9_E"
				   "S_ISA_SA_E";
	struct recipe_file file = { .path = "/usr/bin/many" };
	struct recipes *recipes = recipes_new();
	size_t functions = ELF_RANGES_MAX / 4;
	Elf64_Sym *table = calloc(functions, sizeof(*table));
	struct elfnote note = { 0 };
	struct recipe_sites *sites;
	struct craft craft;
	char why[512];

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < functions; i++) {
		table[i] = symbols[1];
		table[i].st_name = 0;
	}
	craft_symbols(&craft, table, functions * sizeof(*table), name, sizeof(name));
	write_recipe(recipes, "glob *nothing*");
	file.fd = craft_open(craft.bytes, craft.size);
	alarm(100);
	assert_int_equal(recipe_sites_find(recipes, &file, &note, &sites, why, sizeof(why)),
			 -ETIME);
	alarm(0);
	assert_null(sites);
	assert_non_null(strstr(why, "/usr/bin/many: to look through its symbols takes more than"));
	close(file.fd);
	recipes_free(recipes);
	craft_free(&craft);
	free(table);
}

/* ---- Frames ---- */

/* What linkers write for a function of 16 bytes, whose address is counted from where it stands. */
static Elf64_Shdr add_frame(struct craft *craft, uint64_t function)
{
	static const uint8_t common[20] = { 16,  0, 0, 0,    0,  0, 0,    0, 1, 'z',
					    'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0 };
	struct {
		uint8_t common[sizeof(common)];
		uint32_t length, back;
		int32_t start;
		uint32_t size, rest, end;
	} frame = { .length = 16, .back = sizeof(common) + 4, .size = 16 };

	memcpy(frame.common, common, sizeof(common));
	frame.start = (int32_t)(function - CRAFT_DATA_BASE - (sizeof(common) + 8));
	return (Elf64_Shdr){ .sh_type = SHT_PROGBITS,
			     .sh_addr = CRAFT_DATA_BASE,
			     .sh_offset = add_part(craft, &frame, sizeof(frame)),
			     .sh_size = sizeof(frame) };
}

/* A name that sections can have, behind the others. */
static uint32_t add_name(struct craft *craft, const char *name)
{
	Elf64_Shdr *section = craft_section(craft, CRAFT_SECTION_NAMES);
	size_t size = section->sh_size, all = size + strlen(name) + 1;
	char *strings = malloc(all);

	assert_non_null(strings);
	memcpy(strings, craft->bytes + section->sh_offset, size);
	memcpy(strings + size, name, strlen(name) + 1);
	section->sh_size = all;
	section->sh_offset = craft->size;
	craft_append(craft, strings, all);
	free(strings);
	return (uint32_t)size;
}

static void test_frames_of_the_first_section(void **state)
{
	struct elf_function function;
	struct elf_ranges *ranges;
	struct elf_image image;
	Elf64_Shdr frames[2];
	struct craft craft;
	uint32_t name;
	char why[256];

	(void)state;
	craft_good(&craft);
	frames[0] = add_frame(&craft, CRAFT_TEXT_BASE);
	frames[1] = add_frame(&craft, CRAFT_TEXT_BASE + 16);
	name = add_name(&craft, ".eh_frame");
	move_sections(&craft);
	for (size_t i = 0; i < 2; i++) {
		frames[i].sh_name = name;
		add_section(&craft, &frames[i]);
	}
	open_image(&craft, &image);
	assert_int_equal(elf_ranges_new(&image, &ranges), 0);
	assert_true(elf_ranges_find(ranges, CRAFT_TEXT_BASE + 15, &function));
	assert_false(elf_ranges_find(ranges, CRAFT_TEXT_BASE + 16, &function));
	elf_ranges_free(ranges);
	/* What is not looked at may have handlers. */
	assert_true(elf_may_unwind(&image, why, sizeof(why)));
	close_image(&image);
	craft_header(&craft)->e_shnum--;
	open_image(&craft, &image);
	assert_false(elf_may_unwind(&image, why, sizeof(why)));
	close_image(&image);
	craft_free(&craft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_table),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_tables_that_are_one),
		cmocka_unit_test(test_more_functions_than_are_kept),
		cmocka_unit_test(test_names_that_take_too_long),
		cmocka_unit_test(test_frames_of_the_first_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
