/* SPDX-License-Identifier: MIT */
#include "decoder.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

int decoder_open(struct decoder *decoder, unsigned machine, struct why *why)
{
	bool x86 = machine == EM_X86_64;

	memset(decoder, 0, sizeof(*decoder));
	decoder->machine = machine;
	if (cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN,
		    &decoder->handle) != CS_ERR_OK)
		return refuse(why, "can't be read: capstone here was built without this machine");
	cs_option(decoder->handle, CS_OPT_DETAIL, CS_OPT_ON);
	if (x86)
		cs_option(decoder->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	decoder->scratch = cs_malloc(decoder->handle);
	if (!decoder->scratch) {
		cs_close(&decoder->handle);
		return refuse_memory(why);
	}
	return 0;
}

void decoder_close(struct decoder *decoder)
{
	if (!decoder->scratch)
		return;
	cs_free(decoder->scratch, 1);
	cs_close(&decoder->handle);
	decoder->scratch = NULL;
}

static bool is_in_group(const struct decoder *decoder, unsigned group)
{
	return cs_insn_group(decoder->handle, decoder->scratch, group);
}

/* ---- x86-64 ---- */

static enum flow x86_jump(const struct decoder *decoder, uint64_t *target)
{
	const cs_x86 *x86 = &decoder->scratch->detail->x86;
	const cs_x86_op *operand = &x86->operands[0];

	if (x86->op_count != 1)
		return FLOW_INDIRECT;
	if (operand->type == X86_OP_IMM) {
		*target = (uint64_t)operand->imm;
		return FLOW_JUMP;
	}
	/* Compilers write notrack on jumps through tables alone, and only those scale an index. */
	if (x86->prefix[1] == X86_PREFIX_DS ||
	    (operand->type == X86_OP_MEM && operand->mem.index != X86_REG_INVALID))
		return FLOW_SWITCH;
	return FLOW_INDIRECT;
}

static enum flow x86_flow(const struct decoder *decoder, uint64_t *target)
{
	switch (decoder->scratch->id) {
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
		return FLOW_RETURN;
	case X86_INS_JCXZ:
	case X86_INS_JECXZ:
	case X86_INS_JRCXZ:
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
		return x86_jump(decoder, target);
	default:
		return is_in_group(decoder, X86_GRP_JUMP) ? x86_jump(decoder, target) : FLOW_ON;
	}
}

/* As the kernel's tables of what uprobes take (arch/x86/kernel/uprobes.c). */
static const char *x86_refused(const struct decoder *decoder)
{
	const cs_insn *insn = decoder->scratch;
	const uint8_t *prefix = insn->detail->x86.prefix;

	if (prefix[0] == X86_PREFIX_LOCK)
		return "the kernel takes no probe on an instruction with a lock prefix";
	if (prefix[1] == X86_PREFIX_CS || prefix[1] == X86_PREFIX_SS ||
	    prefix[1] == X86_PREFIX_DS || prefix[1] == X86_PREFIX_ES)
		return "the kernel takes no probe on an instruction with a segment prefix";
	if (insn->detail->x86.opcode[0] == 0x62 || insn->bytes[0] == 0x62)
		return "the kernel takes no probe on an AVX-512 instruction";
	if (is_in_group(decoder, X86_GRP_INT) || is_in_group(decoder, X86_GRP_PRIVILEGE) ||
	    is_in_group(decoder, X86_GRP_IRET) || insn->id == X86_INS_SYSCALL ||
	    insn->id == X86_INS_SYSENTER || insn->id == X86_INS_UD2 || insn->id == X86_INS_INT3)
		return "the kernel takes no probe on a trap or a system instruction";
	return NULL;
}

static bool x86_is_emulated(const struct decoder *decoder, enum flow flow)
{
	const cs_insn *insn = decoder->scratch;

	switch (insn->id) {
	case X86_INS_NOP:
		return true;
	case X86_INS_PUSH:
		return insn->detail->x86.operands[0].type == X86_OP_REG;
	case X86_INS_CALL:
		return insn->detail->x86.operands[0].type == X86_OP_IMM;
	default:
		return flow == FLOW_JUMP;
	}
}

/* What tells a jump through a computed table from a tail call. */
static void x86_registers(const struct decoder *decoder, struct instruction *out)
{
	const cs_x86 *x86 = &decoder->scratch->detail->x86;

	if (out->flow == FLOW_INDIRECT && x86->operands[0].type == X86_OP_REG)
		out->jumps_by = x86->operands[0].reg;
	if (decoder->scratch->id == X86_INS_ADD && x86->op_count == 2 &&
	    x86->operands[0].type == X86_OP_REG && x86->operands[1].type == X86_OP_REG)
		out->adds_to = x86->operands[1].reg; /* AT&T: the last one */
}

