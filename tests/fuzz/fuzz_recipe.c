/* SPDX-License-Identifier: MIT */
/*
 * A recipe, as a user (or who wrote the file) has it, and what its steps then mean: where values are by a
 * probe's own arguments, the variants' names, whether a path is meant. The input is a path up to a 0,
 * arguments up to a 0, then the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_input.h"
#include "recipe.h"
#include "recipe_target.h"

static void check_source(const struct recipe_value *value, const char *usdt)
{
	struct pb_source source;
	const char *wrong = recipe_value_bind(value, usdt, &source);

	if (wrong) {
		MUST(fuzz_is_line(wrong, 256));
		return;
	}
	MUST(source.kind <= PB_SOURCE_MEMORY);
	if (source.kind == PB_SOURCE_NONE || source.kind == PB_SOURCE_CONSTANT)
		return;
	MUST(source.width == 1 || source.width == 2 || source.width == 4 || source.width == 8);
	MUST(source.at % 8 == 0 && source.at < 1024);
}

static void check_step(const struct recipes *r, const struct recipe_step *step, const char *usdt)
{
	char first[64];

	MUST(step->target < r->targets_count);
	MUST(step->wheres_count && step->wheres_count <= RECIPE_WHERES_MAX);
	MUST(step->values.ranges_count <= PB_MAX_RANGES);
	for (size_t i = 0; i < step->values.ranges_count; i++)
		MUST(step->values.ranges[i].outcome <= PB_OUTCOME_UNKNOWN);
	for (size_t i = 0; i < step->wheres_count; i++)
		MUST(step->wheres[i].text || step->wheres[i].kind == RECIPE_FUNCTION ||
		     step->wheres[i].kind == RECIPE_SITE);
	check_source(&step->instance, NULL);
	check_source(&step->result, usdt);
	check_source(&step->message, usdt);
	check_source(&step->ready, usdt);
	recipe_names_mean(usdt, (void *)&step->names);
	for (uint32_t outcome = 0; outcome < RECIPE_OUTCOMES; outcome++)
		recipe_names_first(&step->names, outcome, first, sizeof(first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char *path = input_text(&in), *usdt = input_text(&in);
	struct recipes *r = recipes_new();
	char file[64], why[512] = "";
	int err;

	MUST(r);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fuzz_file(in.data, in.size));
	err = recipes_read(r, file, why, sizeof(why));
	MUST(err <= 0);
	if (err)
		MUST(*why && fuzz_is_line(why, sizeof(why)));
	for (size_t i = 0; !err && i < r->steps_count; i++)
		check_step(r, &r->steps[i], usdt);
	for (size_t i = 0; !err && i < r->targets_count; i++) {
		MUST(r->targets[i].build_id_size <= ELFNOTE_BUILD_ID_MAX);
		recipe_target_names(&r->targets[i], path);
	}
	recipes_free(r);
	free(path);
	free(usdt);
	return 0;
}
