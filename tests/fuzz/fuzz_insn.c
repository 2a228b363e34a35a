/* SPDX-License-Identifier: MIT */
/* A target's code: decoded, walked with its parts, judged site by site. The first byte tells the machine. */
#include <stdio.h>
#include <string.h>

#include "fuzz_input.h"
#include "insn.h"

#define BASE 0x401000ull

static struct insn_code whole;

/* The rest of the code is what a jump may lead to. */
static bool find(uint64_t address, struct insn_code *out, void *context)
{
	const uint8_t *cuts = context;
	uint64_t begin = BASE;

	if (address < BASE || address >= BASE + whole.size)
		return false;
	for (int i = 0; i < 4; i++) {
		uint64_t end = begin + 1 + cuts[i] * 4ull;

		if (i == 3 || end > BASE + whole.size)
			end = BASE + whole.size;
		if (address >= begin && address < end) {
			*out = (struct insn_code){ whole.bytes + (begin - BASE), begin, end - begin,
						   cuts[i] & 1 };
			return true;
		}
		begin = end;
	}
	return false;
}

static bool word(uint64_t address, uint64_t *out, void *context)
{
	(void)context;
	if (address < BASE || whole.size < 8 || address - BASE > whole.size - 8)
		return false;
	memcpy(out, whole.bytes + (address - BASE), 8);
	return true;
}

static void decode_all(enum insn_machine machine)
{
	struct insn_decoder *decoder = insn_decoder_new(machine);
	uint64_t at = 0;

	MUST(decoder);
	while (at < whole.size) {
		struct insn_table table;
		struct insn insn;
		char text[64];

		insn_decode_text(decoder, whole.bytes + at, whole.size - at, BASE + at, text,
				 sizeof(text));
		MUST(fuzz_is_line(text, sizeof(text)));
		if (!insn_decode(decoder, whole.bytes + at, whole.size - at, BASE + at, &insn,
				 &table))
			break;
		MUST(insn.size > 0 && insn.size <= whole.size - at);
		MUST(insn.address == BASE + at);
		at += insn.size;
	}
	insn_decoder_free(decoder);
}

static void judge(const struct insn_code *code, const struct insn_options *options)
{
	struct insn_function out;
	uint64_t wrong = 0;
	enum insn_cost cost;

	if (insn_function(code, options, &out, &wrong))
		return;
	MUST(out.returns_count <= INSN_RETURNS_MAX);
	for (size_t i = 0; i < out.returns_count; i++)
		MUST(out.returns[i].address >= BASE && out.returns[i].address < BASE + whole.size);
	MUST(out.entry.address >= code->address && out.entry.address < code->address + code->size);
	if (options->machine == INSN_HOST)
		for (uint64_t at = 0; at < code->size && at < 16; at++)
			insn_site(code, code->address + at, &cost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t kind = input_byte(&in), cuts[4];
	struct insn_options options = {
		.machine = (enum insn_machine)(kind % 3),
		.needs = { 112, 80, 88, 104 }, /* rdi, rax, rcx, rsi of struct pt_regs */
		.needs_count = kind >> 2 & 3,
		.find = kind & 16 ? find : NULL,
		.word = kind & 32 ? word : NULL,
		.context = cuts,
	};
	struct insn_code first;

	input_bytes(&in, cuts, sizeof(cuts));
	if (!in.size || in.size > 4096)
		return 0;
	whole = (struct insn_code){ in.data, BASE, in.size, false };
	decode_all(options.machine);
	first = whole;
	if (options.find)
		find(BASE, &first, cuts);
	judge(&first, &options);
	return 0;
}
