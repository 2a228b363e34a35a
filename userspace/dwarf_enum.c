/* SPDX-License-Identifier: MIT */
#include "dwarf_enum.h"

#include <dwarf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf_internal.h"
#include "recipe_value.h"

/* What a compiler makes is far below: bounds on work. */
#define ENUMS_MAX   8 /* in each other */
#define PEELS_MAX   16
#define DEPTH_MAX   32     /* of entries that are passed over */
#define ENTRIES_MAX 200000 /* for one function, those that are passed over as well */
#define CLAIMS_MAX  4096   /* before those that mean the same are put together */

/* Up to this size the Rust calling convention returns in registers, above it in the caller's memory. */
#define IN_REGISTERS_MAX 16

/* ---- Enums ---- */

/* Values of the discriminant. */
struct values {
	bool rest; /* all that no other variant has */
	uint64_t low, high;
};

/* A type that is being read. */
struct reading {
	const struct dwarf_enum_names *names;
	bool placed;
	uint64_t offset;
	uint64_t width;
	struct pb_range *claims;
	size_t claims_count, claims_room;
	int rest; /* what all other values mean, -1: nothing */
	uint32_t met;
	size_t entries; /* that have been looked at */
	int err;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 3, 4))) static int fail(struct reading *r, int err,
						      const char *format, ...)
{
	va_list args;

	if (r->err)
		return r->err;
	r->err = err;
	va_start(args, format);
	vsnprintf(r->why, r->why_size, format, args);
	va_end(args);
	return err;
}

static const char *name_of(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "";
}

static bool number_of(Dwarf_Die *die, unsigned int which, uint64_t *out)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;

	if (!dwarf_attr(die, which, &attribute) || dwarf_formudata(&attribute, &word))
		return false;
	*out = word;
	return true;
}

/* What is behind typedefs and qualifiers. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Attribute attribute;

	if (!dwarf_attr_integrate(die, DW_AT_type, &attribute) ||
	    !dwarf_formref_die(&attribute, out))
		return false;
	for (int i = 0; i < PEELS_MAX; i++) {
		int tag = dwarf_tag(out);

		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type &&
		    tag != DW_TAG_volatile_type)
			return true;
		if (!dwarf_attr(out, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, out))
			return false;
	}
	return false;
}

static bool count(struct reading *r)
{
	if (r->entries++ < ENTRIES_MAX)
		return true;
	fail(r, -E2BIG, "what it returns has more than %d entries in its debug information",
	     ENTRIES_MAX);
	return false;
}

/* The next sibling. Only forwards: a hostile file may say otherwise, and for ever. */
static bool next_sibling(Dwarf_Die *die)
{
	Dwarf_Off before = dwarf_dieoffset(die);
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) || dwarf_dieoffset(&next) <= before)
		return false;
	*die = next;
	return true;
}

/*
 * What is within an entry that does not say where the next one is, which is found by passing over it. From
 * below, so that what is passed over has been counted before.
 */
static bool count_within(struct reading *r, const Dwarf_Die *entry, unsigned int depth)
{
	Dwarf_Die die = *entry;

	if (!count(r))
		return false;
	if (dwarf_hasattr(&die, DW_AT_sibling) || dwarf_child(&die, &die))
		return true;
	if (depth == DEPTH_MAX) {
		fail(r, -E2BIG, "what it returns is nested too deep in its debug information");
		return false;
	}
	do {
		if (!count_within(r, &die, depth + 1))
			return false;
	} while (next_sibling(&die));
	return true;
}

/* One type may be within many others, and they in more. */
static bool next_of(struct reading *r, Dwarf_Die *die)
{
	return count_within(r, die, 0) && next_sibling(die);
}

static bool first_of(struct reading *r, Dwarf_Die *parent, int tag, Dwarf_Die *out)
{
	if (!count(r) || dwarf_child(parent, out))
		return false;
	while (dwarf_tag(out) != tag)
		if (!next_of(r, out))
			return false;
	return true;
}

