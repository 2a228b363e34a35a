/* SPDX-License-Identifier: MIT */
#include "insn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <capstone/capstone.h>

#include "recipe_value.h"

#if defined(__x86_64__)

/* Cold parts, and theirs, that one function may have. */
#define PARTS_MAX 8
/* A jump table's load of an offset comes that shortly before its addition, and this before the jump. */
#define TABLE_BACK 4
#define FAR_MAX    64

struct scan {
	csh handle;
	cs_insn *insn;
	const struct insn_options *options;
	struct insn_function *out;
	struct insn_code parts[PARTS_MAX];
	size_t parts_count;
	uint64_t first_target;     /* the lowest that something jumps to behind its beginning */
	uint64_t outside[FAR_MAX]; /* where it jumps to, out of all parts so far */
	size_t outside_count;
	bool jumps_anywhere; /* by a register, and not by a table */
	uint64_t anywhere;
	unsigned int since_load; /* instructions since the load of an offset */
	unsigned int since_add;  /* and since one was added, soon after that */
	bool returns;            /* the part that is looked at */
	bool jumps_back;
	uint64_t wrong;
};

static bool open_decoder(csh *handle, cs_insn **insn)
{
	if (cs_open(CS_ARCH_X86, CS_MODE_64, handle))
		return false;
	cs_option(*handle, CS_OPT_DETAIL, CS_OPT_ON);
	*insn = cs_malloc(*handle);
	if (*insn)
		return true;
	cs_close(handle);
	return false;
}

static void close_decoder(csh handle, cs_insn *insn)
{
	cs_free(insn, 1);
	cs_close(&handle);
}

static bool is_push(const cs_insn *insn)
{
	const uint8_t *code = insn->bytes;

	if ((code[0] & 0xf0) == 0x40)
		code++;
	return code[0] >= 0x50 && code[0] <= 0x57;
}

/* As the kernel's uprobes see it. A nop of five bytes has traps of its own. */
static enum insn_cost cost_of(const cs_insn *insn)
{
	const uint8_t *code = insn->bytes;

	if (code[0] == 0x90 || code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xeb ||
	    (code[0] >= 0x70 && code[0] <= 0x7f) ||
	    (code[0] == 0x0f && code[1] >= 0x80 && code[1] <= 0x8f) || is_push(insn))
		return INSN_EMULATED;
	return INSN_STEPPED;
}

static bool is_nop5(const cs_insn *insn)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	return insn->size == sizeof(nop5) && !memcmp(insn->bytes, nop5, sizeof(nop5));
}

static bool in_group(const struct scan *s, unsigned int group)
{
	return cs_insn_group(s->handle, s->insn, (unsigned int)group);
}

static bool is_ret(const cs_insn *insn)
{
	return insn->id == X86_INS_RET;
}

static bool is_jump(const struct scan *s)
{
	return in_group(s, CS_GRP_JUMP) && s->insn->id != X86_INS_CALL;
}

static const struct insn_code *part_of(const struct scan *s, uint64_t address)
{
	for (size_t i = 0; i < s->parts_count; i++)
		if (address - s->parts[i].address < s->parts[i].size)
			return &s->parts[i];
	return NULL;
}

/* ---- All instructions ---- */

static void add_return(struct scan *s)
{
	struct insn_function *out = s->out;

	s->returns = true;
	if (out->returns_count == INSN_RETURNS_MAX)
		out->too_many = true;
	else
		out->returns[out->returns_count++] = (struct insn_site){
			.address = s->insn->address,
			.cost = INSN_STEPPED,
		};
}

static void jump_to(struct scan *s, uint64_t target)
{
	const struct insn_code *to = part_of(s, target);

	if (to == &s->parts[0] && target > to->address && target < s->first_target)
		s->first_target = target;
	if (to && part_of(s, s->insn->address) != to)
		s->jumps_back = true;
	if (to)
		return;
	for (size_t i = 0; i < s->outside_count; i++)
		if (s->outside[i] == target)
			return;
	if (s->outside_count < FAR_MAX)
		s->outside[s->outside_count++] = target;
	else
		s->out->tail_call = s->insn->address;
}

/* Whether what is there is the address of a part of the function: a table, and no array of functions. */
static bool leads_back(const struct scan *s, uint64_t table)
{
	const struct insn_options *o = s->options;
	struct insn_code part;
	uint64_t to;

	if (!o->word)
		return true;
	if (!o->word(table, &to, o->context))
		return false;
	return part_of(s, to) || (o->find && o->find(to, &part, o->context) && part.cold);
}