static void x86_describe(const struct decoder *decoder, struct instruction *out)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const cs_insn *insn = decoder->scratch;

	out->flow = x86_flow(decoder, &out->target);
	x86_registers(decoder, out);
	out->refused = x86_refused(decoder);
	out->is_emulated = x86_is_emulated(decoder, out->flow);
	out->is_nop5 = insn->size == sizeof(nop5) && !memcmp(insn->bytes, nop5, sizeof(nop5));
	out->is_landing =
		insn->size == sizeof(endbr64) && !memcmp(insn->bytes, endbr64, sizeof(endbr64));
}

/* ---- aarch64 ---- */

/* ret, retaa, retab: capstone 4 does not know the last two. */
static bool aarch64_is_return(uint32_t word)
{
	return (word & 0xfffffc1f) == 0xd65f0000 || word == 0xd65f0bff || word == 0xd65f0fff;
}

/* br, and braa and the like. */
static bool aarch64_is_indirect(uint32_t word)
{
	return (word & 0xfffffc1f) == 0xd61f0000 || (word & 0xfefff800) == 0xd61f0800;
}

/* `bits` of the word from bit `from` on: a signed distance in words. */
static uint64_t aarch64_distance(uint32_t word, unsigned from, unsigned bits)
{
	int64_t distance = (int64_t)((uint64_t)word << (64 - from - bits)) >> (64 - bits);

	return (uint64_t)(distance * 4);
}

/* By the words themselves: to capstone, calls are jumps too. */
static enum flow aarch64_flow(uint32_t word, uint64_t address, uint64_t *target)
{
	if (aarch64_is_return(word))
		return FLOW_RETURN;
	if (aarch64_is_indirect(word))
		return FLOW_INDIRECT;
	if ((word & 0xfc000000) == 0x14000000) /* b */
		*target = address + aarch64_distance(word, 0, 26);
	else if ((word & 0xff000000) == 0x54000000 || /* b.cond */
		 (word & 0x7e000000) == 0x34000000)   /* cbz, cbnz */
		*target = address + aarch64_distance(word, 5, 19);
	else if ((word & 0x7e000000) == 0x36000000) /* tbz, tbnz */
		*target = address + aarch64_distance(word, 5, 14);
	else
		return FLOW_ON;
	return FLOW_JUMP;
}

static const char *aarch64_refused(uint32_t word)
{
	/* Load and store exclusive: a trap between the two makes the loop endless. */
	if ((word & 0x3f000000) == 0x08000000)
		return "the kernel takes no probe on an exclusive load or store";
	if ((word & 0xff000000) == 0xd4000000)
		return "the kernel takes no probe on a trap or a system instruction";
	return NULL;
}

static void aarch64_describe(uint32_t word, struct instruction *out)
{
	const uint32_t nop = 0xd503201f;

	out->flow = aarch64_flow(word, out->address, &out->target);
	out->refused = aarch64_refused(word);
	if (out->flow == FLOW_INDIRECT)
		out->jumps_by = 1 + (word >> 5 & 31);
	if ((word & 0xff000000) == 0x8b000000)
		out->adds_to = 1 + (word & 31);
	out->is_emulated = word == nop || out->flow != FLOW_ON;
	out->is_landing = (word & 0xffffff3f) == 0xd503241f; /* bti */
}

/* Each word is an instruction, also one that is too new for capstone. */
static bool aarch64_decode(struct decoder *decoder, const uint8_t *bytes, size_t size,
			   uint64_t address, struct instruction *out)
{
	uint32_t word;

	if (size < sizeof(word) || address % sizeof(word))
		return false;
	memcpy(&word, bytes, sizeof(word));
	if (!cs_disasm_iter(decoder->handle, &bytes, &size, &address, decoder->scratch)) {
		decoder->scratch->id = 0;
		snprintf(decoder->scratch->mnemonic, sizeof(decoder->scratch->mnemonic), ".word");
		snprintf(decoder->scratch->op_str, sizeof(decoder->scratch->op_str), "0x%08x",
			 word);
	}
	out->size = sizeof(word);
	aarch64_describe(word, out);
	return true;
}

bool decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size, uint64_t address,
		    struct instruction *out)
{
	memset(out, 0, sizeof(*out));
	out->address = address;
	if (decoder->machine == EM_AARCH64)
		return aarch64_decode(decoder, bytes, size, address, out);
	if (!cs_disasm_iter(decoder->handle, &bytes, &size, &address, decoder->scratch))
		return false;
	out->size = (uint8_t)decoder->scratch->size;
	x86_describe(decoder, out);
	return true;
}

const char *decoder_text(const struct decoder *decoder, char *out, size_t size)
{
	const cs_insn *insn = decoder->scratch;

	snprintf(out, size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
	return out;
}
