/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "exits.h"
#include "note.h"
#include "symbol_suffix.h"

/* A plan in the making. */
struct planner {
	struct plan *plan;
	const struct image *image;
	struct code code;
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

static int add_site(struct planner *planner, const struct spec *spec,
		    const struct function *function, const struct insn_walk *walk,
		    const struct insn *at)
{
	const Elf64_Phdr *segment = image_segment(planner->image, at->address, PF_X);
	const char *refused = insn_walk_refused(walk, at);
	struct site *site;
	char name[128];

	code_name(function, name, sizeof(name));
	if (refused)
		return refuse(planner->why, "can't be probed at 0x%llx, in '%s': %s",
			      (unsigned long long)at->address, name, refused);
	site = new_site(planner->plan);
	if (!site)
		return refuse_memory(planner->why);
	memset(site, 0, sizeof(*site));
	site->spec = spec;
	site->address = at->address;
	site->offset = at->address - segment->p_vaddr + segment->p_offset;
	site->is_emulated = at->cost != INSN_STEPPED;
	snprintf(site->where, sizeof(site->where), "%s+0x%llx", name,
		 (unsigned long long)(at->address - function->start));
	insn_decode_text(planner->code.decoder, planner->image->bytes + site->offset, at->size,
			 at->address, site->text, sizeof(site->text));
	return 0;
}

static const struct function *find_function(struct planner *planner, const struct spec *spec)
{
	const struct function *function =
		functions_find(&planner->code.functions, spec->function, planner->why);

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
	       (copy = functions_made_of(&planner->code.functions, copy, function)))
		err = plan_remark(planner->plan,
				  "%.100s: not covered: %s %.100s; give it a -p of its own",
				  function->name, what[symbol_kind(copy->name, NULL)], copy->name);
	return err ? refuse_memory(planner->why) : 0;
}

static bool has_switch(const struct insn_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		for (size_t k = 0; k < parts->items[i].count; k++)
			if (parts->items[i].items[k].flow == INSN_SWITCH)
				return true;
	return false;
}

/* Where a jump table is not read, its entries may lead to what nothing else leads to. */
static int remark_cold(struct planner *planner, const struct function *function,
		       const struct insn_parts *parts)
{
	const struct functions *all = &planner->code.functions;
	size_t length = function->name ? strcspn(function->name, "@") : 0, stem;
	int err = 0;

	if (!length || !has_switch(parts))
		return 0;
	for (size_t i = 0; !err && i < all->count; i++) {
		const struct function *one = &all->items[i];

		if (one->name && symbol_kind(one->name, &stem) == SYMBOL_COLD && stem == length &&
		    !strncmp(one->name, function->name, length) &&
		    !insn_parts_have(parts, one->start))
			err = plan_remark(planner->plan,
					  "%.100s: not covered, if its jump table leads there: "
					  "%.100s at 0x%llx",
					  function->name, one->name,
					  (unsigned long long)one->start);
	}
	return err ? refuse_memory(planner->why) : 0;
}

/* ---- FUNCTION@return ---- */

static int add_returns_of(struct planner *planner, const struct spec *spec,
			  const struct function *function, const struct insn_walk *walk)
{
	int err = 0;

	for (size_t i = 0; !err && i < walk->count; i++)
		if (walk->items[i].flow == INSN_RETURN)
			err = add_site(planner, spec, function, walk, &walk->items[i]);
	return err;
}

static int add_returns(struct planner *planner, const struct spec *spec,
		       const struct function *function, const struct insn_parts *parts)
{
	struct exits exits;
	char name[128], text[400];
	int err = 0;

	exits_find(&exits, parts, &planner->code.functions);
	code_name(function, name, sizeof(name));
	if (!exits.returns) {
		exits_text(&exits, text, sizeof(text));
		return refuse(planner->why, "has no return in function '%s': %s", name, text);
	}
	for (size_t i = 0; !err && i < parts->count; i++)
		err = add_returns_of(
			planner, spec,
			i ? functions_at(&planner->code.functions, parts->items[i].code.address)
			  : function,
			&parts->items[i]);
	if (!err && exits_text(&exits, text, sizeof(text)) &&
	    plan_remark(planner->plan, "%s: %s", name, text))
		err = refuse_memory(planner->why);
	return err;
}

static int plan_returns(struct planner *planner, const struct spec *spec)
{
	const struct function *function = find_function(planner, spec);
	struct insn_parts parts;
	int err;

	if (!function)
		return -EINVAL;
	err = code_parts(&planner->code, function, &parts, planner->why);
	if (err)
		return err;
	err = add_returns(planner, spec, function, &parts);
	err = err ? err : remark_cold(planner, function, &parts);
	insn_parts_free(&parts);
	return err ? err : remark_copies(planner, function);
}

/* ---- FUNCTION@entry ---- */

static int add_entry(struct planner *planner, const struct spec *spec,
		     const struct function *function, const struct insn_walk *walk)
{
	const struct insn *first = walk->items;

	/* A step on endbr64 is slow, and what follows it as much the beginning, unless it is
	 * where a loop begins. */
	if (first->is_landing && walk->count > 1 && !insn_walk_is_target(walk, first[1].address))
		first++;
	if (insn_walk_is_target(walk, first->address) &&
	    plan_remark(planner->plan, "%s: jumps to its own beginning, which hits the probe too",
			spec->function))
		return refuse_memory(planner->why);
	return add_site(planner, spec, function, walk, first);
}

static int plan_entry(struct planner *planner, const struct spec *spec)
{
	const struct function *function = find_function(planner, spec);
	struct insn_walk one;
	int err;

	if (!function)
		return -EINVAL;
	if (function->name && symbol_kind(function->name, NULL) == SYMBOL_COLD)
		return refuse(planner->why,
			      "has no entry in '%.100s', a part of another function: jumps arrive "
			      "anywhere in it",
			      function->name);
	err = code_walk(&planner->code, function, &one, planner->why);
	if (err)
		return err;
	err = add_entry(planner, spec, function, &one);
	insn_walk_free(&one);
	return err ? err : remark_copies(planner, function);
}

/* ---- a place by number ---- */

static int plan_number(struct planner *planner, const struct spec *spec,
		       const struct function *function, uint64_t address)
{
	const struct insn *at;
	struct insn_walk one;
	char name[128];
	int err = code_walk(&planner->code, function, &one, planner->why);

	if (err)
		return err;
	at = insn_walk_at(&one, address);
	if (at)
		err = add_site(planner, spec, function, &one, at);
	else
		err = refuse(planner->why,
			     "has no instruction that begins at 0x%llx, in function '%s': see a "
			     "disassembler",
			     (unsigned long long)address, code_name(function, name, sizeof(name)));
	insn_walk_free(&one);
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
	const struct function *function = functions_at(&planner->code.functions, address);

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
	err = code_open(&planner.code, image, why);
	for (size_t i = 0; !err && i < count; i++)
		err = plan_one(&planner, &specs[i]);
	err = err ? err : check_duplicates(&planner);
	code_close(&planner.code);
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
