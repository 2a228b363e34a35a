/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function that is longer than any. */
#define FUNCTION_MAX (16u << 20)

const char *walk_name(const struct function *function, char *out, size_t size)
{
	if (function->name)
		snprintf(out, size, "%.100s", function->name);
	else
		snprintf(out, size, "0x%llx", (unsigned long long)function->start);
	return out;
}

/* The function's bytes, all in one loaded part. */
static const uint8_t *find_code(const struct image *image, const struct function *function,
				struct why *why)
{
	const Elf64_Phdr *segment = image_segment(image, function->start, PF_X);
	uint64_t size = function->end - function->start;
	char name[128];

	walk_name(function, name, sizeof(name));
	if (size == 0)
		refuse(why,
		       "does not say how long function '%s' is, so its instructions can't be told",
		       name);
	else if (!segment || size > segment->p_filesz - (function->start - segment->p_vaddr) ||
		 size > FUNCTION_MAX)
		refuse(why,
		       "has function '%s' where no code is loaded: it is damaged, or only "
		       "debug information",
		       name);
	else
		return image->bytes + segment->p_offset + (function->start - segment->p_vaddr);
	return NULL;
}

static int decode_all(struct walk *walk, struct decoder *decoder, const uint8_t *code,
		      struct why *why)
{
	const struct function *function = &walk->function;
	uint64_t size = function->end - function->start, at = 0;
	size_t room = size / (decoder->machine == EM_AARCH64 ? 4 : 3) + 8;
	char name[128];

	walk->items = malloc(room * sizeof(*walk->items));
	for (; walk->items && at < size; walk->count++) {
		if (walk->count == room) {
			void *more = reallocarray(walk->items, room *= 2, sizeof(*walk->items));

			if (!more)
				return refuse_memory(why);
			walk->items = more;
		}
		if (!decoder_decode(decoder, code + at, size - at, function->start + at,
				    &walk->items[walk->count]))
			return refuse(why, "can't be decoded at 0x%llx, in function '%s'",
				      (unsigned long long)(function->start + at),
				      walk_name(function, name, sizeof(name)));
		at += walk->items[walk->count].size;
	}
	return walk->items ? 0 : refuse_memory(why);
}

static int check_jumps(const struct walk *walk, struct why *why)
{
	char name[128];

	for (size_t i = 0; i < walk->count; i++) {
		const struct instruction *one = &walk->items[i];

		if (one->flow != FLOW_JUMP || one->target < walk->function.start ||
		    one->target >= walk->function.end || walk_at(walk, one->target))
			continue;
		return refuse(why,
			      "has a jump at 0x%llx into the middle of an instruction, in "
			      "function '%s': where its instructions begin can't be told",
			      (unsigned long long)one->address,
			      walk_name(&walk->function, name, sizeof(name)));
	}
	return 0;
}

/* `table[i] + table` just before it, as compilers write a switch without absolute addresses. */
static void find_switches(struct walk *walk)
{
	const size_t near = 4;

	for (size_t i = 0; i < walk->count; i++) {
		struct instruction *jump = &walk->items[i];

		for (size_t back = 1; jump->jumps_by && back <= near && back <= i; back++)
			if (walk->items[i - back].adds_to == jump->jumps_by)
				jump->flow = FLOW_SWITCH;
	}
}

int walk_function(struct walk *walk, struct decoder *decoder, const struct image *image,
		  const struct function *function, struct why *why)
{
	const uint8_t *code;
	int err;

	memset(walk, 0, sizeof(*walk));
	walk->function = *function;
	code = find_code(image, function, why);
	if (!code)
		return -1;
	err = decode_all(walk, decoder, code, why);
	err = err ? err : check_jumps(walk, why);
	if (err)
		walk_free(walk);
	else
		find_switches(walk);
	return err;
}

void walk_free(struct walk *walk)
{
	free(walk->items);
	memset(walk, 0, sizeof(*walk));
}

static int compare(const void *address, const void *item)
{
	uint64_t wanted = *(const uint64_t *)address;
	const struct instruction *one = item;

	return wanted < one->address ? -1 : wanted > one->address;
}

const struct instruction *walk_at(const struct walk *walk, uint64_t address)
{
	return bsearch(&address, walk->items, walk->count, sizeof(*walk->items), compare);
}

bool walk_is_target(const struct walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->items[i].flow == FLOW_JUMP && walk->items[i].target == address)
			return true;
	return false;
}
