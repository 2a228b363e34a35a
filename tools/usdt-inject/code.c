/* SPDX-License-Identifier: MIT */
#include "code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "symbol_suffix.h"

const char *code_name(const struct function *function, char *out, size_t size)
{
	if (function->name)
		snprintf(out, size, "%.100s", function->name);
	else
		snprintf(out, size, "0x%llx", (unsigned long long)function->start);
	return out;
}

int code_open(struct code *code, const struct image *image, struct why *why)
{
	memset(code, 0, sizeof(*code));
	code->image = image;
	code->decoder = insn_decoder_new(image->header.e_machine == EM_AARCH64 ? INSN_AARCH64
									       : INSN_X86_64);
	if (!code->decoder)
		return errno == ENOTSUP ? refuse(why, "can't be read: capstone here was built "
						      "without this machine")
					: refuse_memory(why);
	return functions_load(&code->functions, image, why);
}

void code_close(struct code *code)
{
	functions_free(&code->functions);
	insn_decoder_free(code->decoder);
	code->decoder = NULL;
}

/* The function's bytes, all in one loaded part; false: they are not. */
static bool find_code(const struct image *image, const struct function *function,
		      struct insn_code *out)
{
	const Elf64_Phdr *segment = image_segment(image, function->start, PF_X);
	uint64_t size = function->end - function->start;

	if (!segment || !size || size > segment->p_filesz - (function->start - segment->p_vaddr))
		return false;
	*out = (struct insn_code){
		.bytes = image->bytes + segment->p_offset + (function->start - segment->p_vaddr),
		.address = function->start,
		.size = size,
		.cold = function->name && symbol_kind(function->name, NULL) == SYMBOL_COLD,
	};
	return true;
}

static bool find(uint64_t address, struct insn_code *out, void *context)
{
	const struct code *code = context;
	const struct function *function = functions_at(&code->functions, address);

	return function && address < function->end && find_code(code->image, function, out);
}

/* Of data that ends within it, what there is. */
static bool word(uint64_t address, uint64_t *out, void *context)
{
	const struct code *code = context;
	const Elf64_Phdr *segment = image_segment(code->image, address, PF_R);
	uint64_t left = segment ? segment->p_filesz - (address - segment->p_vaddr) : 0;

	*out = 0;
	if (left < sizeof(uint32_t))
		return false;
	memcpy(out, code->image->bytes + segment->p_offset + (address - segment->p_vaddr),
	       left < sizeof(*out) ? sizeof(uint32_t) : sizeof(*out));
	return true;
}

static int refuse_walk(int err, uint64_t wrong, const struct function *function, struct why *why)
{
	char name[128];

	code_name(function, name, sizeof(name));
	switch (err) {
	case -EBADMSG:
		return refuse(why, "can't be decoded at 0x%llx, in function '%s'",
			      (unsigned long long)wrong, name);
	case -EILSEQ:
		return refuse(why,
			      "has a jump at 0x%llx into the middle of an instruction, in "
			      "function '%s': where its instructions begin can't be told",
			      (unsigned long long)wrong, name);
	case -EFBIG:
		return refuse(why, "has a function '%s' of more than %u MiB", name,
			      INSN_CODE_MAX >> 20);
	case -E2BIG:
		return refuse(why,
			      "has a function '%s' that jumps to more than %u MiB of other "
			      "functions",
			      name, INSN_WORK_MAX >> 20);
	default:
		return refuse_memory(why);
	}
}

static int need_code(const struct code *code, const struct function *function,
		     struct insn_code *out, struct why *why)
{
	char name[128];

	code_name(function, name, sizeof(name));
	if (find_code(code->image, function, out))
		return 0;
	if (function->end == function->start)
		return refuse(why,
			      "does not say how long function '%s' is, so its instructions can't "
			      "be told",
			      name);
	return refuse(why,
		      "has function '%s' where no code is loaded: it is damaged, or only debug "
		      "information",
		      name);
}

int code_walk(struct code *code, const struct function *function, struct insn_walk *out,
	      struct why *why)
{
	struct insn_code bytes;
	uint64_t wrong;
	int err = need_code(code, function, &bytes, why);

	if (err)
		return err;
	err = insn_walk_read(out, code->decoder, &bytes, &wrong);
	return err ? refuse_walk(err, wrong, function, why) : 0;
}

int code_parts(struct code *code, const struct function *function, struct insn_parts *out,
	       struct why *why)
{
	const struct insn_lookup lookup = { .find = find, .word = word, .context = code };
	struct insn_code bytes;
	uint64_t wrong;
	int err = need_code(code, function, &bytes, why);

	if (err)
		return err;
	err = insn_parts_read(out, code->decoder, &bytes, &lookup, &wrong);
	return err ? refuse_walk(err, wrong, function, why) : 0;
}
