/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "insn_walk.h"

/* Entries of a jump table that are looked at, and how far before the jump its end is compared. */
#define ENTRIES_MAX  4096
#define COMPARE_NEAR 16

/* Beside the bytes that are decoded, of INSN_WORK_MAX. */
#define WORK_OF_PART  1024
#define WORK_OF_ENTRY 4

/* A function that was jumped to and is no part. */
struct other {
	uint64_t address;
	size_t parts; /* that there were: another one may be what it jumps back into */
};

/* What a function is put together from. */
struct assembly {
	struct insn_parts *parts;
	struct insn_decoder *decoder;
	const struct insn_lookup *lookup;
	uint64_t size;
	uint64_t work, most;
	struct other *others; /* by their addresses */
	size_t others_count, others_room;
	int err;
};

bool insn_parts_have(const struct insn_parts *parts, uint64_t address)
{
	for (size_t i = 0; i < parts->count; i++)
		if (insn_walk_has(&parts->items[i], address))
			return true;
	return false;
}

static bool find(const struct assembly *a, uint64_t address, struct insn_code *out)
{
	return a->lookup->find && a->lookup->find(address, out, a->lookup->context);
}

static bool is_part(const struct assembly *a, const struct insn_walk *walk)
{
	bool ends = true;

	if (walk->code.cold)
		return true;
	for (size_t i = 0; i < walk->count; i++) {
		const struct insn *one = &walk->items[i];

		/* To the function's beginning is a call of it. */
		if (one->flow == INSN_JUMP && insn_parts_have(a->parts, one->target) &&
		    one->target != a->parts->items[0].code.address)
			return true;
		if (one->flow == INSN_RETURN || one->flow == INSN_INDIRECT ||
		    (one->flow == INSN_JUMP && !insn_walk_has(walk, one->target)))
			ends = false;
	}
	return ends;
}

/* ---- Other functions ---- */

