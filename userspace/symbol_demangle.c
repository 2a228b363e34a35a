/* SPDX-License-Identifier: MIT */
#include "symbol_demangle.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <libiberty/demangle.h>

#include "buffer.h"

#define OPTIONS (DMGL_AUTO | DMGL_PARAMS | DMGL_ANSI)

/* ---- What is written ---- */

/* A name that is being written. */
struct text {
	struct buffer plain;
	bool is_over; /* it is too long, or there is no memory for it */
	jmp_buf too_much;
};

static bool is_ascii(const char *piece, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)piece[i] > 0x7f)
			return false;
	return true;
}

/*
 * A sink cannot end the writing but by a jump. Nothing is lost by that: the demanglers work on the stack,
 * but for an identifier of Rust's in punycode, which is in allocated memory while it is written. Such a one
 * has a letter that is not ASCII's, else it would not be in punycode. So it is left out, and the next piece
 * ends the writing: what doubles has brackets and commas around it.
 */
static void add_piece(const char *piece, size_t size, void *context)
{
	struct text *text = context;

	if (size >= SYMBOL_PLAIN_MAX - text->plain.length)
		text->is_over = true;
	if (!text->is_over)
		buffer_add(&text->plain, piece, size);
	text->is_over |= text->plain.failed;
	if (text->is_over && is_ascii(piece, size))
		longjmp(text->too_much, 1);
}

typedef int demangler(const char *mangled, int options, demangle_callbackref sink, void *context);

/* 1: it is in `text`; 0: it is no name of this kind; -1: there is no plain name of it. */
static int write_plain(struct text *text, demangler *demangler, const char *mangled)
{
	buffer_clear(&text->plain);
	text->is_over = false;
	if (setjmp(text->too_much))
		return -1;
	if (!demangler(mangled, OPTIONS, add_piece, text))
		return 0;
	buffer_add(&text->plain, "", 1);
	return text->is_over || text->plain.failed ? -1 : 1;
}

/* ---- What is much work, though nothing is written meanwhile ---- */

/* Rust: an identifier in punycode is unpacked in a time that grows with the square of its length. */
#define PUNYCODE_MAX 1000

static bool has_long_punycode(const char *mangled)
{
	const char *end = mangled + strlen(mangled);

	for (const char *at = mangled; (at = strchr(at, 'u')); at++) {
		char *behind;
		unsigned long size =
			isdigit((unsigned char)at[1]) ? strtoul(at + 1, &behind, 10) : 0;

		if (size > PUNYCODE_MAX && size <= (unsigned long)(end - behind))
			return true;
	}
	return false;
}

/*
 * Rust: a function's or an object's type says how many lifetimes it is for, which are gone through one by
 * one, also within what is passed over: "FG" or "DG", and a number in base 62 that may be of 64 bits.
 */
#define LIFETIMES_MAX 1000

static bool is_identifier(const char *at)
{
	return isdigit((unsigned char)at[*at == 'u']);
}

static bool has_many_lifetimes(const char *mangled)
{
	size_t sum = 0;

	for (const char *at = mangled + 1; (at = strchr(at, 'G')); at++) {
		size_t digits = 0;

		if (at[-1] != 'F' && at[-1] != 'D')
			continue;
		while (isalnum((unsigned char)at[1 + digits]))
			digits++;
		/* As many as so many digits can say; before an identifier it is none, but what a crate is told by. */
		if (at[1 + digits] == '_' && !is_identifier(at + 2 + digits))
			sum += !digits ? 1 : digits == 1 ? 63 : LIFETIMES_MAX + 1;
		at += digits;
	}
	return sum > LIFETIMES_MAX;
}

/*
 * C++: the arguments of a template that is a parameter, within the name of a conversion operator, are read
 * once to see what follows them, and then again; so are those in them.
 */
#define READ_TWICE_MAX 12

static bool is_read_often(const char *mangled)
{
	size_t count = 0;

	mangled = strstr(mangled, "cv");
	for (; mangled && (mangled = strchr(mangled, 'T')); mangled++) {
		const char *at = mangled + 1;

		while (isdigit((unsigned char)*at) || isupper((unsigned char)*at))
			at++;
		if (at[0] == '_' && at[1] == 'I' && ++count > READ_TWICE_MAX)
			return true;
	}
	return false;
}

/*
 * C++: what is repeated is looked through for the pack that it is repeated by, and each part of it that is
 * referred to as often as that is. And of a parameter that is an empty pack nothing is written, however much
 * has been looked through for it.
 */
#define PARTS_MAX      SYMBOL_PLAIN_MAX
#define SILENT_MAX     1024 /* where there is an empty pack */
#define DEPTH_MAX      2048 /* of which the demangler writes half */
#define REFERENCES_MAX 20   /* where the parts are not known */

/* The parts of a name, which are in one piece of memory. */
struct tree {
	const struct demangle_component *items;
	size_t count;
	uint32_t *sizes; /* of all that is below each, with itself; 0: not known yet */
};

