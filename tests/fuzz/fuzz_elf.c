/* SPDX-License-Identifier: MIT */
/*
 * What `recipe` reads of a target's file: its functions, their code, foreign probes, whether it unwinds,
 * and what its debug information says of what functions return. The input is the file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dwarf_enum.h"
#include "elf_stapsdt.h"
#include "elf_symbols.h"
#include "elf_unwind.h"
#include "elfnote.h"
#include "fuzz_input.h"
#include "insn.h"
#include "recipe_names.h"
#include "symbol_name.h"
#include "symbol_suffix.h"

#define FUNCTIONS_MAX 24

struct file {
	struct elf_image image;
	struct elf_function functions[FUNCTIONS_MAX];
	size_t count;
	uint64_t size;
};

static bool take(const struct elf_function *function, void *context)
{
	struct file *f = context;

	MUST(function->size > 0);
	MUST(strlen(function->name) <= f->size);
	f->functions[f->count++] = *function;
	return f->count < FUNCTIONS_MAX;
}

static void take_probe(const struct elf_stapsdt *probe, void *context)
{
	struct file *f = context;

	MUST(strlen(probe->provider) <= f->size);
	MUST(!probe->name || strlen(probe->name) <= f->size);
	MUST(!probe->arguments || strlen(probe->arguments) <= f->size);
}

static void look_at(struct file *f, const struct elf_ranges *ranges, struct dwarf_enums *enums,
		    const struct elf_function *function)
{
	struct dwarf_enum_names names = { .means = recipe_names_mean, .unnamed = -1 };
	struct dwarf_enum_result result;
	struct recipe_names usual;
	struct elf_function found;
	uint64_t word;
	char why[256];
	const uint8_t *code = elf_code(&f->image, function->address, function->size);

	/* Each byte of it is there. */
	for (uint64_t i = 0, sum = 0; code && i < function->size; i++) {
		sum += code[i];
		__asm__ volatile("" ::"r"(sum));
	}
	MUST(!code || function->size <= f->size);
	elf_word(&f->image, function->address, &word);
	if (elf_ranges_find(ranges, function->address, &found))
		MUST(found.address <= function->address &&
		     function->address - found.address < found.size);
	if (!enums)
		return;
	recipe_names_init(&usual);
	names.context = &usual;
	if (!dwarf_enums_find(enums, function->address, &names, &result, why, sizeof(why)))
		MUST(result.ranges_count <= PB_MAX_RANGES);
	else
		MUST(strnlen(why, sizeof(why)) < sizeof(why));
	for (unsigned int i = 1; i <= 6; i++)
		dwarf_enums_argument(enums, function->address, i, why, sizeof(why));
	recipe_names_free(&usual);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file f = { .size = size };
	struct dwarf_enums *enums = NULL;
	struct elf_ranges *ranges;
	const char *wrong;
	uint64_t address;
	char why[256];
	int err = elf_image_open(&f.image, fuzz_file(data, size));

	/* That is fatal to an agent, and so nothing that a file may bring about. */
	MUST(err != -ENOMEM);
	if (err)
		return 0;
	elf_symbols_each(&f.image, take, &f);
	elf_stapsdt_each(&f.image, take_probe, &f);
	if (elf_may_unwind(&f.image, why, sizeof(why)))
		MUST(strnlen(why, sizeof(why)) < sizeof(why));
	for (uint64_t at = 0; at < size; at += 512)
		elf_code_address(&f.image, at, &address);
	MUST(!elf_ranges_new(&f.image, &ranges));
	if (dwarf_enums_new(&f.image, &enums, &wrong))
		enums = NULL;
	for (size_t i = 0; i < f.count; i++)
		look_at(&f, ranges, enums, &f.functions[i]);
	if (enums)
		dwarf_enums_free(enums);
	elf_ranges_free(ranges);
	elf_image_close(&f.image);
	return 0;
}
