/* SPDX-License-Identifier: MIT */
/*
 * insn_machine.h - what the decoder has of each machine; for insn_decode.c alone
 */
#ifndef INSN_MACHINE_H
#define INSN_MACHINE_H

#include <capstone/capstone.h>

#include "insn_decode.h"

/* Of a decoded instruction, its address and size told. */
void insn_x86_describe(csh handle, const cs_insn *raw, struct insn *out, struct insn_table *table);
void insn_aarch64_describe(uint32_t word, struct insn *out, struct insn_table *table);

/* Whether it leaves memory and the stack pointer alone, or moves that by so much. */
bool insn_x86_stays(csh handle, const cs_insn *raw, uint32_t *below);
bool insn_aarch64_stays(uint32_t word);

#endif /* INSN_MACHINE_H */
