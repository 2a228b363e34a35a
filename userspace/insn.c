/* SPDX-License-Identifier: MIT */
#include "insn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recipe_value.h"

/* ---- The entry ---- */

static bool is_needed(const char *reg, void *context)
{
	const struct insn_options *options = context;
	int at = recipe_register_at(reg);

	for (size_t i = 0; i < options->needs_count; i++)
		if ((int)options->needs[i] == at)
			return true;
	return false;
}

/* The lowest address that something jumps to behind the function's beginning. */
static uint64_t first_target(const struct insn_parts *parts)
{
	uint64_t begin = parts->items[0].code.address, first = UINT64_MAX;

	for (size_t i = 0; i < parts->count; i++)
		for (size_t k = 0; k < parts->items[i].count; k++) {
			const struct insn *one = &parts->items[i].items[k];

			if (one->flow == INSN_JUMP && one->target > begin && one->target < first &&
			    insn_walk_has(&parts->items[0], one->target))
				first = one->target;
		}
	return first;
}

/* The first instruction, or a cheaper one soon after it, where all is as it was. */
static void choose_entry(const struct insn_parts *parts, struct insn_decoder *decoder,
			 const struct insn_options *options, struct insn_site *entry)
{
	const struct insn_walk *walk = &parts->items[0];
	uint64_t first = first_target(parts);
	uint32_t below = 0;
	struct insn one;

	*entry = (struct insn_site){ .address = walk->code.address, .cost = INSN_STEPPED };
	for (size_t i = 0; i < walk->count; i++) {
		uint64_t at = walk->items[i].address;
		size_t from = (size_t)(at - walk->code.address);

		/* Something jumps to here, or to before here: this is no entry only. */
		if (at >= first)
			return;
		if (walk->items[i].cost == INSN_EMULATED && !walk->items[i].refused) {
			*entry = (struct insn_site){ .address = at,
						     .cost = INSN_EMULATED,
						     .below = below };
			return;
		}
		insn_decode(decoder, walk->code.bytes + from, (size_t)walk->code.size - from, at,
			    &one, NULL);
		if (!insn_keeps(decoder, &one, is_needed, (void *)options, &below))
			return;
	}
}

/* ---- The end ---- */

static void add_return(struct insn_function *out, const struct insn *at)
{
	if (out->returns_count == INSN_RETURNS_MAX)
		out->too_many = true;
	else
		out->returns[out->returns_count++] =
			(struct insn_site){ .address = at->address, .cost = at->cost };
}

/* One that is known is told before one by a register, that may be anything. */
static void find_ends(const struct insn_parts *parts, struct insn_function *out)
{
	uint64_t anywhere = 0;

	for (size_t i = 0; i < parts->count; i++)
		for (size_t k = 0; k < parts->items[i].count; k++) {
			const struct insn *one = &parts->items[i].items[k];

			if (one->flow == INSN_RETURN)
				add_return(out, one);
			else if (one->flow == INSN_JUMP && !out->tail_call &&
				 !insn_parts_have(parts, one->target))
				out->tail_call = one->target;
			else if (one->flow == INSN_INDIRECT && !anywhere)
				anywhere = one->address;
		}
	if (!out->tail_call)
		out->tail_call = anywhere;
}

/* One of those that are to be probed and that the kernel refuses, maybe only as it is mapped; 0: none. */
static uint64_t find_refused(const struct insn_parts *parts, const struct insn_site *entry)
{
	const struct insn *first = insn_walk_at(&parts->items[0], entry->address);

	if (first && insn_walk_refused(&parts->items[0], first))
		return first->address;
	for (size_t i = 0; i < parts->count; i++)
		for (size_t k = 0; k < parts->items[i].count; k++)
			if (parts->items[i].items[k].flow == INSN_RETURN &&
			    parts->items[i].items[k].refused)
				return parts->items[i].items[k].address;
	return 0;
}

int insn_function(const struct insn_code *code, const struct insn_options *options,
		  struct insn_function *out, uint64_t *wrong)
{
	const struct insn_lookup lookup = { .find = options->find,
					    .load = options->load,
					    .word = options->word,
					    .context = options->context,
					    .work_left = options->work_left };
	struct insn_decoder *decoder;
	struct insn_parts parts;
	uint64_t refused = 0;
	int err;

	memset(out, 0, sizeof(*out));
	*wrong = code->address;
	decoder = insn_decoder_new(options->machine);
	if (!decoder)
		return -errno;
	err = insn_parts_read(&parts, decoder, code, &lookup, wrong);
	if (!err) {
		choose_entry(&parts, decoder, options, &out->entry);
		find_ends(&parts, out);
		refused = find_refused(&parts, &out->entry);
		insn_parts_free(&parts);
	}
	insn_decoder_free(decoder);
	if (refused) {
		*wrong = refused;
		return -EACCES;
	}
	return err == -EILSEQ ? -EBADMSG : err;
}

/* ---- One instruction ---- */

/* Decodes up to `at`, and what follows it. */
static const char *look_at(struct insn_decoder *decoder, const struct insn_code *code, uint64_t at,
			   enum insn_cost *cost)
{
	uint64_t from = 0, wanted = at - code->address;
	bool is_landing = false, is_entry = true, is_last;
	struct insn one, next;

	for (;; from += one.size) {
		if (!insn_decode(decoder, code->bytes + from, (size_t)(code->size - from),
				 code->address + from, &one, NULL))
			return "what is before it cannot be decoded";
		if (from == wanted)
			break;
		if (from + one.size > wanted)
			return "it is in the middle of an instruction";
		is_landing = from == 0 && one.is_landing;
		is_entry = is_landing;
	}
	*cost = one.cost;
	from += one.size;
	is_last = from >= code->size ||
		  !insn_decode(decoder, code->bytes + from, (size_t)(code->size - from),
			       code->address + from, &next, NULL);
	return insn_refused(&one, is_last ? NULL : &next, is_entry);
}

const char *insn_site(const struct insn_code *code, uint64_t at, enum insn_cost *cost)
{
	struct insn_decoder *decoder;
	const char *why;

	if (at - code->address >= code->size)
		return "it is not in the function";
	decoder = insn_decoder_new(INSN_HOST);
	if (!decoder)
		return errno == ENOTSUP ? "instructions of this machine are not decoded: name a "
					  "USDT probe"
					: "out of memory";
	why = look_at(decoder, code, at, cost);
	insn_decoder_free(decoder);
	return why;
}

void insn_text(const uint8_t *bytes, size_t size, uint64_t address, char *out, size_t out_size)
{
	struct insn_decoder *decoder = insn_decoder_new(INSN_HOST);

	snprintf(out, out_size, "?");
	if (decoder)
		insn_decode_text(decoder, bytes, size, address, out, out_size);
	insn_decoder_free(decoder);
}
