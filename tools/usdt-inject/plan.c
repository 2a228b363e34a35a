/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exits.h"
#include "note.h"
#include "symbol_suffix.h"
#include "walk.h"

/* A function, and what the compiler has put elsewhere. */
#define PARTS_MAX 8

/* A plan in the making. */
struct planner {
	struct plan *plan;
	const struct image *image;
	struct functions functions;
	struct decoder decoder;
	struct why *why;
};

int plan_remark(struct plan *plan, const char *format, ...)
{
	char **remarks = reallocarray(plan->remarks, plan->remarks_count + 1, sizeof(*remarks));
	va_list args;
	int length;

	if (!remarks)
		return -ENOMEM;
	plan->remarks = remarks;
	va_start(args, format);
	length = vasprintf(&remarks[plan->remarks_count], format, args);
	va_end(args);
	if (length < 0)
		return -ENOMEM;
	plan->remarks_count++;
	return 0;
}

static struct site *new_site(struct plan *plan)
{
	if (plan->count == plan->room) {
		size_t room = plan->room ? 2 * plan->room : 16;
		void *items = reallocarray(plan->items, room, sizeof(*plan->items));

		if (!items)
			return NULL;
		plan->items = items;
		plan->room = room;
	}
	return &plan->items[plan->count++];
}

/* A nop5 may become a call, which overwrites the red zone below the stack: on kernels that do so
 * without looking, only where that is dead. */
static bool is_in_red_zone(const struct walk *walk, const struct instruction *at)
{
	const struct instruction *first = walk->items, *last = walk->items + walk->count - 1;

	if (!at->is_nop5 || at == first || (at == first + 1 && first->is_landing))
		return false;
	return at == last || at[1].flow != FLOW_RETURN;
}

static int add_site(struct planner *planner, const struct spec *spec, const struct walk *walk,
		    const struct instruction *at)
{
	const struct image *image = planner->image;
	const Elf64_Phdr *segment = image_segment(image, at->address, PF_X);
	char name[128];
	struct instruction again;
	struct site *site;

	walk_name(&walk->function, name, sizeof(name));
	if (at->refused)
		return refuse(planner->why, "can't be probed at 0x%llx, in '%s': %s",
			      (unsigned long long)at->address, name, at->refused);
	if (is_in_red_zone(walk, at))
		return refuse(planner->why,
			      "can't be probed at 0x%llx, in '%s': a five-byte nop in the middle "
			      "of a function, where kernels from 6.18 on may overwrite its data",
			      (unsigned long long)at->address, name);
	site = new_site(planner->plan);
	if (!site)
		return refuse_memory(planner->why);
	memset(site, 0, sizeof(*site));
	site->spec = spec;
	site->address = at->address;
	site->offset = at->address - segment->p_vaddr + segment->p_offset;
	site->is_emulated = at->is_emulated;
	snprintf(site->where, sizeof(site->where), "%s+0x%llx", name,
		 (unsigned long long)(at->address - walk->function.start));
	decoder_decode(&planner->decoder, image->bytes + site->offset, at->size, at->address,
		       &again);
	decoder_text(&planner->decoder, site->text, sizeof(site->text));
	return 0;
}

static int walk(struct planner *planner, const struct function *function, struct walk *out)
{
	return walk_function(out, &planner->decoder, planner->image, function, planner->why);
}

static const struct function *find_function(struct planner *planner, const struct spec *spec)
{
	const struct function *function =
		functions_find(&planner->functions, spec->function, planner->why);

	if (function && function->is_indirect) {
		refuse(planner->why,
		       "chooses '%.100s' when it starts: name the one that it chooses, such as "
		       "%.100s_avx2",
		       spec->function, spec->function);
		return NULL;
	}
	return function;
}

/* What the compiler has made of a function are other functions, that who names it may mean as well. */
static int remark_copies(struct planner *planner, const struct function *function)
{
	static const char *const what[] = {
		[SYMBOL_PLAIN] = "its variant",
		[SYMBOL_RENAMED] = "another one of that name,",
		[SYMBOL_COPY] = "its copy",
		[SYMBOL_PART] = "without its beginning, which is inlined,",
	};
	const struct function *copy = NULL;
	int err = 0;

	while (!err && function->name &&
	       (copy = functions_made_of(&planner->functions, copy, function)))
		err = plan_remark(planner->plan,
				  "%.100s: not covered: %s %.100s; give it a -p of its own",
				  function->name, what[symbol_kind(copy->name, NULL)], copy->name);
	return err ? refuse_memory(planner->why) : 0;
}

