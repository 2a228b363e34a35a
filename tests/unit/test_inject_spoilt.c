/* SPDX-License-Identifier: MIT */
/*
 * usdt-inject with files that are broken at random, under the sanitizers: it refuses, or what it
 * makes is the file with something behind it, and --remove gives the file back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "build.h"
#include "inject_craft.h"
#include "plan.h"
#include "undo.h"
#include "seed.h"

#define ROUNDS 20000

/* How far a round came. */
struct tally {
	size_t refused;
	size_t injected;
	size_t restored;
};

static const char *const sites[] = { "a:b=work@return", "a:b=work@entry", "a:b=0x20c@entry",
				     "a:b=work+0xb",    "a:b=file:0x205", "a:b=0x203" };

#define SITES (sizeof(sites) / sizeof(*sites))

static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + !size); /* no byte more, for the sanitizer */

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return copy;
}

/* NULL: refused. */
static uint8_t *inject(const uint8_t *bytes, size_t size, const char *site, size_t *injected_size)
{
	uint8_t *injected = NULL;
	struct image image;
	struct spec spec;
	struct plan plan;
	struct why why = { "" };

	assert_int_equal(spec_parse(&spec, site, &why), 0);
	if (!image_open(&image, copy_of(bytes, size), size, &why)) {
		if (!build_check(&image, &why) && !plan_make(&plan, &image, &spec, 1, &why)) {
			injected = build_injected(&image, &plan, injected_size, &why);
			plan_free(&plan);
		}
		image_close(&image);
	}
	spec_free(&spec);
	assert_true(injected || *why.text);
	return injected;
}

static uint8_t *restore(const uint8_t *bytes, size_t size, size_t *restored_size)
{
	uint8_t *restored = NULL;
	struct image image;
	struct why why = { "" };

	if (!image_open(&image, copy_of(bytes, size), size, &why)) {
		restored = undo_restore(&image, restored_size, &why);
		image_close(&image);
	}
	assert_true(restored || *why.text);
	return restored;
}

static void spoil(struct seed *seed, uint8_t *bytes, size_t size)
{
	static const uint64_t nasty[] = { 0,          1,   0x7f,  0xff,      0xffff,
					  0x7fffffff, ~0u, ~0ull, 1ull << 63 };
	static const size_t parts[][2] = { { 0, 0x78 },
					   { CRAFT_TEXT, sizeof(craft_text) },
					   { CRAFT_SYMTAB, 0x60 },
					   { CRAFT_FRAME, CRAFT_FRAME_SIZE },
					   { CRAFT_NOTE, 56 },
					   { CRAFT_HEADERS, CRAFT_SECTIONS * sizeof(Elf64_Shdr) },
					   { 0, CRAFT_SIZE } };
	const size_t *part = parts[seed_below(seed, sizeof(parts) / sizeof(*parts))];
	size_t at = part[0] + seed_below(seed, part[1]);
	size_t width = 1u << seed_below(seed, 4);
	uint64_t value = seed_chance(seed, 50)
				 ? seed_log(seed, 63)
				 : nasty[seed_below(seed, sizeof(nasty) / sizeof(*nasty))];

	if (seed_chance(seed, 70))
		at -= at % width;
	if (at < size)
		memcpy(bytes + at, &value, width < size - at ? width : size - at);
}

static void check_injected(const uint8_t *bytes, size_t size, const uint8_t *injected,
			   size_t injected_size, struct tally *tally)
{
	Elf64_Ehdr header;
	size_t restored_size;
	uint8_t *restored;

	tally->injected++;
	assert_true(injected_size > size);
	memcpy(&header, injected, sizeof(header));
	memcpy(&header.e_shoff, bytes + offsetof(Elf64_Ehdr, e_shoff), sizeof(header.e_shoff));
	memcpy(&header.e_shnum, bytes + offsetof(Elf64_Ehdr, e_shnum), sizeof(header.e_shnum));
	assert_memory_equal(&header, bytes, sizeof(header));
	assert_memory_equal(injected + sizeof(header), bytes + sizeof(header),
			    size - sizeof(header));
	restored = restore(injected, injected_size, &restored_size);
	assert_non_null(restored);
	assert_int_equal(restored_size, size);
	assert_memory_equal(restored, bytes, size);
	free(restored);
	tally->restored++;
}

static void one_round(struct seed *seed, const uint8_t *good, struct tally *tally)
{
	uint8_t *bytes = copy_of(good, CRAFT_SIZE), *injected;
	size_t size = CRAFT_SIZE, injected_size, times = seed_below(seed, 4);

	for (size_t i = 0; i < times; i++)
		spoil(seed, bytes, size);
	if (seed_chance(seed, 10))
		size = seed_below(seed, size);
	injected = inject(bytes, size, sites[seed_below(seed, SITES)], &injected_size);
	if (injected)
		check_injected(bytes, size, injected, injected_size, tally);
	else
		tally->refused++;
	free(injected);
	free(bytes);
}

static void test_spoilt_files(void **state)
{
	struct seed seed = seed_new("inject_spoilt");
	uint8_t *good = craft_file();
	struct tally tally = { 0 };

	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		one_round(&seed, good, &tally);
	printf("%zu refused, %zu injected, %zu restored\n", tally.refused, tally.injected,
	       tally.restored);
	assert_true(tally.refused > ROUNDS / 10 && tally.injected > ROUNDS / 10);
	free(good);
}

/* An injected file that was changed is refused, or gives the original all the same. */
static void test_spoilt_injected_files(void **state)
{
	struct seed seed = seed_new("inject_spoilt_injected");
	uint8_t *good = craft_file(), *injected;
	size_t size, restored_size, refused = 0;

	(void)state;
	injected = inject(good, CRAFT_SIZE, "a:b=work@return", &size);
	assert_non_null(injected);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *bytes = copy_of(injected, size), *restored;
		size_t cut = seed_chance(&seed, 10) ? seed_below(&seed, size) : size;

		bytes[seed_below(&seed, size)] ^= (uint8_t)(1 + seed_below(&seed, 255));
		restored = restore(bytes, cut, &restored_size);
		if (restored) {
			assert_int_equal(restored_size, CRAFT_SIZE);
			assert_memory_equal(restored, good, CRAFT_SIZE);
		} else {
			refused++;
		}
		free(restored);
		free(bytes);
	}
	printf("%zu of %d refused\n", refused, ROUNDS);
	assert_true(refused > ROUNDS / 2);
	free(injected);
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spoilt_files),
		cmocka_unit_test(test_spoilt_injected_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
