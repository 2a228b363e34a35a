/* SPDX-License-Identifier: MIT */
#include "insn_decode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "insn_machine.h"

#define WORD sizeof(uint32_t)

struct insn_decoder {
	csh handle;
	cs_insn *scratch;
	enum insn_machine machine;
};

static enum insn_machine known(enum insn_machine machine)
{
	if (machine != INSN_HOST)
		return machine;
#if defined(__aarch64__)
	return INSN_AARCH64;
#else
	return INSN_X86_64;
#endif
}

struct insn_decoder *insn_decoder_new(enum insn_machine machine)
{
	struct insn_decoder *decoder = calloc(1, sizeof(*decoder));
	bool x86 = known(machine) == INSN_X86_64;

	if (!decoder)
		return NULL;
	decoder->machine = known(machine);
	if (cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN,
		    &decoder->handle)) {
		free(decoder);
		errno = ENOTSUP;
		return NULL;
	}
	cs_option(decoder->handle, CS_OPT_DETAIL, CS_OPT_ON);
	decoder->scratch = cs_malloc(decoder->handle);
	if (!decoder->scratch) {
		cs_close(&decoder->handle);
		free(decoder);
		errno = ENOMEM;
		return NULL;
	}
	return decoder;
}

void insn_decoder_free(struct insn_decoder *decoder)
{
	if (!decoder)
		return;
	cs_free(decoder->scratch, 1);
	cs_close(&decoder->handle);
	free(decoder);
}

enum insn_machine insn_decoder_machine(const struct insn_decoder *decoder)
{
	return decoder->machine;
}

/* On aarch64 each word is an instruction, also one that is too new for capstone. */
static bool decode_raw(struct insn_decoder *decoder, const uint8_t *bytes, size_t size,
		       uint64_t address)
{
	cs_insn *raw = decoder->scratch;
	uint32_t word = 0;

	if (decoder->machine == INSN_AARCH64 && (size < WORD || address % WORD))
		return false;
	if (decoder->machine == INSN_AARCH64)
		memcpy(&word, bytes, WORD);
	if (cs_disasm_iter(decoder->handle, &bytes, &size, &address, raw))
		return true;
	if (decoder->machine != INSN_AARCH64)
		return false;
	raw->id = 0;
	raw->size = WORD;
	memcpy(raw->bytes, &word, WORD);
	snprintf(raw->mnemonic, sizeof(raw->mnemonic), ".word");
	snprintf(raw->op_str, sizeof(raw->op_str), "0x%08x", word);
	return true;
}

bool insn_decode(struct insn_decoder *decoder, const uint8_t *bytes, size_t size, uint64_t address,
		 struct insn *out, struct insn_table *table)
{
	struct insn_table none;
	uint32_t word;

	table = table ? table : &none;
	memset(out, 0, sizeof(*out));
	memset(table, 0, sizeof(*table));
	if (!decode_raw(decoder, bytes, size, address))
		return false;
	out->address = address;
	out->size = (uint8_t)decoder->scratch->size;
	if (decoder->machine == INSN_X86_64) {
		insn_x86_describe(decoder->handle, decoder->scratch, out, table);
		return true;
	}
	memcpy(&word, bytes, WORD);
	insn_aarch64_describe(word, out, table);
	return true;
}

void insn_decode_text(struct insn_decoder *decoder, const uint8_t *bytes, size_t size,
		      uint64_t address, char *out, size_t out_size)
{
	const cs_insn *raw = decoder->scratch;
	bool x86 = decoder->machine == INSN_X86_64;

	/* It turns the operands around, which all else here counts from the other end. */
	if (x86)
		cs_option(decoder->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	if (decode_raw(decoder, bytes, size, address))
		snprintf(out, out_size, "%s%s%s", raw->mnemonic, *raw->op_str ? " " : "",
			 raw->op_str);
	else
		snprintf(out, out_size, "?");
	if (x86)
		cs_option(decoder->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_INTEL);
}

/* Kernels of 6.18 put a call on a nop of five bytes, which writes below the stack pointer. */
const char *insn_refused(const struct insn *at, const struct insn *next, bool is_entry)
{
	if (at->refused)
		return at->refused;
	if (at->is_nop5 && !is_entry && !(next && next->flow == INSN_RETURN))
		return "it is a five-byte nop before something other than a return: kernels from "
		       "6.18 on may overwrite the function's red zone there";
	return NULL;
}

static bool writes_needed(const struct insn_decoder *decoder,
			  bool (*is_needed)(const char *name, void *context), void *context)
{
	cs_regs read, written;
	uint8_t read_count, written_count;

	if (!decoder->scratch->id || cs_regs_access(decoder->handle, decoder->scratch, read,
						    &read_count, written, &written_count))
		return true;
	for (uint8_t i = 0; i < written_count; i++)
		if (is_needed(cs_reg_name(decoder->handle, written[i]), context))
			return true;
	return false;
}

bool insn_keeps(struct insn_decoder *decoder, const struct insn *insn,
		bool (*is_needed)(const char *name, void *context), void *context, uint32_t *below)
{
	uint32_t word;

	if (insn->flow != INSN_ON || writes_needed(decoder, is_needed, context))
		return false;
	if (decoder->machine == INSN_X86_64)
		return insn_x86_stays(decoder->handle, decoder->scratch, below);
	memcpy(&word, decoder->scratch->bytes, WORD);
	return insn_aarch64_stays(word);
}