/* They are where there is no PIE only, and so at an address that is known. */
static bool is_table_of_addresses(const struct scan *s, const cs_x86_op *op)
{
	return op->type == X86_OP_MEM && op->mem.index != X86_REG_INVALID &&
	       op->mem.base == X86_REG_INVALID && op->mem.scale == 8 &&
	       leads_back(s, (uint64_t)op->mem.disp);
}

/* By a register: through a table if an offset was just loaded and added, as compilers do it. */
static void jump_by(struct scan *s, const cs_x86_op *op)
{
	bool table =
		op->type == X86_OP_MEM ? is_table_of_addresses(s, op) : s->since_add <= TABLE_BACK;

	if (!table && !s->jumps_anywhere) {
		s->jumps_anywhere = true;
		s->anywhere = s->insn->address;
	}
}

/* An offset that is loaded from memory and extended, then added to where the table is; or an address. */
static void look_for_table(struct scan *s)
{
	const cs_x86 *x86 = &s->insn->detail->x86;

	s->since_load++;
	s->since_add++;
	if (s->insn->id == X86_INS_CDQE ||
	    (s->insn->id == X86_INS_MOVSXD && x86->operands[1].type == X86_OP_MEM))
		s->since_load = 0;
	if (s->insn->id == X86_INS_ADD && x86->operands[1].type == X86_OP_REG &&
	    s->since_load <= TABLE_BACK)
		s->since_add = 0;
	if (s->insn->id == X86_INS_MOV && is_table_of_addresses(s, &x86->operands[1]))
		s->since_add = 0;
}

static void look_at(struct scan *s)
{
	const cs_x86 *x86 = &s->insn->detail->x86;

	look_for_table(s);
	if (is_ret(s->insn))
		add_return(s);
	else if (is_jump(s) && x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM)
		jump_to(s, (uint64_t)x86->operands[0].imm);
	else if (is_jump(s) && x86->op_count == 1)
		jump_by(s, &x86->operands[0]);
}

static bool scan_part(struct scan *s, const struct insn_code *part)
{
	const uint8_t *bytes = part->bytes;
	uint64_t address = part->address;
	size_t left = part->size;

	s->returns = s->jumps_back = false;
	s->since_load = s->since_add = TABLE_BACK + 1;
	while (left) {
		if (!cs_disasm_iter(s->handle, &bytes, &left, &address, s->insn)) {
			s->wrong = address;
			return false;
		}
		look_at(s);
	}
	return true;
}

/*
 * A part of it that lies elsewhere jumps back into it, or ends the process. One that returns without
 * having jumped back is another function, as far as can be told.
 */
static bool scan_outside(struct scan *s)
{
	for (size_t i = 0; i < s->outside_count && !s->out->tail_call; i++) {
		struct insn_code part;
		size_t returns = s->out->returns_count, outside = s->outside_count;

		if (part_of(s, s->outside[i]))
			continue;
		if (s->parts_count == PARTS_MAX || !s->options->find ||
		    !s->options->find(s->outside[i], &part, s->options->context)) {
			s->out->tail_call = s->outside[i];
			break;
		}
		s->parts[s->parts_count++] = part;
		if (!scan_part(s, &part))
			return false;
		if (part.cold || s->jumps_back || (!s->returns && s->outside_count == outside))
			continue;
		s->out->returns_count = returns;
		s->out->tail_call = s->outside[i];
	}
	if (s->jumps_anywhere && !s->out->tail_call)
		s->out->tail_call = s->anywhere;
	return true;
}

/* ---- The entry ---- */

static bool is_needed(const struct scan *s, x86_reg reg)
{
	int at = recipe_register_at(cs_reg_name(s->handle, reg));

	for (size_t i = 0; i < s->options->needs_count; i++)
		if ((int)s->options->needs[i] == at)
			return true;
	return false;
}

/* Whether all that is needed is still there behind this instruction; keeps count of the stack. */
static bool leaves_alone(struct scan *s, uint32_t *below)
{
	cs_regs read, written;
	uint8_t read_count, written_count;
	const cs_x86 *x86 = &s->insn->detail->x86;

	if (is_jump(s) || is_ret(s->insn) || in_group(s, CS_GRP_CALL) || in_group(s, CS_GRP_INT))
		return false;
	for (uint8_t i = 0; i < x86->op_count; i++)
		if (x86->operands[i].type == X86_OP_MEM && x86->operands[i].access & CS_AC_WRITE)
			return false;
	if (cs_regs_access(s->handle, s->insn, read, &read_count, written, &written_count))
		return false;
	for (uint8_t i = 0; i < written_count; i++) {
		if (is_needed(s, written[i]))
			return false;
		if (written[i] != X86_REG_RSP)
			continue;
		if (s->insn->id != X86_INS_SUB || x86->operands[1].type != X86_OP_IMM)
			return false;
		*below += (uint32_t)x86->operands[1].imm;
	}
	return true;
}

