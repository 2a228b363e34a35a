/* SPDX-License-Identifier: MIT */
/* Functions that are as large as can be, many of them: how much of one file is decoded for a recipe */
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

#include "elf_craft.h"
#include "recipe_sites.h"

#define SIZE      (512u << 10) /* of a function */
#define FUNCTIONS 40u
#define CODE      (FUNCTIONS * SIZE)
#define CODE_BASE 0x1000000u /* behind all else that the file has */
#define NAME      8u         /* letters of a name, with its end */

static uint64_t add_part(struct craft *craft, const void *bytes, size_t size)
{
	uint64_t at;

	while (craft->size % 8)
		craft_append(craft, "", 1);
	at = craft->size;
	craft_append(craft, bytes, size);
	return at;
}

/* nops, and a ret at the end of each */
static void replace_code(struct craft *craft)
{
	uint8_t *code = malloc(CODE);
	Elf64_Phdr *segment;
	uint64_t at;

	assert_non_null(code);
	memset(code, 0x90, CODE);
	for (size_t end = SIZE; end <= CODE; end += SIZE)
		code[end - 1] = 0xc3;
	at = add_part(craft, code, CODE);
	free(code);
	segment = craft_segment(craft, CRAFT_SEGMENT_TEXT);
	segment->p_offset = at;
	segment->p_vaddr = segment->p_paddr = CODE_BASE;
	segment->p_filesz = segment->p_memsz = CODE;
}

static void craft_functions(struct craft *craft)
{
	Elf64_Shdr sections[CRAFT_SECTIONS + 2];
	Elf64_Shdr *names = &sections[CRAFT_SECTIONS], *table = names + 1;
	Elf64_Sym symbols[FUNCTIONS];
	char strings[FUNCTIONS][NAME] = { "" };

	craft_good(craft);
	replace_code(craft);
	for (unsigned int i = 0; i < FUNCTIONS; i++) {
		snprintf(strings[i], NAME, "%sf%03u", i ? "" : " ", i);
		symbols[i] = (Elf64_Sym){ .st_name = i * NAME + !i,
					  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					  .st_shndx = 1,
					  .st_value = CODE_BASE + i * SIZE,
					  .st_size = SIZE };
	}
	memcpy(sections, craft_section(craft, 0), CRAFT_SECTIONS * sizeof(*sections));
	*names = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
			       .sh_offset = add_part(craft, strings, sizeof(strings)),
			       .sh_size = sizeof(strings) };
	*table = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
			       .sh_offset = add_part(craft, symbols, sizeof(symbols)),
			       .sh_size = sizeof(symbols),
			       .sh_entsize = sizeof(*symbols),
			       .sh_link = CRAFT_SECTIONS };
	craft->sections = add_part(craft, sections, sizeof(sections));
	craft_header(craft)->e_shoff = craft->sections;
	craft_header(craft)->e_shnum = CRAFT_SECTIONS + 2;
}

static struct recipes *read_recipe(const char *submits)
{
	struct recipes *recipes = recipes_new();
	char path[] = "/tmp/recipe-XXXXXX", why[512];
	int fd = mkstemp(path);

	dprintf(fd,
		"[target]\npath = */large\n[step a]\n%s"
		"instance = arg1\nresult = s32 return\naccepted = 0\nrejected = -11\n",
		submits);
	close(fd);
	assert_int_equal(recipes_read(recipes, path, why, sizeof(why)), 0);
	unlink(path);
	return recipes;
}

static void ignore(const char *why, void *context)
{
	(void)why;
	++*(size_t *)context;
}

/* What it says, and how many functions it has found; where `told`, for a check. */
static int find(const char *submits, size_t *functions, size_t *told, char why[512])
{
	struct recipes *recipes = read_recipe(submits);
	struct recipe_file file = { .path = "/usr/bin/large" };
	struct elfnote note = { 0 };
	struct recipe_sites *sites;
	struct craft craft;
	int err;

	craft_functions(&craft);
	file.fd = craft_open(craft.bytes, craft.size);
	err = recipe_sites_check(recipes, &file, &note, &sites, why, 512, told ? ignore : NULL,
				 told);
	*functions = sites ? sites->rules_count : 0;
	if (err)
		print_message("%s\n", why);
	recipe_sites_free(sites);
	close(file.fd);
	recipes_free(recipes);
	craft_free(&craft);
	return err;
}

static void two_are_found(void **state)
{
	size_t functions;
	char why[512];

	(void)state;
	assert_int_equal(find("submit = glob f00[01]\n", &functions, NULL, why), 0);
	assert_int_equal(functions, 2);
}

/* Ever so few symbols take seconds. Asked as a check, since who else asks has ten of them only. */
static void all_are_too_many(void **state)
{
	size_t functions, told = 0;
	char why[512];

	(void)state;
	assert_int_equal(find("submit = glob f*\n", &functions, &told, why), 0);
	assert_int_equal(functions, 0);
	assert_int_equal(told, 1);
	assert_non_null(strstr(why, "/usr/bin/large: its functions, with what they jump to, have "
				    "more than 16 MiB of code"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_are_found),
		cmocka_unit_test(all_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