/* ---- FUNCTION@return ---- */

static int add_returns(struct planner *planner, const struct spec *spec, const struct walk *parts,
		       size_t parts_count)
{
	struct exits exits = { 0 };
	char name[128], text[400];
	int err = 0;

	for (size_t i = 0; i < parts_count; i++)
		exits_add(&exits, &parts[i], parts, parts_count, &planner->functions);
	walk_name(&parts[0].function, name, sizeof(name));
	if (!exits.returns) {
		exits_text(&exits, text, sizeof(text));
		return refuse(planner->why, "has no return in function '%s': %s", name, text);
	}
	for (size_t i = 0; i < parts_count; i++)
		for (size_t k = 0; !err && k < parts[i].count; k++)
			if (parts[i].items[k].flow == FLOW_RETURN)
				err = add_site(planner, spec, &parts[i], &parts[i].items[k]);
	if (!err && exits_text(&exits, text, sizeof(text)) &&
	    plan_remark(planner->plan, "%s: %s", name, text))
		err = refuse_memory(planner->why);
	return err;
}

static bool is_in(const struct walk *parts, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++)
		if (address >= parts[i].function.start && address < parts[i].function.end)
			return true;
	return false;
}

/* A cold part that something in these jumps to, and that is none of them. */
static const struct function *next_cold(const struct planner *planner, const struct walk *parts,
					size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < parts[i].count; k++) {
			const struct instruction *one = &parts[i].items[k];
			const struct function *to;

			if (one->flow != FLOW_JUMP || is_in(parts, count, one->target))
				continue;
			to = functions_at(&planner->functions, one->target);
			if (to && to->name && symbol_kind(to->name, NULL) == SYMBOL_COLD)
				return to;
		}
	return NULL;
}

static int plan_returns(struct planner *planner, const struct spec *spec)
{
	const struct function *function = find_function(planner, spec), *part;
	struct walk parts[PARTS_MAX];
	size_t count = 0;
	int err;

	if (!function)
		return -EINVAL;
	err = walk(planner, function, &parts[count]);
	count += !err;
	/* What seldom runs is put elsewhere, and may return from there. */
	while (!err && count < PARTS_MAX && (part = next_cold(planner, parts, count))) {
		err = walk(planner, part, &parts[count]);
		count += !err;
	}
	err = err ? err : add_returns(planner, spec, parts, count);
	err = err ? err : remark_copies(planner, function);
	while (count)
		walk_free(&parts[--count]);
	return err;
}

/* ---- FUNCTION@entry ---- */

static int add_entry(struct planner *planner, const struct spec *spec, const struct walk *walk)
{
	const struct instruction *first = walk->items;

	/* A step on endbr64 is slow, and what follows it as much the beginning, unless it is
	 * where a loop begins. */
	if (first->is_landing && walk->count > 1 && !walk_is_target(walk, first[1].address))
		first++;
	if (walk_is_target(walk, first->address) &&
	    plan_remark(planner->plan, "%s: jumps to its own beginning, which hits the probe too",
			spec->function))
		return refuse_memory(planner->why);
	return add_site(planner, spec, walk, first);
}

static int plan_entry(struct planner *planner, const struct spec *spec)
{
	const struct function *function = find_function(planner, spec);
	struct walk one;
	int err;

	if (!function)
		return -EINVAL;
	if (function->name && symbol_kind(function->name, NULL) == SYMBOL_COLD)
		return refuse(planner->why,
			      "has no entry in '%.100s', a part of another function: jumps arrive "
			      "anywhere in it",
			      function->name);
	err = walk(planner, function, &one);
	if (err)
		return err;
	err = add_entry(planner, spec, &one);
	walk_free(&one);
	return err ? err : remark_copies(planner, function);
}

/* ---- a place by number ---- */

static int plan_number(struct planner *planner, const struct spec *spec,
		       const struct function *function, uint64_t address)
{
	const struct instruction *at;
	struct walk one;
	char name[128];
	int err = walk(planner, function, &one);

	if (err)
		return err;
	at = walk_at(&one, address);
	if (at)
		err = add_site(planner, spec, &one, at);
	else
		err = refuse(planner->why,
			     "has no instruction that begins at 0x%llx, in function '%s': see a "
			     "disassembler",
			     (unsigned long long)address, walk_name(function, name, sizeof(name)));
	walk_free(&one);
	return err;
}

