/* SPDX-License-Identifier: MIT */
/*
 * insn.h - the instructions of a function, for a recipe: where it can be probed, and at what cost
 *
 * A breakpoint costs by the instruction that it stands on: what the kernel can do in its stead (a push, a
 * nop, a jump) takes about 1 us, what it has to single-step 10 to 20 us on a virtual machine. And it must
 * stand on an instruction's first byte, else the program runs something else.
 *
 * A function's end is each of its `ret`: probes there change nothing of the stack. (A uretprobe does, and
 * an exception or a panic that passes through such a call ends the process.) What it jumps to behind its
 * own end is a part of it or another function, in whose name it returns: insn_walk.h tells which. Such an
 * end cannot be probed here. x86-64 and aarch64.
 */
#ifndef INSN_H
#define INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "insn_walk.h"

#define INSN_RETURNS_MAX 128
#define INSN_NEEDS_MAX   4

struct insn_site {
	uint64_t address;
	enum insn_cost cost;
	uint32_t below; /* how far the stack pointer is below its value at entry */
};

struct insn_function {
	struct insn_site entry; /* what it needs is as it was at entry */
	struct insn_site returns[INSN_RETURNS_MAX];
	size_t returns_count;
	uint64_t tail_call; /* address of one jump to another function, 0: there is none */
	bool too_many;      /* returns */
};

struct insn_options {
	/* Registers whose values at entry are needed; offsets in struct pt_regs. */
	unsigned int needs[INSN_NEEDS_MAX];
	size_t needs_count;
	enum insn_machine machine;
	/* As struct insn_lookup has them. */
	bool (*find)(uint64_t address, struct insn_code *out, void *context);
	bool (*load)(struct insn_code *code, void *context);
	bool (*word)(uint64_t address, uint64_t *out, void *context);
	void *context;
	uint64_t *work_left;
};

/*
 * 0; -EBADMSG: no instruction is at *wrong, or its jump goes into the middle of one; -EACCES: the kernel takes no
 * probe there; -E2BIG: it jumps to too much other code, or too little work is left; -ENOTSUP, -EFBIG, -ENOMEM.
 */
int insn_function(const struct insn_code *code, const struct insn_options *options,
		  struct insn_function *out, uint64_t *wrong);

/*
 * Whether an instruction begins at `at`, in a function decoded from its beginning, and what it costs.
 * NULL, or the reason why there must be no probe.
 */
const char *insn_site(const struct insn_code *code, uint64_t at, enum insn_cost *cost);

/* The instruction that these bytes begin with, at `address`, as text; "?" where there is none. */
void insn_text(const uint8_t *bytes, size_t size, uint64_t address, char *out, size_t out_size);

#endif /* INSN_H */