/* The first instruction, or a cheaper one soon after it, where all is as it was. */
static void choose_entry(struct scan *s)
{
	const uint8_t *bytes = s->parts[0].bytes;
	uint64_t address = s->parts[0].address;
	size_t left = s->parts[0].size;
	struct insn_site *entry = &s->out->entry;
	uint32_t below = 0;

	*entry = (struct insn_site){ .address = address, .cost = INSN_STEPPED };
	while (left && cs_disasm_iter(s->handle, &bytes, &left, &address, s->insn)) {
		/* Something jumps to here, or to before here: this is no entry only. */
		if (s->insn->address >= s->first_target)
			return;
		if (cost_of(s->insn) == INSN_EMULATED) {
			*entry = (struct insn_site){ .address = s->insn->address,
						     .cost = INSN_EMULATED,
						     .below = below };
			return;
		}
		if (!leaves_alone(s, &below))
			return;
	}
}

int insn_function(const struct insn_code *code, const struct insn_options *options,
		  struct insn_function *out, uint64_t *wrong)
{
	struct scan s = {
		.options = options,
		.out = out,
		.parts = { *code },
		.parts_count = 1,
		.first_target = UINT64_MAX,
	};
	bool ok;

	memset(out, 0, sizeof(*out));
	if (!open_decoder(&s.handle, &s.insn))
		return -ENOMEM;
	ok = scan_part(&s, code) && scan_outside(&s);
	if (ok)
		choose_entry(&s);
	close_decoder(s.handle, s.insn);
	*wrong = s.wrong;
	return ok ? 0 : -EBADMSG;
}

const char *insn_site(const struct insn_code *code, uint64_t at, enum insn_cost *cost)
{
	const char *why = NULL;
	const uint8_t *bytes = code->bytes;
	uint64_t address = code->address;
	size_t left = code->size;
	bool five = false;
	cs_insn *insn;
	csh handle;

	if (at - code->address >= code->size)
		return "it is not in the function";
	if (!open_decoder(&handle, &insn))
		return "out of memory";
	while (left && address <= at) {
		if (!cs_disasm_iter(handle, &bytes, &left, &address, insn)) {
			why = "what is before it cannot be decoded";
			break;
		}
		if (insn->address != at) {
			why = "it is in the middle of an instruction";
			continue;
		}
		*cost = cost_of(insn);
		five = is_nop5(insn) && at != code->address;
		why = NULL;
	}
	/* Kernels of 6.18 on put a call there, which writes below the stack pointer. */
	if (!why && five &&
	    (!left || !cs_disasm_iter(handle, &bytes, &left, &address, insn) || !is_ret(insn)))
		why = "it is a nop of five bytes before something other than a return: kernels "
		      "from "
		      "6.18 on may overwrite the function's red zone there";
	close_decoder(handle, insn);
	return why;
}

void insn_text(const uint8_t *bytes, size_t size, uint64_t address, char *out, size_t out_size)
{
	cs_insn *insn;
	csh handle;

	snprintf(out, out_size, "?");
	if (!open_decoder(&handle, &insn))
		return;
	cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	if (cs_disasm_iter(handle, &bytes, &size, &address, insn))
		snprintf(out, out_size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "",
			 insn->op_str);
	close_decoder(handle, insn);
}

#else

int insn_function(const struct insn_code *code, const struct insn_options *options,
		  struct insn_function *out, uint64_t *wrong)
{
	(void)code, (void)options;
	memset(out, 0, sizeof(*out));
	*wrong = 0;
	return -ENOTSUP;
}

const char *insn_site(const struct insn_code *code, uint64_t at, enum insn_cost *cost)
{
	(void)code, (void)at, (void)cost;
	return "instructions of this machine are not decoded: name a USDT probe";
}

void insn_text(const uint8_t *bytes, size_t size, uint64_t address, char *out, size_t out_size)
{
	(void)bytes, (void)size, (void)address;
	snprintf(out, out_size, "?");
}

#endif
