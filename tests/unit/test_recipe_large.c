/* SPDX-License-Identifier: MIT */
/* Functions of more code than is decoded: none of it is read */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf_symbols.h"
#include "insn_walk.h"
#include "recipe_sites.h"
#include "scratch.h"

#if defined(__x86_64__)
#define RETURN_SIZE 1
#else
#define RETURN_SIZE 4
#endif

/* Begins with this and goes on for so many bytes. */
struct function {
	const char *name, *begin;
	uint64_t size;
};

/* The file that they are in, opened. */
static int assemble(const struct function *functions, size_t count)
{
	char text[256];
	FILE *file;

	snprintf(text, sizeof(text), "%s/a.s", directory);
	file = fopen(text, "w");
	assert_non_null(file);
	fprintf(file, "	.text\n");
	for (size_t i = 0; i < count; i++) {
		const char *name = functions[i].name;

		fprintf(file, "	.type %s, @function\n%s:	%s\n", name, name,
			functions[i].begin);
		fprintf(file, "	.org %s + %llu\n	ret\n	.size %s, . - %s\n", name,
			(unsigned long long)functions[i].size - RETURN_SIZE, name, name);
	}
	fclose(file);
	snprintf(text, sizeof(text), "gcc -nostdlib -shared -o %s/a.so %s/a.s", directory,
		 directory);
	assert_int_equal(system(text), 0);
	snprintf(text, sizeof(text), "%s/a.so", directory);
	return open(text, O_RDONLY | O_CLOEXEC);
}

/* Of one step. */
static struct recipes *read_recipe(const char *place, const char *result)
{
	struct recipes *recipes = recipes_new();
	char text[256], path[64], why[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/recipe", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	snprintf(text, sizeof(text),
		 "[target]\npath = */a.so\n[step a]\nsubmit = %s\ninstance = none\n"
		 "result = s32 %s\naccepted = 0\nrejected = -11\n",
		 place, result);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
	assert_int_equal(recipes_read(recipes, path, why, sizeof(why)), 0);
	return recipes;
}

/* 0: it can be probed there. */
static int look(int fd, const char *place, const char *result, char *why, size_t why_size)
{
	struct recipe_file file = { .fd = fd, .path = "/usr/lib/a.so" };
	struct recipes *recipes = read_recipe(place, result);
	struct recipe_sites *sites;
	struct elfnote note = { 0 };
	int err;

	why[0] = '\0';
	err = recipe_sites_find(recipes, &file, &note, &sites, why, why_size);
	assert_true(!err == !!sites);
	recipe_sites_free(sites);
	recipes_free(recipes);
	close(fd);
	return err;
}

static bool take(const struct elf_function *function, void *context)
{
	if (!strcmp(function->name, "f"))
		*(uint64_t *)context = function->address;
	return true;
}

/* Where f begins in the file. */
static uint64_t offset_of_f(int fd)
{
	uint64_t address = 0, offset;
	struct elf_image image;

	assert_int_equal(elf_image_open(&image, fd), 0);
	elf_symbols_each(&image, take, &address);
	assert_true(elf_image_offset(&image, address, 1, 0, &offset));
	elf_image_close(&image);
	return offset;
}

/* An instruction by its offset, in as much as is decoded, and in more. */
static void a_site_by_its_offset(void **state)
{
	(void)state;
	for (uint64_t more = 0; more < 8; more += 4) {
		const struct function f = { "f", "nop", INSN_CODE_MAX + more };
		int fd = assemble(&f, 1);
		char place[64], why[512];

		snprintf(place, sizeof(place), "site 0x%llx", (unsigned long long)offset_of_f(fd));
		assert_int_equal(look(fd, place, "arg2", why, sizeof(why)), more ? -EFBIG : 0);
		if (more)
			assert_non_null(strstr(why, "is in a function of more than 2 MiB"));
	}
}

/* Its returns are the function's, as far as they are looked for. */
static void a_cold_part(void **state)
{
	struct function functions[] = { { "f", "jmp f.cold", 16 }, { "f.cold", "nop", 16 } };
	char why[512];

	(void)state;
#if !defined(__x86_64__)
	skip();
#endif
	assert_int_equal(look(assemble(functions, 2), "symbol f", "return", why, sizeof(why)), 0);
	functions[1].size = INSN_CODE_MAX + 4;
	assert_int_equal(look(assemble(functions, 2), "symbol f", "return", why, sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, "f ends by a jump to another function"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_by_its_offset),
		cmocka_unit_test(a_cold_part),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
