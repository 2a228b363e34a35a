/* SPDX-License-Identifier: MIT */
/*
 * By the words themselves: to capstone calls are jumps too, and what is new is nothing. The kernel does
 * branches, adr and, lately, nop in an instruction's stead; it refuses what would not work in another place
 * or under a single step (aarch64_insn_is_steppable()).
 */
#include "insn_machine.h"

#define NOP 0xd503201f
#define SP  31

static bool is(uint32_t word, uint32_t mask, uint32_t value)
{
	return (word & mask) == value;
}

/* With a signed address: retaa, braa, blraa, ... */
static bool is_signed_branch(uint32_t word)
{
	return is(word, 0xfffffbff, 0xd65f0bff) || is(word, 0xfefff800, 0xd61f0800) ||
	       is(word, 0xfefff800, 0xd63f0800);
}

static bool is_return(uint32_t word)
{
	return is(word, 0xfffffc1f, 0xd65f0000) || is(word, 0xfffffbff, 0xd65f0bff);
}

static bool is_indirect(uint32_t word)
{
	return is(word, 0xfffffc1f, 0xd61f0000) || is(word, 0xfefff800, 0xd61f0800);
}

/* bl, blr */
static bool is_call(uint32_t word)
{
	return is(word, 0xfc000000, 0x94000000) || is(word, 0xfffffc1f, 0xd63f0000);
}

static bool is_adr(uint32_t word)
{
	return is(word, 0x1f000000, 0x10000000);
}

/* `bits` of the word from bit `from` on: a signed distance in words. */
static uint64_t distance(uint32_t word, unsigned int from, unsigned int bits)
{
	int64_t words = (int64_t)((uint64_t)word << (64 - from - bits)) >> (64 - bits);

	return (uint64_t)(words * 4);
}

static enum insn_flow flow(uint32_t word, uint64_t address, uint64_t *target)
{
	if (is_return(word))
		return INSN_RETURN;
	if (is_indirect(word))
		return INSN_INDIRECT;
	if (is(word, 0xfc000000, 0x14000000)) /* b */
		*target = address + distance(word, 0, 26);
	else if (is(word, 0xff000000, 0x54000000) || /* b.cond */
		 is(word, 0x7e000000, 0x34000000))   /* cbz, cbnz */
		*target = address + distance(word, 5, 19);
	else if (is(word, 0x7e000000, 0x36000000)) /* tbz, tbnz */
		*target = address + distance(word, 5, 14);
	else
		return INSN_ON;
	return INSN_JUMP;
}

/* nop, bti, and those that sign or check an address. Others wait, or are not known to be harmless. */
static bool is_steppable_hint(uint32_t word)
{
	uint32_t hint = word >> 5 & 0x7f;

	return hint == 0 || hint == 7 || (hint >= 8 && hint <= 15 && !(hint & 1)) ||
	       (hint >= 24 && hint <= 31) || is(hint, 0x79, 0x20);
}

static const char *refused(uint32_t word)
{
	/* A trap between the two makes the loop endless. */
	if (is(word, 0x3f800000, 0x08000000))
		return "the kernel takes no probe on an exclusive load or store";
	if (is(word, 0x3b000000, 0x18000000))
		return "the kernel takes no probe on a load from an address relative to its own";
	if (is_signed_branch(word))
		return "the kernel takes no probe on a return or branch with a signed address";
	if (is(word, 0xff000000, 0xd4000000) || is(word, 0xfff8f01f, 0xd500401f) ||
	    is(word, 0xfff00000, 0xd5100000))
		return "the kernel takes no probe on a trap or a system instruction";
	if (is(word, 0xfffff01f, 0xd503201f) && !is_steppable_hint(word))
		return "the kernel takes no probe on this hint";
	return NULL;
}

static enum insn_cost cost(uint32_t word, enum insn_flow flow)
{
	if (word == NOP)
		return INSN_NOP;
	return flow != INSN_ON || is_call(word) || is_adr(word) ? INSN_EMULATED : INSN_STEPPED;
}

void insn_aarch64_describe(uint32_t word, struct insn *out, struct insn_table *table)
{
	out->flow = flow(word, out->address, &out->target);
	out->refused = refused(word);
	out->cost = cost(word, out->flow);
	out->is_landing = is(word, 0xffffff3f, 0xd503241f); /* bti */
	if (out->flow == INSN_INDIRECT)
		table->jumps_by = 1 + (word >> 5 & 31);
	if (is(word, 0xff000000, 0x8b000000)) {
		table->adds_to = 1 + (word & 31);
		table->adds = 1 + (word >> 16 & 31);
	}
	/* By the sum of two registers; not to memory. */
	table->loads_offset = is(word, 0x3f200c00, 0x38200800) && (word >> 22 & 3);
}

/* Nothing that loads or stores, as some of those write to their base, and no sum into sp. */
bool insn_aarch64_stays(uint32_t word)
{
	bool arithmetic = is(word, 0x1f000000, 0x11000000) || is(word, 0x1fe00000, 0x0b200000);

	return !is(word, 0x0a000000, 0x08000000) && !is_call(word) && !refused(word) &&
	       !(arithmetic && (word & 31) == SP);
}
