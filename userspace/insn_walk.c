/* SPDX-License-Identifier: MIT */
#include "insn_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A jump table's load of an offset comes that shortly before its addition, and this before the jump. */
#define TABLE_NEAR 4

/* For one more; `first` is for how many there is room at first. */
static bool make_room(void **list, size_t *room, size_t count, size_t first, size_t size)
{
	size_t more = *room ? 2 * *room : first;
	void *grown;

	if (count < *room)
		return true;
	grown = reallocarray(*list, more, size);
	if (!grown)
		return false;
	*list = grown;
	*room = more;
	return true;
}

static bool make_room_for_item(struct insn_walk *walk)
{
	return make_room((void **)&walk->items, &walk->room, walk->count,
			 (size_t)walk->code.size / 4 + 8, sizeof(*walk->items));
}

static bool make_room_for_table(struct insn_walk *walk)
{
	return make_room((void **)&walk->tables, &walk->tables_room, walk->tables_count,
			 (size_t)walk->code.size / 32 + 8, sizeof(*walk->tables));
}

static bool takes_part(const struct insn_table *table)
{
	return table->jumps_by || table->adds_to || table->loads_to || table->points_to ||
	       table->loads_offset || table->has_most || table->at;
}

/* Of the few that take part in one. */
static bool add_table(struct insn_walk *walk, struct insn *one, const struct insn_table *table)
{
	if (!takes_part(table))
		return true;
	if (!make_room_for_table(walk))
		return false;
	one->table = (uint32_t)walk->tables_count;
	walk->tables[walk->tables_count++] = *table;
	return true;
}

static int decode_one(struct insn_walk *walk, struct insn_decoder *decoder, uint64_t at)
{
	const struct insn_code *code = &walk->code;
	struct insn_table table;
	struct insn *one;

	if (!make_room_for_item(walk))
		return -ENOMEM;
	one = &walk->items[walk->count];
	if (!insn_decode(decoder, code->bytes + at, (size_t)(code->size - at), code->address + at,
			 one, &table))
		return -EBADMSG;
	if (!add_table(walk, one, &table))
		return -ENOMEM;
	walk->count++;
	return 0;
}

static int decode_all(struct insn_walk *walk, struct insn_decoder *decoder, uint64_t *wrong)
{
	uint64_t at = 0;
	int err = 0;

	if (!make_room_for_table(walk))
		return -ENOMEM;
	walk->tables[walk->tables_count++] = (struct insn_table){ 0 };
	while (!err && at < walk->code.size) {
		err = decode_one(walk, decoder, at);
		if (!err)
			at += walk->items[walk->count - 1].size;
	}
	*wrong = err == -EBADMSG ? walk->code.address + at : *wrong;
	return err;
}

struct insn_table *insn_walk_table(const struct insn_walk *walk, size_t number)
{
	return &walk->tables[walk->items[number].table];
}

static bool is_behind_lock(const struct insn_walk *walk, uint64_t address)
{
	const struct insn *locked = insn_walk_at(walk, address - 1);

	return locked && locked->is_locked;
}

static int check_jumps(const struct insn_walk *walk, uint64_t *wrong)
{
	for (size_t i = 0; i < walk->count; i++) {
		const struct insn *one = &walk->items[i];

		if (one->flow != INSN_JUMP || !insn_walk_has(walk, one->target) ||
		    insn_walk_at(walk, one->target) || is_behind_lock(walk, one->target))
			continue;
		*wrong = one->address;
		return -EILSEQ;
	}
	return 0;
}

static bool was_offset_loaded(const struct insn_walk *walk, size_t before)
{
	for (size_t back = 1; back <= TABLE_NEAR && back <= before; back++)
		if (insn_walk_table(walk, before - back)->loads_offset)
			return true;
	return false;
}

/* What a register points to, and since when; 0: nothing yet. */
struct pointer {
	size_t since;
	uint64_t at;
};

#define REGISTERS_MAX 1024

/* Of two that are added, the one that was made to point somewhere last points to the table. */
static void find_sums(struct insn_walk *walk)
{
	struct pointer pointers[REGISTERS_MAX] = { 0 };

	for (size_t i = 0; i < walk->count; i++) {
		struct insn_table *one = insn_walk_table(walk, i);
		const struct pointer *a = &pointers[one->adds % REGISTERS_MAX];
		const struct pointer *b = &pointers[one->adds_to % REGISTERS_MAX];

		if (one->adds_to)
			one->sum_at = a->since > b->since ? a->at : b->at;
		if (one->points_to)
			pointers[one->points_to % REGISTERS_MAX] =
				(struct pointer){ i + 1, one->at };
	}
}

/* `table[i] + table` or `table[i]` just before it, as compilers write a switch. */
static void find_switches(struct insn_walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct insn_table *jump = insn_walk_table(walk, i);

		for (size_t back = 1; jump->jumps_by && back <= TABLE_NEAR && back <= i; back++) {
			const struct insn_table *from = insn_walk_table(walk, i - back);

			if (from->loads_to == jump->jumps_by) {
				jump->loads_to = from->loads_to;
				jump->at = from->at;
			} else if (from->adds_to == jump->jumps_by &&
				   was_offset_loaded(walk, i - back)) {
				jump->at = from->sum_at;
			} else {
				continue;
			}
			walk->items[i].flow = INSN_SWITCH;
			break;
		}
	}
}

int insn_walk_read(struct insn_walk *walk, struct insn_decoder *decoder,
		   const struct insn_code *code, uint64_t *wrong)
{
	int err;

	memset(walk, 0, sizeof(*walk));
	walk->code = *code;
	if (code->size > INSN_CODE_MAX)
		return -EFBIG;
	err = decode_all(walk, decoder, wrong);
	err = err ? err : check_jumps(walk, wrong);
	if (err) {
		insn_walk_free(walk);
		return err;
	}
	find_sums(walk);
	find_switches(walk);
	return 0;
}

void insn_walk_free(struct insn_walk *walk)
{
	free(walk->items);
	free(walk->tables);
	memset(walk, 0, sizeof(*walk));
}

bool insn_walk_has(const struct insn_walk *walk, uint64_t address)
{
	return address - walk->code.address < walk->code.size;
}

static int compare(const void *address, const void *item)
{
	uint64_t wanted = *(const uint64_t *)address;
	const struct insn *one = item;

	return wanted < one->address ? -1 : wanted > one->address;
}

const struct insn *insn_walk_at(const struct insn_walk *walk, uint64_t address)
{
	if (!walk->count)
		return NULL;
	return bsearch(&address, walk->items, walk->count, sizeof(*walk->items), compare);
}

bool insn_walk_is_target(const struct insn_walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->items[i].flow == INSN_JUMP && walk->items[i].target == address)
			return true;
	return false;
}

const char *insn_walk_refused(const struct insn_walk *walk, const struct insn *at)
{
	const struct insn *first = walk->items, *end = walk->items + walk->count;
	bool is_entry = at == first || (at == first + 1 && first->is_landing);

	return insn_refused(at, at + 1 < end ? at + 1 : NULL, is_entry);
}
