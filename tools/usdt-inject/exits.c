/* SPDX-License-Identifier: MIT */
#include "exits.h"

#include <stdio.h>
#include <string.h>

static bool is_inside(const struct walk *parts, size_t parts_count, uint64_t address)
{
	for (size_t i = 0; i < parts_count; i++)
		if (address >= parts[i].function.start && address < parts[i].function.end)
			return true;
	return false;
}

static void add_tail_call(struct exits *exits, const struct functions *functions, uint64_t target)
{
	const struct function *other = functions_at(functions, target);

	if (exits->tail_calls++)
		return;
	exits->is_nameless = !other || other->start != target || !other->name;
	if (exits->is_nameless)
		snprintf(exits->first, sizeof(exits->first), "0x%llx", (unsigned long long)target);
	else
		walk_name(other, exits->first, sizeof(exits->first));
}

void exits_add(struct exits *exits, const struct walk *walk, const struct walk *parts,
	       size_t parts_count, const struct functions *functions)
{
	for (size_t i = 0; i < walk->count; i++) {
		const struct instruction *one = &walk->items[i];

		if (one->flow == FLOW_RETURN)
			exits->returns++;
		else if (one->flow == FLOW_INDIRECT)
			exits->unclear++;
		else if (one->flow == FLOW_JUMP && !is_inside(parts, parts_count, one->target))
			add_tail_call(exits, functions, one->target);
	}
}

bool exits_text(const struct exits *exits, char *out, size_t size)
{
	size_t used;

	used = (size_t)snprintf(out, size, "%zu return%s", exits->returns,
				exits->returns == 1 ? "" : "s");
	if (exits->tail_calls && used < size)
		used += (size_t)snprintf(
			out + used, size - used, "; not covered: %zu %s%s (to %s%s)",
			exits->tail_calls, exits->is_nameless ? "jump" : "tail call",
			exits->tail_calls == 1 ? "" : "s", exits->first,
			exits->is_nameless ? ", another function or a part of this one" : "");
	if (exits->unclear && used < size)
		snprintf(out + used, size - used,
			 "; not covered, if %s: %zu jump%s through a register or memory",
			 exits->unclear == 1 ? "it is a tail call" : "they are tail calls",
			 exits->unclear, exits->unclear == 1 ? "" : "s");
	return exits->tail_calls || exits->unclear;
}