static bool is_leaf(enum demangle_component_type type)
{
	switch (type) {
	case DEMANGLE_COMPONENT_NAME:
	case DEMANGLE_COMPONENT_TEMPLATE_PARAM:
	case DEMANGLE_COMPONENT_FUNCTION_PARAM:
	case DEMANGLE_COMPONENT_SUB_STD:
	case DEMANGLE_COMPONENT_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_EXTENDED_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_OPERATOR:
	case DEMANGLE_COMPONENT_EXTENDED_OPERATOR:
	case DEMANGLE_COMPONENT_CHARACTER:
	case DEMANGLE_COMPONENT_NUMBER:
	case DEMANGLE_COMPONENT_UNNAMED_TYPE:
	case DEMANGLE_COMPONENT_CTOR:
	case DEMANGLE_COMPONENT_DTOR:
	case DEMANGLE_COMPONENT_LAMBDA:
	case DEMANGLE_COMPONENT_DEFAULT_ARG:
		return true;
	default:
		return false;
	}
}

static bool is_arguments(const struct demangle_component *part)
{
	return part->type == DEMANGLE_COMPONENT_TEMPLATE_ARGLIST;
}

/*
 * Packs in packs, which no compiler makes: parameters that are such ones may double with each function that is
 * in another one, and nothing is written where all are empty in the end.
 */
static bool has_pack_in_pack(const struct demangle_component *part)
{
	const struct demangle_component *pack = is_arguments(part) ? part->u.s_binary.left : NULL;

	for (; pack && is_arguments(pack); pack = pack->u.s_binary.right)
		if (pack->u.s_binary.left && is_arguments(pack->u.s_binary.left))
			return true;
	return false;
}

/* Of a leaf: a parameter is looked for among the arguments from the first one on. */
static uint32_t size_of(const struct demangle_component *part)
{
	long number = part->type == DEMANGLE_COMPONENT_TEMPLATE_PARAM ? part->u.s_number.number : 0;

	return number < PARTS_MAX ? 1 + (uint32_t)number : PARTS_MAX;
}

/* Up to PARTS_MAX. One that is within itself is that large, as its size stands at that meanwhile. */
static uint32_t size_below(const struct tree *tree, const struct demangle_component *part,
			   unsigned int depth)
{
	uintptr_t from = (uintptr_t)part - (uintptr_t)tree->items;
	size_t i = from / sizeof(*part);
	uint32_t size;

	/* What later versions may have there is no part. */
	if (!part || from % sizeof(*part) || i >= tree->count)
		return 0;
	if (tree->sizes[i])
		return tree->sizes[i];
	tree->sizes[i] = PARTS_MAX;
	if (depth == DEPTH_MAX || has_pack_in_pack(part))
		return PARTS_MAX;
	size = size_of(part);
	if (!is_leaf(part->type)) {
		size += size_below(tree, part->u.s_binary.left, depth + 1);
		size += size_below(tree, part->u.s_binary.right, depth + 1);
	}
	tree->sizes[i] = size < PARTS_MAX ? size : PARTS_MAX;
	return tree->sizes[i];
}

/* What is repeated or may be an empty pack, and what follows; NULL: nothing is. */
static const char *find_pack(const char *mangled)
{
	static const char *const begins[] = { "Dp", "sp", "sZ", "JE" };

	for (const char *at = mangled; *at; at++)
		for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
			if (!strncmp(at, begins[i], 2))
				return at;
	return NULL;
}

/* "S_", "S1A_": parts that are referred to. Each may double what is below. */
static bool refers_often(const char *mangled)
{
	size_t count = 0;

	while ((mangled = strchr(mangled, 'S'))) {
		mangled++;
		while (isdigit((unsigned char)*mangled) || isupper((unsigned char)*mangled))
			mangled++;
		if (*mangled == '_' && ++count > REFERENCES_MAX)
			return true;
	}
	return false;
}

static bool is_large(const char *mangled)
{
	const char *pack = find_pack(mangled);
	bool is_silent = pack && strstr(pack, "JE");
	struct demangle_component *root;
	void *memory = NULL;
	struct tree tree;
	bool large;

	if (!pack)
		return false;
	/* "_GLOBAL__I_": what initializes a file, by the name of something in it. */
	if (!strncmp(mangled, "_GLOBAL_", 8) && pack > mangled + 11)
		mangled += 11;
	root = cplus_demangle_v3_components(mangled, OPTIONS, &memory);
	/* It is none, or as older compilers had them, which only the callback's demangler knows. */
	if (!root)
		return is_silent || refers_often(pack);
	tree.items = memory;
	tree.count = 2 * strlen(mangled);
	tree.sizes = calloc(tree.count, sizeof(*tree.sizes));
	large = !tree.sizes || size_below(&tree, root, 0) >= (is_silent ? SILENT_MAX : PARTS_MAX);
	free(tree.sizes);
	free(memory);
	return large;
}

/* ---- A name ---- */

/* As cplus_demangle() has it: Rust's of the older kind look like C++'s. */
static int write_any(struct text *text, const char *mangled)
{
	int done;

	if (!strncmp(mangled, "_R", 2) &&
	    (has_long_punycode(mangled) || has_many_lifetimes(mangled)))
		return -1;
	done = write_plain(text, rust_demangle_callback, mangled);
	if (done || is_read_often(mangled) || is_large(mangled))
		return done;
	return write_plain(text, cplus_demangle_v3_callback, mangled);
}

char *symbol_demangle(const char *mangled)
{
	struct text text = { .is_over = false };

	if (strlen(mangled) > SYMBOL_MANGLED_MAX)
		return NULL;
	if (write_any(&text, mangled) == 1)
		return text.plain.data;
	buffer_free(&text.plain);
	return NULL;
}