static uint64_t mask_of(const struct reading *r)
{
	return r->width >= 8 ? UINT64_MAX : (1ull << 8 * r->width) - 1;
}

/* There is one place only. */
static int place(struct reading *r, const char *type, uint64_t offset, uint64_t width)
{
	if (width != 1 && width != 2 && width != 4 && width != 8)
		return fail(r, -EINVAL, "the variants of %s are told apart by %llu bytes", type,
			    (unsigned long long)width);
	if (r->placed && (r->offset != offset || r->width != width))
		return fail(
			r, -EINVAL,
			"the variants of %s are told apart at another place than those it is in "
			"(byte %llu, not %llu): two values cannot be compared",
			type, (unsigned long long)offset, (unsigned long long)r->offset);
	if (offset > INT32_MAX)
		return fail(r, -EBADMSG, "%s is too large", type);
	r->placed = true;
	r->offset = offset;
	r->width = width;
	return 0;
}

/* Mostly they are in their order. */
static bool extends_last(struct reading *r, const struct pb_range *range)
{
	struct pb_range *last = r->claims_count ? &r->claims[r->claims_count - 1] : NULL;

	if (!last || last->outcome != range->outcome || range->low <= last->high ||
	    range->low - last->high != 1)
		return false;
	last->high = range->high;
	return true;
}

static int claim(struct reading *r, const char *variant, struct values v, int outcome)
{
	struct pb_range range = { .low = v.low, .high = v.high, .outcome = (uint32_t)outcome };

	r->met |= 1u << outcome;
	if (v.rest) {
		if (r->rest >= 0 && r->rest != outcome)
			return fail(r, -EBADMSG, "%s has the values that another variant has",
				    variant);
		r->rest = outcome;
		return 0;
	}
	for (size_t i = 0; i < r->claims_count; i++)
		if (range.low <= r->claims[i].high && range.high >= r->claims[i].low &&
		    r->claims[i].outcome != range.outcome)
			return fail(r, -EBADMSG, "%s has a value that another variant has",
				    variant);
	if (extends_last(r, &range))
		return 0;
	if (r->claims_count == CLAIMS_MAX)
		return fail(r, -EINVAL, "it has more than %d ranges of values", CLAIMS_MAX);
	if (!dwarf_internal_add((void **)&r->claims, &r->claims_count, &r->claims_room, &range,
				sizeof(range)))
		return fail(r, -ENOMEM, "out of memory");
	return 0;
}

static int read_enum(struct reading *r, Dwarf_Die *type, uint64_t at, struct values v,
		     unsigned int depth);

static bool is_enum(struct reading *r, Dwarf_Die *type)
{
	Dwarf_Die part;

	return dwarf_tag(type) == DW_TAG_enumeration_type ||
	       (dwarf_tag(type) == DW_TAG_structure_type &&
		first_of(r, type, DW_TAG_variant_part, &part));
}

/* The enum that is all of a variant's payload, as in Err(E); false: none is. */
static bool payload_of(struct reading *r, Dwarf_Die *variant, Dwarf_Die *out, uint64_t *at)
{
	Dwarf_Die type, member, next;
	uint64_t offset;

	if (!type_of(variant, &type) || dwarf_tag(&type) != DW_TAG_structure_type ||
	    !first_of(r, &type, DW_TAG_member, &member) ||
	    !number_of(&member, DW_AT_data_member_location, &offset))
		return false;
	next = member;
	while (next_of(r, &next))
		if (dwarf_tag(&next) == DW_TAG_member)
			return false;
	*at += offset;
	return type_of(&member, out) && is_enum(r, out);
}

/* What a variant means that has these values: by its name, or by the names of what is in it. */
static int settle(struct reading *r, Dwarf_Die *member, uint64_t at, struct values v,
		  unsigned int depth)
{
	const char *name = name_of(member);
	int outcome = r->names->means(name, r->names->context);
	uint64_t offset = 0;
	Dwarf_Die inner;

	if (outcome >= 0)
		return claim(r, name, v, outcome);
	if (number_of(member, DW_AT_data_member_location, &offset))
		at += offset;
	if (payload_of(r, member, &inner, &at))
		return read_enum(r, &inner, at, v, depth + 1);
	if (r->names->unnamed >= 0)
		return claim(r, name, v, r->names->unnamed);
	return fail(r, -EINVAL, "the recipe does not say what the variant %s means", name);
}

