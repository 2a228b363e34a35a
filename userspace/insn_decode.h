/* SPDX-License-Identifier: MIT */
/*
 * insn_decode.h - one machine instruction: how long, where it goes, what a probe on it means and costs
 *
 * The one decoder, of x86-64 and aarch64, for recipes and for usdt-inject. What it refuses and what it
 * calls cheap is as the kernel has it: arch/x86/kernel/uprobes.c, arch/arm64/kernel/probes.
 */
#ifndef INSN_DECODE_H
#define INSN_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_machine {
	INSN_HOST, /* where this runs */
	INSN_X86_64,
	INSN_AARCH64,
};

enum insn_flow {
	INSN_ON,       /* to the next one, calls too */
	INSN_RETURN,   /* back to the caller */
	INSN_JUMP,     /* to `target`, conditional or not */
	INSN_SWITCH,   /* through a jump table */
	INSN_INDIRECT, /* to where a register or memory says: a table, or a tail call */
};

enum insn_cost {
	INSN_EMULATED, /* about 1 us */
	INSN_STEPPED,  /* 10 to 20 us on a virtual machine, 3 us on others */
	INSN_NOP,      /* a nop that newer kernels emulate, and older ones step */
};

/* What a register or an address in a jump table takes part in; a register is never 0. */
struct insn_table {
	unsigned int jumps_by;  /* an indirect jump goes through it */
	unsigned int adds_to;   /* a sum of registers goes to it */
	unsigned int adds;      /* the other one of the sum */
	uint64_t sum_at;        /* the address that the one of both got last, as points_to has it */
	unsigned int loads_to;  /* an address, from the table at `at` */
	unsigned int points_to; /* gets the address `at` */
	bool loads_offset;      /* something from memory, extended */
	bool has_most;          /* a comparison with a constant */
	uint64_t at;            /* 0: not known */
	uint64_t most;
};

/* Small, as there are as many as a function has bytes. */
struct insn {
	uint64_t address;
	uint64_t target;     /* of INSN_JUMP */
	const char *refused; /* why the kernel takes no probe there; NULL: it does */
	uint32_t table;      /* of a walk, its number there; 0: it takes part in none */
	uint8_t size;
	enum insn_flow flow : 8;
	enum insn_cost cost : 8;
	bool is_nop5 : 1;    /* x86-64's 0f 1f 44 00 00 */
	bool is_landing : 1; /* endbr64, bti: where indirect calls arrive */
	bool is_locked : 1;  /* its first byte is a lock prefix, which some jump over */
};

struct insn_decoder;
/* NULL with errno: ENOTSUP (capstone here was built without that machine), ENOMEM. */
struct insn_decoder *insn_decoder_new(enum insn_machine machine);
void insn_decoder_free(struct insn_decoder *decoder);
enum insn_machine insn_decoder_machine(const struct insn_decoder *decoder);

/* false: these bytes are no instruction that it knows. `table` may be NULL. */
bool insn_decode(struct insn_decoder *decoder, const uint8_t *bytes, size_t size, uint64_t address,
		 struct insn *out, struct insn_table *table);

/* What these bytes begin with, at `address`, in the syntax of AT&T; "?" where there is none. */
void insn_decode_text(struct insn_decoder *decoder, const uint8_t *bytes, size_t size,
		      uint64_t address, char *out, size_t out_size);

/*
 * Why there must be no probe; NULL: there may. `next` is what follows, NULL: nothing; at a function's
 * entry nothing of its own is on the stack yet.
 */
const char *insn_refused(const struct insn *at, const struct insn *next, bool is_entry);

/*
 * Whether all that `is_needed` says of registers, by their names, is still there behind the last one
 * decoded, and it has stored nothing; adds to `below` by how much it moves the stack pointer down.
 */
bool insn_keeps(struct insn_decoder *decoder, const struct insn *insn,
		bool (*is_needed)(const char *name, void *context), void *context, uint32_t *below);

#endif /* INSN_DECODE_H */
