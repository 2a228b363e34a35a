/* SPDX-License-Identifier: MIT */
/*
 * decoder.h - one machine instruction: how long, where it goes, and what a probe on it means
 */
#ifndef DECODER_H
#define DECODER_H

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "why.h"

enum flow {
	FLOW_ON,       /* to the next one, calls too */
	FLOW_RETURN,   /* back to the caller */
	FLOW_JUMP,     /* to `target`, conditional or not */
	FLOW_SWITCH,   /* through a jump table */
	FLOW_INDIRECT, /* to where a register or memory says: a table, or a tail call */
};

struct instruction {
	uint64_t address;
	uint64_t target;
	uint8_t size;
	enum flow flow;
	bool is_nop5;        /* x86-64's 0f 1f 44 00 00 */
	bool is_landing;     /* endbr64, bti: where indirect calls arrive */
	bool is_emulated;    /* the kernel does it without a single step */
	unsigned jumps_by;   /* the register an indirect jump goes through; 0: none */
	unsigned adds_to;    /* the register an addition of registers goes to; 0: it is none */
	const char *refused; /* why the kernel takes no probe there; NULL: it does */
};

struct decoder {
	csh handle;
	cs_insn *scratch;
	unsigned machine; /* EM_X86_64 or EM_AARCH64 */
};

int decoder_open(struct decoder *decoder, unsigned machine, struct why *why);
void decoder_close(struct decoder *decoder);

/* false: these bytes are no instruction that it knows. */
bool decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size, uint64_t address,
		    struct instruction *out);

/* The last decoded one as text. */
const char *decoder_text(const struct decoder *decoder, char *out, size_t size);

#endif /* DECODER_H */