/* One number of a DW_AT_discr_list, LEB128; false: it does not end. */
static bool take_leb(const uint8_t **at, const uint8_t *end, bool is_signed, uint64_t *out)
{
	unsigned int shift = 0;
	uint8_t byte;

	*out = 0;
	do {
		if (*at == end || shift > 63)
			return false;
		byte = *(*at)++;
		*out |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (is_signed && shift < 64 && byte & 0x40)
		*out |= UINT64_MAX << shift;
	return true;
}

static int settle_list(struct reading *r, Dwarf_Die *member, Dwarf_Attribute *list, uint64_t at,
		       bool is_signed, unsigned int depth)
{
	const uint8_t *here, *end;
	Dwarf_Block block;

	if (dwarf_formblock(list, &block) || !block.length)
		return fail(r, -EBADMSG, "the values of %s cannot be read", name_of(member));
	here = block.data;
	end = here + block.length;
	while (here < end) {
		struct values v = { 0 };
		uint8_t kind = *here++;
		bool good = kind <= DW_DSC_range && take_leb(&here, end, is_signed, &v.low);

		v.high = v.low;
		if (!good || (kind == DW_DSC_range && !take_leb(&here, end, is_signed, &v.high)))
			return fail(r, -EBADMSG, "the values of %s cannot be read",
				    name_of(member));
		v.low &= mask_of(r);
		v.high &= mask_of(r);
		if (v.low > v.high)
			return fail(r, -EINVAL, "the values of %s go from below 0 to above",
				    name_of(member));
		if (!count(r) || settle(r, member, at, v, depth))
			return r->err;
	}
	return 0;
}

/* Has DW_AT_discr_value or DW_AT_discr_list, or is the one that has all other values. */
static int read_variant(struct reading *r, Dwarf_Die *variant, uint64_t at, bool is_signed,
			bool rest, unsigned int depth)
{
	Dwarf_Attribute list;
	struct values v = { 0 };
	bool listed = dwarf_attr(variant, DW_AT_discr_list, &list);
	bool single = number_of(variant, DW_AT_discr_value, &v.low);
	Dwarf_Die member;

	if (rest == (listed || single))
		return 0;
	if (!first_of(r, variant, DW_TAG_member, &member))
		return fail(r, -EBADMSG, "a variant has no name");
	if (listed && !single)
		return settle_list(r, &member, &list, at, is_signed, depth);
	v.rest = rest;
	v.low &= mask_of(r);
	v.high = v.low;
	return settle(r, &member, at, v, depth);
}

/* Where it is; false: there is none, as with a single variant. */
static bool discriminant_of(Dwarf_Die *part, Dwarf_Die *member)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(part, DW_AT_discr, &attribute) && dwarf_formref_die(&attribute, member);
}

static int place_discriminant(struct reading *r, const char *type, Dwarf_Die *member, uint64_t at,
			      bool *is_signed)
{
	uint64_t offset, width, encoding = 0;
	Dwarf_Die base;

	if (!number_of(member, DW_AT_data_member_location, &offset) || !type_of(member, &base) ||
	    !number_of(&base, DW_AT_byte_size, &width))
		return fail(r, -EBADMSG, "where %s has its discriminant cannot be read", type);
	number_of(&base, DW_AT_encoding, &encoding);
	*is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
	return place(r, type, at + offset, width);
}

static int read_part(struct reading *r, Dwarf_Die *type, Dwarf_Die *part, uint64_t at,
		     struct values v, unsigned int depth)
{
	bool is_signed = false, told;
	Dwarf_Die member, first, die;
	int rests = 0;