/* How many are before this address. */
static size_t others_before(const struct assembly *a, uint64_t address)
{
	size_t low = 0, high = a->others_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (a->others[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* As far as the parts tell that are known. */
static bool is_other(const struct assembly *a, uint64_t address)
{
	size_t i = others_before(a, address);

	return i < a->others_count && a->others[i].address == address &&
	       a->others[i].parts == a->parts->count;
}

/* So that it is decoded once, however often it is jumped to. */
static void add_other(struct assembly *a, uint64_t address)
{
	size_t i = others_before(a, address);

	if (i < a->others_count && a->others[i].address == address) {
		a->others[i].parts = a->parts->count;
		return;
	}
	if (a->others_count == a->others_room) {
		size_t room = a->others_room ? 2 * a->others_room : 16;
		void *others = reallocarray(a->others, room, sizeof(*a->others));

		if (!others) {
			a->err = -ENOMEM;
			return;
		}
		a->others = others;
		a->others_room = room;
	}
	memmove(&a->others[i + 1], &a->others[i], (a->others_count - i) * sizeof(*a->others));
	a->others[i] = (struct other){ address, a->parts->count };
	a->others_count++;
}

/* ---- Parts ---- */

/* false: that is too much in all. */
static bool work(struct assembly *a, uint64_t amount)
{
	if (amount > a->most - a->work) {
		a->err = -E2BIG;
		return false;
	}
	a->work += amount;
	return true;
}

static bool load(const struct assembly *a, struct insn_code *code)
{
	return code->bytes || (a->lookup->load && a->lookup->load(code, a->lookup->context));
}

/* It is read at the end of the list, and stays there if it is a part. */
static bool read_part(struct assembly *a, struct insn_code *code)
{
	struct insn_walk *walk = &a->parts->items[a->parts->count];
	uint64_t wrong;

	if (!load(a, code) || insn_walk_read(walk, a->decoder, code, &wrong))
		return false;
	if (!is_part(a, walk)) {
		insn_walk_free(walk);
		return false;
	}
	a->parts->count++;
	a->size += code->size;
	return true;
}

/* false: this address is no part's. */
static bool add_part(struct assembly *a, uint64_t address)
{
	struct insn_code code;

	if (a->err || a->parts->count == INSN_PARTS_MAX || !find(a, address, &code) ||
	    code.size > INSN_CODE_MAX - a->size || is_other(a, code.address) ||
	    !work(a, code.size + WORK_OF_PART))
		return false;
	if (read_part(a, &code))
		return true;
	add_other(a, code.address);
	return false;
}

/* ---- Jump tables ---- */

/* How many entries it has, where that is compared before; 0: not known. */
static uint64_t entries_of(const struct insn_walk *walk, size_t jump)
{
	for (size_t back = 1; back <= COMPARE_NEAR && back <= jump; back++) {
		const struct insn_table *one = insn_walk_table(walk, jump - back);

		if (one->has_most && one->most < ENTRIES_MAX)
			return one->most + 1;
	}
	return 0;
}

/* An entry: an address, or a distance of 32 bits from the table. */
static bool read_entry(const struct assembly *a, const struct insn_table *table, uint64_t i,
		       bool addresses, uint64_t *to)
{
	uint64_t word;

	if (!a->lookup->word(table->at + i * (addresses ? 8 : 4), &word, a->lookup->context))
		return false;
	*to = addresses ? word : table->at + (uint64_t)(int64_t)(int32_t)(uint32_t)word;
	return true;
}

/* Where nothing says how long a table is, the next one may follow: only what is called cold is taken. */
static bool add_entry(struct assembly *a, uint64_t to, bool is_sure)
{
	struct insn_code code;

	return insn_parts_have(a->parts, to) ||
	       ((is_sure || (find(a, to, &code) && code.cold)) && add_part(a, to));
}

/*
 * Parts that only a table leads to. An entry that leads elsewhere is behind its end, for the comparison may
 * have been another one's. false: the first one does, so it is no table.
 */
static bool follow_table(struct assembly *a, const struct insn_walk *walk, size_t jump)
{
	const struct insn_table *table = insn_walk_table(walk, jump);
	bool addresses = table->loads_to || !table->jumps_by;
	uint64_t known = entries_of(walk, jump), to;

	if (!table->at || !a->lookup->word)
		return true;
	for (uint64_t i = 0; i < (known ? known : ENTRIES_MAX); i++)
		if (!work(a, WORK_OF_ENTRY) || !read_entry(a, table, i, addresses, &to) ||
		    !add_entry(a, to, known))
			return i || !addresses;
	return true;
}

/* ---- All of it ---- */

static uint64_t most_work(const struct insn_lookup *lookup)
{
	return lookup->work_left && *lookup->work_left < INSN_WORK_MAX ? *lookup->work_left
								       : INSN_WORK_MAX;
}

static void follow(struct assembly *a, size_t part)
{
	/* Parts are added meanwhile, but none moves. */
	const struct insn_walk *walk = &a->parts->items[part];

	for (size_t i = 0; !a->err && i < walk->count; i++) {
		const struct insn *one = &walk->items[i];

		if (one->flow == INSN_JUMP && !insn_parts_have(a->parts, one->target))
			add_part(a, one->target);
		if (one->flow == INSN_SWITCH && !follow_table(a, walk, i))
			walk->items[i].flow = INSN_INDIRECT;
	}
}

int insn_parts_read(struct insn_parts *parts, struct insn_decoder *decoder,
		    const struct insn_code *code, const struct insn_lookup *lookup, uint64_t *wrong)
{
	struct assembly a = { .parts = parts,
			      .decoder = decoder,
			      .lookup = lookup,
			      .size = code->size,
			      .most = most_work(lookup) };

	parts->count = 0;
	if (code->size > INSN_CODE_MAX)
		return -EFBIG;
	if (work(&a, code->size))
		a.err = insn_walk_read(&parts->items[0], decoder, code, wrong);
	parts->count = !a.err;
	for (size_t i = 0; !a.err && i < parts->count; i++)
		follow(&a, i);
	free(a.others);
	if (lookup->work_left)
		*lookup->work_left -= a.work;
	if (a.err)
		insn_parts_free(parts);
	return a.err;
}

void insn_parts_free(struct insn_parts *parts)
{
	while (parts->count)
		insn_walk_free(&parts->items[--parts->count]);
}
