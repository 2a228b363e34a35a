/* SPDX-License-Identifier: MIT */
/* The reader of debug information against files in which some bytes of it are wrong. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "dwarf_enum.h"
#include "elf_symbols.h"
#include "recipe_names.h"
#include "scratch.h"
#include "seed.h"

#define FUNCTIONS_MAX 128
#define SECTIONS_MAX  16

struct good {
	uint8_t *bytes;
	size_t size;
	uint64_t functions[FUNCTIONS_MAX];
	size_t functions_count;
	struct {
		uint64_t offset, size;
	} sections[SECTIONS_MAX];
	size_t sections_count;
};

static bool take(const struct elf_function *function, void *context)
{
	struct good *g = context;

	if ((!strncmp(function->name, "answer_", 7) || !strncmp(function->name, "big_", 4) ||
	     !strncmp(function->name, "small_", 6)) &&
	    g->functions_count < FUNCTIONS_MAX)
		g->functions[g->functions_count++] = function->address;
	return true;
}

/* Strings are not among them: those are only compared. */
static void find_sections(struct good *g, struct elf_image *image)
{
	static const char *const names[] = { ".debug_info", ".debug_abbrev", ".debug_ranges",
					     ".debug_rnglists", ".debug_addr" };

	for (size_t i = 1; i < image->sections; i++)
		for (size_t j = 0; j < 5; j++) {
			GElf_Shdr section;

			gelf_getshdr(elf_getscn(image->elf, i), &section);
			if (!elf_image_section_is(image, &section, names[j]))
				continue;
			g->sections[g->sections_count].offset = section.sh_offset;
			g->sections[g->sections_count++].size = section.sh_size;
		}
}

static uint8_t *read_bytes(int fd, size_t *size)
{
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0 && !fstat(fd, &st));
	*size = (size_t)st.st_size;
	bytes = malloc(*size);
	assert_int_equal(pread(fd, bytes, *size, 0), st.st_size);
	return bytes;
}

static void read_good(struct good *g, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_image image;

	memset(g, 0, sizeof(*g));
	g->bytes = read_bytes(fd, &g->size);
	assert_int_equal(elf_image_open(&image, fd), 0);
	elf_symbols_each(&image, take, g);
	find_sections(g, &image);
	elf_image_close(&image);
	close(fd);
	assert_true(g->functions_count > 50 && g->sections_count >= 2);
}

/* How many functions it tells of. */
static size_t read_all(const struct good *g, int fd)
{
	struct dwarf_enum_names names = { .means = recipe_names_mean, .unnamed = -1 };
	struct recipe_names usual;
	struct elf_image image;
	struct dwarf_enums *enums;
	const char *wrong;
	size_t told = 0;

	recipe_names_init(&usual);
	names.context = &usual;
	assert_int_equal(elf_image_open(&image, fd), 0);
	if (!dwarf_enums_new(&image, &enums, &wrong)) {
		for (size_t i = 0; i < g->functions_count; i++) {
			struct dwarf_enum_result result;
			char why[256];

			told += !dwarf_enums_find(enums, g->functions[i], &names, &result, why,
						  sizeof(why));
		}
		dwarf_enums_free(enums);
	}
	elf_image_close(&image);
	return told;
}

/* One byte, or the beginning of a section, where the crate's own unit is. */
static void spoil(struct good *g, struct seed *seed, int fd)
{
	for (uint64_t n = 1 + seed_below(seed, 8); n; n--) {
		size_t i = seed_below(seed, g->sections_count);
		uint64_t most = g->sections[i].size;
		uint8_t byte = seed_chance(seed, 30) ? 0xff : (uint8_t)seed_next(seed);

		if (seed_chance(seed, 80) && most > 4096)
			most = 4096;
		assert_int_equal(pwrite(fd, &byte, 1,
					(off_t)(g->sections[i].offset + seed_below(seed, most))),
				 1);
	}
}

/* A library in which these functions are told of: as it is, then with some bytes wrong. */
static void spoil_often(const char *name, struct seed *seed)
{
	int runs = getenv("PUSHBACK_TEST_LONG") ? 3000 : 100;
	size_t whole = 0, less = 0;
	struct good g;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	read_good(&g, path);
	for (int run = -1; run < runs; run++) {
		int fd = memfd_create("spoilt", MFD_CLOEXEC);
		size_t told;

		assert_int_equal(write(fd, g.bytes, g.size), g.size);
		if (run >= 0)
			spoil(&g, seed, fd);
		told = read_all(&g, fd);
		if (run < 0)
			whole = told;
		less += told < whole;
		close(fd);
	}
	assert_true(whole > 50 && less > 0);
	free(g.bytes);
}

static void test_rust(void **state)
{
	struct seed seed = seed_new(__func__);
	char command[256];

	(void)state;
	/* Enums of all kinds with chosen discriminants there are from 1.66 on. */
	if (system("rustc --version 2>/dev/null | grep -qE ' "
		   "1[.](6[6-9]|[7-9][0-9]|[1-9][0-9]{2})'"))
		skip();
	snprintf(command, sizeof(command),
		 "rustc --edition 2021 --crate-type=cdylib -O -g -o %s/enums.so "
		 "tests/unit/fixtures/enums.rs",
		 directory);
	assert_int_equal(system(command), 0);
	spoil_often("enums.so", &seed);
}

static void test_cpp(void **state)
{
	struct seed seed = seed_new(__func__);
	char command[512];

	(void)state;
	snprintf(command, sizeof(command),
		 "for i in $(seq 60); do "
		 "echo \"enum class e$i { Ok, MessageRejected = $i, InvalidMessage = 99 };\";"
		 "echo \"extern \\\"C\\\" e$i answer_$i(int i) { return (e$i)(i + $i); }\"; done "
		 ">%s/c.cc "
		 "&& "
		 "g++ -g -O2 -gdwarf-5 -shared -fPIC -w %s/c.cc -o %s/c.so",
		 directory, directory, directory);
	assert_int_equal(system(command), 0);
	spoil_often("c.so", &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rust),
					    cmocka_unit_test(test_cpp) };

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
