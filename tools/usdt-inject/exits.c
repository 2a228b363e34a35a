/* SPDX-License-Identifier: MIT */
#include "exits.h"

#include <stdio.h>
#include <string.h>

#include "code.h"

static void add_tail_call(struct exits *exits, const struct functions *functions, uint64_t target)
{
	const struct function *other = functions_at(functions, target);

	if (exits->tail_calls++)
		return;
	exits->is_nameless = !other || other->start != target || !other->name;
	if (exits->is_nameless)
		snprintf(exits->first, sizeof(exits->first), "0x%llx", (unsigned long long)target);
	else
		code_name(other, exits->first, sizeof(exits->first));
}

static void add(struct exits *exits, const struct insn *one, const struct insn_parts *parts,
		const struct functions *functions)
{
	if (one->flow == INSN_RETURN)
		exits->returns++;
	else if (one->flow == INSN_INDIRECT)
		exits->unclear++;
	else if (one->flow == INSN_JUMP && !insn_parts_have(parts, one->target))
		add_tail_call(exits, functions, one->target);
}

void exits_find(struct exits *exits, const struct insn_parts *parts,
		const struct functions *functions)
{
	memset(exits, 0, sizeof(*exits));
	for (size_t i = 0; i < parts->count; i++)
		for (size_t k = 0; k < parts->items[i].count; k++)
			add(exits, &parts->items[i].items[k], parts, functions);
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
