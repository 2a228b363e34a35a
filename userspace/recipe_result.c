/* SPDX-License-Identifier: MIT */
#include "recipe_result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "debug_file.h"
#include "dwarf_enum.h"

static void close_separate(struct recipe_debug *d)
{
	if (!d->separate)
		return;
	elf_image_close(&d->image);
	close(d->fd);
	d->separate = false;
}

void recipe_debug_close(struct recipe_debug *d)
{
	dwarf_enums_free(d->enums);
	close_separate(d);
	memset(d, 0, sizeof(*d));
}

/* -ENODATA where there is none, and what was wrong stays so. */
static int open_separate(struct recipe_debug *d)
{
	const char *wrong;

	d->fd = debug_file_open(d->note);
	if (d->fd < 0)
		return -ENODATA;
	if (elf_image_open(&d->image, d->fd)) {
		close(d->fd);
		return -ENODATA;
	}
	d->separate = true;
	if (!dwarf_enums_new(&d->image, &d->enums, &wrong))
		return 0;
	close_separate(d);
	return -ENODATA;
}

static int open_debug(struct recipe_debug *d, struct elf_image *image)
{
	if (!d->opened)
		d->err = dwarf_enums_new(image, &d->enums, &d->wrong);
	if (!d->opened && d->err == -ENODATA)
		d->err = open_separate(d);
	d->opened = true;
	return d->err;
}

/* A type without one that is accepted or rejected is not the one that was meant. */
static int check_met(const struct dwarf_enum_result *result, const struct recipe_step *step,
		     char *why, size_t why_size)
{
	static const uint32_t needed[] = { PUSHBACK_ACCEPTED, PUSHBACK_REJECTED };
	char name[128];

	for (size_t i = 0; i < 2; i++) {
		if (result->met & 1u << needed[i])
			continue;
		snprintf(why, why_size, "no variant of what it returns is called %s",
			 recipe_names_first(&step->names, needed[i], name, sizeof(name)));
		return -EINVAL;
	}
	return 0;
}

static void write_rule(const struct dwarf_enum_result *result, struct pb_rule *rule)
{
	rule->result = result->source;
	rule->message = (struct pb_source){ 0 };
	memcpy(rule->ranges, result->ranges, sizeof(rule->ranges));
	rule->ranges_count = result->ranges_count;
	rule->otherwise = result->otherwise;
}

int recipe_result_find(struct recipe_debug *d, struct elf_image *image, uint64_t function,
		       const struct recipe_step *step, struct pb_rule *rule, char *why,
		       size_t why_size)
{
	struct dwarf_enum_names names = { .means = recipe_names_mean,
					  .context = (void *)&step->names,
					  .unnamed = step->names.unnamed };
	struct dwarf_enum_result result;
	int err = open_debug(d, image);

	if (err)
		snprintf(why, why_size, "%s", d->wrong);
	else
		err = dwarf_enums_find(d->enums, function, &names, &result, why, why_size);
	if (err == -ENODATA && step->result.place)
		return 1;
	if (!err)
		err = check_met(&result, step, why, why_size);
	if (!err && step->instance.place == RECIPE_ARGUMENT)
		err = dwarf_enums_argument(d->enums, function, step->instance.number, why,
					   why_size);
	if (!err)
		write_rule(&result, rule);
	return err;
}