	told = discriminant_of(part, &member);
	if (told && !v.rest)
		return fail(r, -EINVAL,
			    "the variants of %s are told apart by a second value, within one of "
			    "another enum",
			    name_of(type));
	if (told && place_discriminant(r, name_of(type), &member, at, &is_signed))
		return r->err;
	if (!first_of(r, part, DW_TAG_variant, &first))
		return fail(r, -EINVAL, "%s has no variants", name_of(type));
	/* Values first, so that what is left is what the last one has. */
	for (int rest = 0; rest < 2; rest++) {
		die = first;
		do {
			if (dwarf_tag(&die) != DW_TAG_variant)
				continue;
			rests += rest && !dwarf_hasattr(&die, DW_AT_discr_value) &&
				 !dwarf_hasattr(&die, DW_AT_discr_list);
			if (told)
				read_variant(r, &die, at, is_signed, rest, depth);
			else if (rest && first_of(r, &die, DW_TAG_member, &member))
				settle(r, &member, at, v, depth);
		} while (!r->err && next_of(r, &die));
	}
	if (rests > 1)
		return fail(r, -EBADMSG, "nothing tells the variants of %s apart", name_of(type));
	return r->err;
}

static int read_enumeration(struct reading *r, Dwarf_Die *type, uint64_t at, struct values v)
{
	uint64_t width;
	Dwarf_Die die;

	if (!v.rest)
		return fail(r, -EINVAL,
			    "the variants of %s are told apart by a second value, within one of "
			    "another enum",
			    name_of(type));
	if (!number_of(type, DW_AT_byte_size, &width) ||
	    !first_of(r, type, DW_TAG_enumerator, &die))
		return fail(r, -EINVAL, "%s is an enum without values", name_of(type));
	if (place(r, name_of(type), at, width))
		return r->err;
	do {
		int outcome = r->names->means(name_of(&die), r->names->context);
		struct values value = { 0 };

		if (dwarf_tag(&die) != DW_TAG_enumerator)
			continue;
		outcome = outcome >= 0 ? outcome : r->names->unnamed;
		if (outcome < 0)
			return fail(r, -EINVAL, "the recipe does not say what the variant %s means",
				    name_of(&die));
		if (!number_of(&die, DW_AT_const_value, &value.low))
			return fail(r, -EBADMSG, "the value of %s cannot be read", name_of(&die));
		value.low &= mask_of(r);
		value.high = value.low;
		claim(r, name_of(&die), value, outcome);
	} while (!r->err && next_of(r, &die));
	return r->err;
}

/* `v`: the values of the discriminant with which it is there. */
static int read_enum(struct reading *r, Dwarf_Die *type, uint64_t at, struct values v,
		     unsigned int depth)
{
	Dwarf_Die part;

	if (depth > ENUMS_MAX)
		return fail(r, -EINVAL, "enums are nested too deep");
	if (dwarf_tag(type) == DW_TAG_enumeration_type)
		return read_enumeration(r, type, at, v);
	if (dwarf_tag(type) != DW_TAG_structure_type ||
	    !first_of(r, type, DW_TAG_variant_part, &part))
		return fail(r, -EINVAL, "what it returns (%s) is no enum", name_of(type));
	return read_part(r, type, &part, at, v, depth);
}

/* ---- Results ---- */

