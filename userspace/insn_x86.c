/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "insn_machine.h"

static enum insn_flow jump(const cs_insn *raw, uint64_t *target)
{
	const cs_x86 *x86 = &raw->detail->x86;
	const cs_x86_op *operand = &x86->operands[0];

	if (x86->op_count != 1)
		return INSN_INDIRECT;
	if (operand->type == X86_OP_IMM) {
		*target = (uint64_t)operand->imm;
		return INSN_JUMP;
	}
	/* Compilers write notrack on jumps through tables alone. */
	return x86->prefix[1] == X86_PREFIX_DS ? INSN_SWITCH : INSN_INDIRECT;
}

static enum insn_flow flow(csh handle, const cs_insn *raw, uint64_t *target)
{
	switch (raw->id) {
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
		return INSN_RETURN;
	case X86_INS_JCXZ:
	case X86_INS_JECXZ:
	case X86_INS_JRCXZ:
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
		return jump(raw, target);
	default:
		return cs_insn_group(handle, raw, X86_GRP_JUMP) ? jump(raw, target) : INSN_ON;
	}
}

/* What branch_setup_ops() of the kernel takes besides nops. */
static bool is_branch(const uint8_t *opcode)
{
	return opcode[0] == 0xe8 || opcode[0] == 0xe9 || opcode[0] == 0xeb ||
	       (opcode[0] & 0xf0) == 0x70 || (opcode[0] == 0x0f && (opcode[1] & 0xf0) == 0x80);
}

static const char *refused(csh handle, const cs_insn *raw)
{
	const cs_x86 *x86 = &raw->detail->x86;

	if (x86->prefix[0] == X86_PREFIX_LOCK)
		return "the kernel takes no probe on an instruction with a lock prefix";
	if (x86->prefix[1] == X86_PREFIX_CS || x86->prefix[1] == X86_PREFIX_SS ||
	    x86->prefix[1] == X86_PREFIX_DS || x86->prefix[1] == X86_PREFIX_ES)
		return "the kernel takes no probe on an instruction with a segment prefix";
	if (x86->prefix[2] == X86_PREFIX_OPSIZE && is_branch(x86->opcode))
		return "the kernel takes no probe on a jump or call with a size prefix";
	if (x86->opcode[0] == 0x62 || raw->bytes[0] == 0x62)
		return "the kernel takes no probe on an AVX-512 instruction";
	if (cs_insn_group(handle, raw, X86_GRP_INT) ||
	    cs_insn_group(handle, raw, X86_GRP_PRIVILEGE) ||
	    cs_insn_group(handle, raw, X86_GRP_IRET) || raw->id == X86_INS_SYSCALL ||
	    raw->id == X86_INS_SYSENTER || raw->id == X86_INS_UD2 || raw->id == X86_INS_INT3)
		return "the kernel takes no probe on a trap or a system instruction";
	return NULL;
}

/* A push with no prefix but the one of r8 to r15; the kernel looks at nothing else. */
static bool is_push(const cs_insn *raw)
{
	const uint8_t *code = raw->bytes;

	if (code[0] == 0x41)
		code++;
	return code[0] >= 0x50 && code[0] <= 0x57;
}

static enum insn_cost cost(const cs_insn *raw)
{
	const uint8_t *opcode = raw->detail->x86.opcode;

	if (raw->id == X86_INS_NOP)
		return opcode[0] == 0x90 ? INSN_EMULATED : INSN_NOP;
	return is_branch(opcode) || is_push(raw) ? INSN_EMULATED : INSN_STEPPED;
}

/* They are where there is no PIE only, and so at an address that is known. */
static bool is_table(const cs_x86_op *op)
{
	return op->type == X86_OP_MEM && op->mem.index != X86_REG_INVALID &&
	       op->mem.base == X86_REG_INVALID && op->mem.scale == 8;
}

static void describe_table(const cs_insn *raw, struct insn *insn, struct insn_table *out)
{
	const cs_x86 *x86 = &raw->detail->x86;
	const cs_x86_op *to = &x86->operands[0], *from = &x86->operands[1];

	if (insn->flow == INSN_INDIRECT || insn->flow == INSN_SWITCH) {
		if (is_table(to)) {
			insn->flow = INSN_SWITCH;
			out->at = (uint64_t)to->mem.disp;
		}
		if (to->type == X86_OP_REG)
			out->jumps_by = to->reg;
		return;
	}
	out->loads_offset =
		raw->id == X86_INS_CDQE || (raw->id == X86_INS_MOVSXD && from->type == X86_OP_MEM);
	if (x86->op_count != 2 || (to->type != X86_OP_REG && raw->id != X86_INS_CMP))
		return;
	if (raw->id == X86_INS_ADD && from->type == X86_OP_REG) {
		out->adds_to = to->reg;
		out->adds = from->reg;
	} else if (raw->id == X86_INS_MOV && is_table(from)) {
		out->loads_to = to->reg;
		out->at = (uint64_t)from->mem.disp;
	} else if (raw->id == X86_INS_LEA && from->mem.base == X86_REG_RIP) {
		out->points_to = to->reg;
		out->at = insn->address + insn->size + (uint64_t)from->mem.disp;
	} else if (raw->id == X86_INS_CMP && from->type == X86_OP_IMM) {
		out->has_most = true;
		out->most = (uint64_t)from->imm;
	}
}

void insn_x86_describe(csh handle, const cs_insn *raw, struct insn *out, struct insn_table *table)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	out->flow = flow(handle, raw, &out->target);
	out->refused = refused(handle, raw);
	out->cost = cost(raw);
	out->is_nop5 = raw->size == sizeof(nop5) && !memcmp(raw->bytes, nop5, sizeof(nop5));
	out->is_landing =
		raw->size == sizeof(endbr64) && !memcmp(raw->bytes, endbr64, sizeof(endbr64));
	out->is_locked = raw->bytes[0] == 0xf0;
	describe_table(raw, out, table);
}

bool insn_x86_stays(csh handle, const cs_insn *raw, uint32_t *below)
{
	const cs_x86 *x86 = &raw->detail->x86;

	if (cs_insn_group(handle, raw, CS_GRP_CALL) || cs_insn_group(handle, raw, CS_GRP_INT))
		return false;
	for (uint8_t i = 0; i < x86->op_count; i++)
		if (x86->operands[i].type == X86_OP_MEM && x86->operands[i].access & CS_AC_WRITE)
			return false;
	if (!cs_reg_write(handle, raw, X86_REG_RSP) &&
	    !(x86->op_count && x86->operands[0].type == X86_OP_REG &&
	      x86->operands[0].reg == X86_REG_RSP && x86->operands[0].access & CS_AC_WRITE))
		return true;
	if (raw->id != X86_INS_SUB || x86->operands[1].type != X86_OP_IMM)
		return false;
	*below += (uint32_t)x86->operands[1].imm;
	return true;
}
