/* SPDX-License-Identifier: MIT */
/* A recipe's file is read in a process of its own: what that finds is what we would, and what it takes is its own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cpu_time.h"
#include "reader.h"
#include "recipe_apart.h"
#include "scratch.h"

static const char functions[] = "	.text\n"
				"	.globl f\n	.type f, @function\nf:	ret\n"
				"	.size f, . - f\n"
				"	.globl g\n	.type g, @function\ng:	ret\n"
				"	.size g, . - g\n";

/* Of units, each with the code and the table that the first one has. */
static const char unit[] = "	.section .debug_info\n"
			   "1:	.long 3f - 2f\n2:	.2byte 4\n	.long .debug_abbrev\n"
			   "	.byte 8\n	.uleb128 1; .quad f, 1\n%s	.byte 0\n3:\n";

static FILE *begin(void)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/a.s", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s", functions);
	return file;
}

static int end(FILE *file)
{
	char text[256];

	fclose(file);
	snprintf(text, sizeof(text), "gcc -nostdlib -shared -o %s/a.so %s/a.s", directory,
		 directory);
	assert_int_equal(system(text), 0);
	snprintf(text, sizeof(text), "%s/a.so", directory);
	return open(text, O_RDONLY | O_CLOEXEC);
}

static const char plain[] = "result = s32 return\naccepted = 0\nrejected = -11\n";

static struct recipes *read_recipe(const char *places, const char *result)
{
	struct recipes *recipes = recipes_new();
	char path[64], why[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/recipe", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[target]\npath = */a.so\n[step a]\n%sinstance = none\n%s", places, result);
	fclose(file);
	if (recipes_read(recipes, path, why, sizeof(why)))
		fail_msg("%s", why);
	return recipes;
}

static void they_are_the_same(void **state)
{
	struct recipes *recipes = read_recipe("submit = symbol f\nsubmit = symbol g\n", plain);
	int fd = end(begin());
	struct recipe_file file = { .fd = fd, .path = "/usr/lib/a.so" };
	struct recipe_sites *here, *apart;
	struct elfnote note = { 0 };
	char why[512];

	(void)state;
	assert_int_equal(recipe_sites_find(recipes, &file, &note, &here, why, sizeof(why)), 0);
	assert_int_equal(recipe_apart_find(recipes, &file, &note, &apart, why, sizeof(why)), 0);
	assert_int_equal(apart->sites_count, here->sites_count);
	assert_memory_equal(apart->sites, here->sites, sizeof(here->sites));
	assert_int_equal(apart->rules_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(apart->rules[i].function, here->rules[i].function);
		assert_memory_equal(&apart->rules[i].rule, &here->rules[i].rule,
				    sizeof(here->rules[i].rule));
		assert_ptr_equal(apart->rules[i].where, here->rules[i].where);
	}
	recipe_sites_free(here);
	recipe_sites_free(apart);
	file = (struct recipe_file){ open("/bin/true", O_RDONLY | O_CLOEXEC), "/bin/true", 0 };
	assert_int_equal(recipe_apart_find(recipes, &file, &note, &apart, why, sizeof(why)), 0);
	assert_null(apart);
	recipes_free(recipes);
	close(file.fd);
	close(fd);
}

static void take_line(const char *why, void *context)
{
	char *all = context;

	strcat(strcat(all, why), "\n");
}

static void what_is_wrong_is_told(void **state)
{
	struct recipes *recipes =
		read_recipe("submit = symbol x\nsubmit = symbol f\nsubmit = symbol y\n", plain);
	int fd = end(begin());
	struct recipe_file file = { .fd = fd, .path = "/usr/lib/a.so" };
	char why[512], here[2048] = "", apart[2048] = "";
	struct recipe_sites *sites;
	struct elfnote note = { 0 };

	(void)state;
	assert_int_equal(recipe_sites_check(recipes, &file, &note, &sites, why, sizeof(why),
					    take_line, here),
			 0);
	recipe_sites_free(sites);
	assert_int_equal(recipe_apart_check(recipes, &file, &note, &sites, why, sizeof(why),
					    take_line, apart),
			 0);
	assert_int_equal(sites->rules_count, 1);
	recipe_sites_free(sites);
	assert_non_null(strstr(here, "no function is y"));
	assert_string_equal(apart, here);
	assert_int_equal(recipe_sites_find(recipes, &file, &note, &sites, here, sizeof(here)),
			 -ENOENT);
	assert_int_equal(recipe_apart_find(recipes, &file, &note, &sites, apart, sizeof(apart)),
			 -ENOENT);
	assert_null(sites);
	assert_string_equal(apart, here);
	recipes_free(recipes);
	close(fd);
}

/* With no more than that of the resource, other than that process has by itself. */
static int find_within(int fd, int resource, rlim_t most, char *why, size_t why_size)
{
	struct recipes *recipes = read_recipe("submit = symbol f\n", "result = dwarf\n");
	struct recipe_file file = { .fd = fd, .path = "/usr/lib/a.so" };
	struct recipe_sites *sites;
	struct rlimit before, limit;
	struct elfnote note = { 0 };
	int err;

	assert_int_equal(getrlimit(resource, &before), 0);
	limit = before;
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(resource, &limit), 0);
	err = recipe_apart_find(recipes, &file, &note, &sites, why, why_size);
	assert_int_equal(setrlimit(resource, &before), 0);
	assert_null(sites);
	recipes_free(recipes);
	close(fd);
	return err;
}

/* A million entries of a byte, each with two thousand attributes that take none. */
static void it_has_so_much_time(void **state)
{
	FILE *file = begin();
	uint64_t cpu;
	char why[512];
	int fd;

	(void)state;
	fprintf(file, "	.section .debug_abbrev\n"
		      "	.uleb128 1, 0x11; .byte 1, 0x11, 1, 0x12, 7, 0, 0\n"
		      "	.uleb128 2, 0x34; .byte 0\n	.rept 2000\n	.byte 0x3c, 0x19\n"
		      "	.endr\n	.byte 0, 0\n	.byte 0\n");
	fprintf(file, unit, "	.fill 4000000, 1, 2\n");
	fd = end(file);
	cpu = cpu_time_here();
	assert_int_equal(find_within(fd, RLIMIT_CPU, 3, why, sizeof(why)), -EUCLEAN);
	assert_non_null(strstr(why, "/usr/lib/a.so: to read it took more than"));
	assert_true(cpu_time_here() - cpu >= 2000000000u);
}

/* For each unit its table is read, and kept. */
static void it_has_so_much_memory(void **state)
{
	FILE *file = begin();
	char why[512];
	int fd;

	(void)state;
	if (reader_is_thread())
		skip();
	fprintf(file, "	.section .debug_abbrev\n	.set n, 2\n	.rept 20000\n"
		      "	.uleb128 n, 0x34; .byte 0, 0, 0\n	.set n, n + 1\n	.endr\n"
		      "	.uleb128 1, 0x11; .byte 1, 0x11, 1, 0x12, 7, 0, 0\n	.byte 0\n");
	for (int i = 0; i < 400; i++)
		fprintf(file, unit, "");
	fd = end(file);
	assert_int_equal(find_within(fd, RLIMIT_AS, 300ul << 20, why, sizeof(why)), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_the_same),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(it_has_so_much_time),
		cmocka_unit_test(it_has_so_much_memory),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