static int plan_offset(struct planner *planner, const struct spec *spec)
{
	const struct function *function = find_function(planner, spec);

	if (!function)
		return -EINVAL;
	if (spec->number >= function->end - function->start)
		return refuse(planner->why, "has only 0x%llx bytes in function '%.100s'",
			      (unsigned long long)(function->end - function->start),
			      spec->function);
	return plan_number(planner, spec, function, function->start + spec->number);
}

static int plan_address(struct planner *planner, const struct spec *spec, uint64_t address)
{
	const struct function *function = functions_at(&planner->functions, address);

	if (!image_segment(planner->image, address, PF_X))
		return refuse(planner->why, "has no code at address 0x%llx",
			      (unsigned long long)address);
	if (!function)
		return refuse(planner->why,
			      "does not say which function 0x%llx is in (no symbol, no unwind "
			      "information), so where instructions begin can't be told",
			      (unsigned long long)address);
	return plan_number(planner, spec, function, address);
}

static int plan_file(struct planner *planner, const struct spec *spec)
{
	const Elf64_Phdr *segment = image_segment_at_offset(planner->image, spec->number, PF_X);

	if (!segment)
		return refuse(planner->why, "has no code at offset 0x%llx",
			      (unsigned long long)spec->number);
	return plan_address(planner, spec, segment->p_vaddr + (spec->number - segment->p_offset));
}

static int plan_one(struct planner *planner, const struct spec *spec)
{
	switch (spec->place) {
	case PLACE_RETURN:
		return plan_returns(planner, spec);
	case PLACE_ENTRY:
		return plan_entry(planner, spec);
	case PLACE_OFFSET:
		return plan_offset(planner, spec);
	case PLACE_ADDRESS:
		return plan_address(planner, spec, spec->number);
	case PLACE_FILE:
		return plan_file(planner, spec);
	}
	return -EINVAL;
}

/* ---- what would be there twice ---- */

static bool is_same_probe(const struct site *site, const char *provider, const char *name)
{
	return strcmp(site->spec->provider, provider) == 0 && strcmp(site->spec->name, name) == 0;
}

static int check_note(void *ctx, const struct note *note)
{
	struct planner *planner = ctx;

	for (size_t i = 0; i < planner->plan->count; i++) {
		const struct site *site = &planner->plan->items[i];

		if (note->site != site->address)
			continue;
		if (is_same_probe(site, note->provider, note->name))
			return refuse(planner->why, "has probe %.64s:%.64s at 0x%llx already",
				      note->provider, note->name,
				      (unsigned long long)site->address);
		if (note->semaphore)
			return refuse(
				planner->why,
				"has probe %.64s:%.64s with a semaphore at 0x%llx: the kernel "
				"takes no other one there",
				note->provider, note->name, (unsigned long long)site->address);
	}
	return 0;
}

static int check_duplicates(struct planner *planner)
{
	const struct plan *plan = planner->plan;
	int err;

	for (size_t i = 0; i < plan->count; i++)
		for (size_t k = 0; k < i; k++)
			if (plan->items[i].address == plan->items[k].address &&
			    is_same_probe(&plan->items[i], plan->items[k].spec->provider,
					  plan->items[k].spec->name))
				return refuse(planner->why,
					      "would have probe %s:%s twice at 0x%llx: it is given "
					      "twice",
					      plan->items[k].spec->provider,
					      plan->items[k].spec->name,
					      (unsigned long long)plan->items[i].address);
	err = note_each_in(planner->image, image_section(planner->image, NOTE_SECTION), check_note,
			   planner);
	if (err == -EBADMSG)
		return refuse(planner->why, "has damaged probe notes, behind which no tracer "
					    "would see others");
	return err;
}

int plan_make(struct plan *plan, const struct image *image, const struct spec *specs, size_t count,
	      struct why *why)
{
	struct planner planner = { .plan = plan, .image = image, .why = why };
	int err;

	memset(plan, 0, sizeof(*plan));
	err = decoder_open(&planner.decoder, image->header.e_machine, why);
	if (err)
		return err;
	err = functions_load(&planner.functions, image, why);
	for (size_t i = 0; !err && i < count; i++)
		err = plan_one(&planner, &specs[i]);
	err = err ? err : check_duplicates(&planner);
	functions_free(&planner.functions);
	decoder_close(&planner.decoder);
	if (err)
		plan_free(plan);
	return err;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->remarks_count; i++)
		free(plan->remarks[i]);
	free(plan->remarks);
	free(plan->items);
	memset(plan, 0, sizeof(*plan));
}
