/* SPDX-License-Identifier: MIT */
#include "recipe_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <capstone/capstone.h>

#include "recipe_value.h"

/* Cold ones, with itself. */
#define PARTS_MAX 8

struct tail {
	struct recipe_search *s;
	int rule;
	csh handle;
	cs_insn *insn;
	struct insn_code parts[PARTS_MAX];
	size_t parts_count;
};

static bool is_within(const struct tail *t, uint64_t address)
{
	for (size_t i = 0; i < t->parts_count; i++)
		if (address - t->parts[i].address < t->parts[i].size)
			return true;
	return false;
}

static int add(struct tail *t, enum recipe_hit hit, const struct pb_source *to)
{
	struct insn_site site = { .address = t->insn->address, .cost = INSN_STEPPED };

	/* As the kernel has it: a jump to a place that it says is done without the processor. */
	if (hit == RECIPE_JUMP && to->kind == PB_SOURCE_CONSTANT)
		site.cost = INSN_EMULATED;
	if (recipe_internal_at(t->s, t->rule, hit, &site))
		return t->s->err;
	if (to)
		t->s->out->sites[t->s->out->sites_count - 1].to = *to;
	return 0;
}

/* Within itself, to a cold part of it, or where another function begins. */
static int jump_to(struct tail *t, uint64_t target)
{
	struct pb_source to = { .kind = PB_SOURCE_CONSTANT,
				.offset = (int64_t)(target - t->insn->address) };
	struct insn_code code;

	if (is_within(t, target))
		return 0;
	if (!recipe_internal_find(target, &code, t->s))
		return -ENOTSUP;
	if (code.cold) {
		if (t->parts_count == PARTS_MAX || !recipe_internal_load(&code, t->s))
			return -ENOTSUP;
		t->parts[t->parts_count++] = code;
		return 0;
	}
	/* Where it depends on a condition, a hit does not say whether it jumps. */
	if (t->insn->id != X86_INS_JMP || code.address != target)
		return -ENOTSUP;
	return add(t, RECIPE_JUMP, &to);
}

/* By what a register has, or points to. One that goes on within the function, by a table, does no harm. */
static int jump_by(struct tail *t, const cs_x86_op *op)
{
	struct pb_source to = { .kind = PB_SOURCE_REGISTER, .width = 8 };
	x86_reg reg = op->type == X86_OP_REG ? op->reg : op->mem.base;
	int at = reg == X86_REG_INVALID || reg == X86_REG_RIP
			 ? -1
			 : recipe_register_at(cs_reg_name(t->handle, reg));

	/* What is at a place of the file's own, as functions of others are, is not looked into. */
	if (at < 0 || (op->type == X86_OP_MEM &&
		       (op->mem.index != X86_REG_INVALID || op->mem.segment != X86_REG_INVALID)))
		return -ENOTSUP;
	to.at = (uint32_t)at;
	if (op->type == X86_OP_MEM) {
		to.kind = PB_SOURCE_MEMORY;
		to.offset = op->mem.disp;
	}
	return add(t, RECIPE_JUMP, &to);
}

static int look_at(struct tail *t)
{
	const cs_x86 *x86 = &t->insn->detail->x86;

	if (t->insn->id == X86_INS_RET)
		return add(t, RECIPE_LEAVE, NULL);
	if (!cs_insn_group(t->handle, t->insn, CS_GRP_JUMP) || t->insn->id == X86_INS_CALL ||
	    x86->op_count != 1)
		return 0;
	if (x86->operands[0].type == X86_OP_IMM)
		return jump_to(t, (uint64_t)x86->operands[0].imm);
	return jump_by(t, &x86->operands[0]);
}

static int look_at_part(struct tail *t, const struct insn_code *part)
{
	const uint8_t *bytes = part->bytes;
	uint64_t address = part->address;
	size_t left = part->size;
	int err = 0;

	/* It has been decoded before; by itself, it need not be part of that. */
	if (!recipe_internal_work(t->s, part->size))
		return t->s->err;
	while (!err && left) {
		if (!cs_disasm_iter(t->handle, &bytes, &left, &address, t->insn))
			return -ENOTSUP;
		err = look_at(t);
	}
	return err;
}

int recipe_tail_add(struct recipe_search *s, int rule, const struct insn_code *code)
{
	struct tail t = { .s = s, .rule = rule, .parts = { *code }, .parts_count = 1 };
	int err = 0;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &t.handle))
		return -ENOMEM;
	cs_option(t.handle, CS_OPT_DETAIL, CS_OPT_ON);
	t.insn = cs_malloc(t.handle);
	err = t.insn ? 0 : -ENOMEM;
	for (size_t i = 0; !err && i < t.parts_count; i++)
		err = look_at_part(&t, &t.parts[i]);
	if (t.insn)
		cs_free(t.insn, 1);
	cs_close(&t.handle);
	return err;
}

/* ---- Where they lead ---- */

static bool is_probed(const struct recipe_sites *out, uint64_t address)
{
	for (size_t i = 0; i < out->rules_count; i++)
		if (out->rules[i].address == address && out->rules[i].rule.kind != PB_RULE_END)
			return true;
	return false;
}

static int check_jump(struct recipe_search *s, const struct recipe_site *site)
{
	const struct recipe_rule *r = &s->out->rules[site->rule];
	uint64_t address;

	if (site->hit != RECIPE_JUMP || site->to.kind != PB_SOURCE_CONSTANT ||
	    !elf_code_address(&s->image, site->offset, &address) ||
	    is_probed(s->out, address + (uint64_t)site->to.offset))
		return 0;
	s->where = r->where;
	s->target = &s->recipes->targets[s->recipes->steps[r->rule.step].target];
	return recipe_internal_fail(
		s, -EINVAL,
		"%s ends by a jump to another function (at 0x%llx), which the recipe does not "
		"name: its result cannot be read there; name that one too, or set returns = "
		"uretprobe if no exception or panic ever passes through it (it would end the "
		"process)",
		r->function, (unsigned long long)address);
}

int recipe_tail_check(struct recipe_search *s)
{
	for (size_t i = 0; s->out && i < s->out->sites_count; i++) {
		if (!check_jump(s, &s->out->sites[i]) || s->err == -ENOMEM)
			continue;
		if (!s->problem)
			return s->err;
		s->problem(s->why, s->context);
		s->err = 0;
	}
	return s->err;
}
