/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <string.h>

#include "note.h"

/* What the notes that are there say their base is. */
struct said {
	size_t count;
	uint64_t base;
	bool differ;
};

static int hear(void *ctx, const struct note *note)
{
	struct said *said = ctx;

	if (said->count++ && note->base != said->base)
		said->differ = true;
	said->base = note->base;
	return 0;
}

/* Where the section that a site is in ends. Without one: the site itself. */
static void choose_new(struct base *base, const struct image *image, const struct site *site)
{
	const Elf64_Phdr *segment = image_segment(image, site->address, PF_X);

	base->address = site->address;
	for (size_t i = 1; i < image->sections_count; i++) {
		const Elf64_Shdr *section = &image->sections[i];
		uint64_t end = section->sh_addr + section->sh_size;

		if (section->sh_flags & SHF_EXECINSTR && site->address >= section->sh_addr &&
		    site->address < end && end - segment->p_vaddr <= segment->p_filesz)
			base->address = end;
	}
	base->offset = base->address - segment->p_vaddr + segment->p_offset;
}

/* perf's offset of a site, against the true one. */
static int remark_perf(const struct base *base, struct plan *plan, struct why *why)
{
	size_t wrong = 0;

	for (size_t i = 0; i < plan->count; i++)
		wrong += plan->items[i].address + base->offset - base->address !=
			 plan->items[i].offset;
	if (wrong && plan_remark(plan,
				 "perf will look for %zu of %zu sites in the wrong place: its "
				 "way to find them does not fit this file's layout",
				 wrong, plan->count))
		return refuse_memory(why);
	return 0;
}

int base_choose(struct base *base, const struct image *image, struct plan *plan, struct why *why)
{
	const Elf64_Shdr *there = image_section(image, NOTE_BASE_SECTION);
	const Elf64_Shdr *notes = image_section(image, NOTE_SECTION);
	struct said said = { 0 };

	memset(base, 0, sizeof(*base));
	if (there && there->sh_type != SHT_NOTE) {
		base->address = there->sh_addr;
		base->offset = there->sh_offset;
		return remark_perf(base, plan, why);
	}
	note_each_in(image, notes, hear, &said);
	base->is_new = true;
	choose_new(base, image, &plan->items[0]);
	/* The linker has dropped the section. One elsewhere than the notes say would move them. */
	if (said.differ)
		return refuse(why, "has probes that disagree about where " NOTE_BASE_SECTION
				   " was, which it lacks: no place for it is right for all");
	if (said.count) {
		base->offset += said.base - base->address;
		base->address = said.base;
		if (base->offset > image->size)
			base->offset = 0;
	}
	return remark_perf(base, plan, why);
}