static int by_value(const void *a, const void *b)
{
	const struct pb_range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

/* Neighbours that mean the same are one; what all others mean as well is left out. */
static int write_ranges(struct reading *r, struct dwarf_enum_result *out)
{
	uint32_t *count = &out->ranges_count;

	out->otherwise = r->rest >= 0 ? (uint32_t)r->rest : PB_OUTCOME_UNKNOWN;
	if (r->claims_count)
		qsort(r->claims, r->claims_count, sizeof(*r->claims), by_value);
	for (size_t i = 0; i < r->claims_count; i++) {
		const struct pb_range *range = &r->claims[i];
		struct pb_range *last = *count ? &out->ranges[*count - 1] : NULL;

		if (range->outcome == out->otherwise)
			continue;
		if (last && last->outcome == range->outcome &&
		    (range->low <= last->high || range->low - last->high == 1)) {
			if (range->high > last->high)
				last->high = range->high;
			continue;
		}
		if (*count == PB_MAX_RANGES)
			return fail(r, -EINVAL, "it has more than %d ranges of values",
				    PB_MAX_RANGES);
		out->ranges[(*count)++] = *range;
	}
	out->met = r->met;
	return 0;
}

/* By the calling convention: in the caller's memory, or in registers, of which only the first is sure. */
static int write_source(struct reading *r, Dwarf_Die *type, struct dwarf_enum_result *out)
{
	struct recipe_value value = { .place = RECIPE_RETURN, .width = (uint8_t)r->width };
	uint64_t size, alignment = 0;

	if (!number_of(type, DW_AT_byte_size, &size))
		return fail(r, -EBADMSG, "how large %s is cannot be read", name_of(type));
	number_of(type, DW_AT_alignment, &alignment);
	if (!r->placed || r->offset > size || r->width > size - r->offset)
		return fail(r, -EINVAL, "nothing tells the variants of %s apart", name_of(type));
	value.memory = size > IN_REGISTERS_MAX;
	/* Where it points is an argument of its own. Functions that are not exported need not return it. */
	if (value.memory) {
		value.place = RECIPE_ARGUMENT;
		value.number = 1;
	}
	if (!value.memory && r->offset)
		return fail(r, -EINVAL,
			    "%s is returned in registers, and which has its discriminant (byte "
			    "%llu) is not said",
			    name_of(type), (unsigned long long)r->offset);
	if (value.memory && alignment > 8)
		return fail(r, -EINVAL,
			    "%s has 16-byte numbers in it: whether it is returned in registers is "
			    "not said",
			    name_of(type));
	value.offset = value.memory ? (int64_t)r->offset : 0;
	recipe_value_bind(&value, NULL, &out->source);
	return 0;
}

static int read_function(struct reading *r, Dwarf_Die *function, struct dwarf_enum_result *out)
{
	struct values all = { .rest = true };
	Dwarf_Die type;

	if (!type_of(function, &type))
		return fail(r, -ENODATA,
			    "its debug information does not say what the function returns: build "
			    "with debug = 2");
	if (read_enum(r, &type, 0, all, 0) || write_source(r, &type, out))
		return r->err;
	return write_ranges(r, out);
}

/* Member by member: what lies between them and the end is anything. */
static bool is_same(const struct dwarf_enum_result *a, const struct dwarf_enum_result *b)
{
	return !memcmp(&a->source, &b->source, sizeof(a->source)) &&
	       !memcmp(a->ranges, b->ranges, sizeof(a->ranges)) &&
	       a->ranges_count == b->ranges_count && a->otherwise == b->otherwise &&
	       a->met == b->met;
}

/* The compiler makes one of functions that are alike: all of them have to agree. */
int dwarf_enums_find(struct dwarf_enums *d, uint64_t function, const struct dwarf_enum_names *names,
		     struct dwarf_enum_result *out, char *why, size_t why_size)
{
	struct reading r = { .names = names, .why = why, .why_size = why_size };
	int err = dwarf_internal_look(d, function);
	bool found = false;

	if (err)
		return fail(&r, err, "%s", dwarf_internal_why(err));
	for (size_t i = 0; !r.err && i < d->functions_count; i++) {
		struct dwarf_enum_result one = { 0 };
		Dwarf_Die die;

		if (d->functions[i].address != function ||
		    !dwarf_offdie(d->dwarf, d->functions[i].die, &die))
			continue;
		r.placed = false;
		r.claims_count = 0;
		r.rest = -1;
		r.met = 0;
		if (!read_function(&r, &die, &one) && found && !is_same(&one, out))
			fail(&r, -EINVAL, "two functions are there that return unlike results");
		found = true;
		*out = one;
	}
	free(r.claims);
	if (!found && !r.err)
		fail(&r, -ENODATA, "its debug information does not know the function%s",
		     d->split ? ": it is in files of its own (split)" : "");
	return r.err;
}
