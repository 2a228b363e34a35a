/* SPDX-License-Identifier: MIT */
#include "functions.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "symbol_suffix.h"

#define MANGLED_MAX 4096

static int add(struct functions *functions, struct function function)
{
	if (functions->count == functions->room) {
		size_t room = functions->room ? 2 * functions->room : 256;
		void *items = reallocarray(functions->items, room, sizeof(struct function));

		if (!items)
			return -ENOMEM;
		functions->items = items;
		functions->room = room;
	}
	functions->items[functions->count++] = function;
	return 0;
}

static int add_frame(void *ctx, struct frame frame)
{
	return add(ctx, (struct function){ .start = frame.start, .end = frame.end });
}

static int add_symbol(struct functions *functions, const struct image *image,
		      const Elf64_Sym *symbol, const char *name)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_value + symbol->st_size < symbol->st_value ||
	    !image_segment(image, symbol->st_value, PF_X))
		return 0;
	return add(functions, (struct function){
				      .start = symbol->st_value,
				      .end = symbol->st_value + symbol->st_size,
				      .name = name,
				      .is_indirect = type == STT_GNU_IFUNC,
			      });
}

static int add_symbols(struct functions *functions, const struct image *image,
		       const Elf64_Shdr *table)
{
	const uint8_t *symbols = image_content(image, table);
	const Elf64_Shdr *strings;
	const char *names;
	int err = 0;

	if (table->sh_link == 0 || table->sh_link >= image->sections_count || !symbols)
		return 0;
	strings = &image->sections[table->sh_link];
	names = (const char *)image_content(image, strings);
	if (!names || strings->sh_size == 0 || names[strings->sh_size - 1] != '\0')
		return 0;
	for (size_t i = 0; !err && i < table->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym symbol;

		memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
		if (symbol.st_name < strings->sh_size)
			err = add_symbol(functions, image, &symbol, names + symbol.st_name);
	}
	return err;
}

static int compare(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (!a->name != !b->name)
		return a->name ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return a->name ? strcmp(a->name, b->name) : 0;
}

/* What is in .symtab and .dynsym, once. */
static void drop_duplicates(struct functions *functions)
{
	size_t kept = 0;

	for (size_t i = 0; i < functions->count; i++)
		if (!kept || compare(&functions->items[kept - 1], &functions->items[i]) != 0)
			functions->items[kept++] = functions->items[i];
	functions->count = kept;
}

/* A symbol without a size has that of the unwind information. */
static void complete_sizes(struct functions *functions)
{
	for (size_t i = functions->count; i-- > 1;) {
		const struct function *next = &functions->items[i];
		struct function *one = &functions->items[i - 1];

		if (one->end == one->start && next->start == one->start)
			one->end = next->end;
	}
}

int functions_load(struct functions *functions, const struct image *image, struct why *why)
{
	int err = 0;

	memset(functions, 0, sizeof(*functions));
	for (size_t i = 1; !err && i < image->sections_count; i++)
		if (image->sections[i].sh_type == SHT_SYMTAB ||
		    image->sections[i].sh_type == SHT_DYNSYM)
			err = add_symbols(functions, image, &image->sections[i]);
	err = err ? err : frames_each(image, add_frame, functions);
	if (err) {
		functions_free(functions);
		return refuse_memory(why);
	}
	if (functions->count)
		qsort(functions->items, functions->count, sizeof(struct function), compare);
	drop_duplicates(functions);
	complete_sizes(functions);
	return 0;
}

void functions_free(struct functions *functions)
{
	free(functions->items);
	memset(functions, 0, sizeof(*functions));
}

bool functions_number(const char *text, uint64_t *number)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	char *end;

	if (!*digits ||
	    strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*number = strtoull(digits, &end, hex ? 16 : 10);
	return !errno;
}

/* The name up to its version: write@@GLIBC_2.2.5. */
static bool is_called(const struct function *function, const char *name)
{
	size_t length = strlen(name);

	return function->name && strncmp(function->name, name, length) == 0 &&
	       (function->name[length] == '\0' || function->name[length] == '@');
}

/* In C++ and Rust, with its parameters or without. */
static bool is_demangled(const char *symbol, const char *name)
{
	static const int styles[] = { DMGL_ANSI | DMGL_PARAMS, DMGL_ANSI };
	bool same = false;

	/* _Z: C++ and Rust up to 1.8x's default; _R: Rust's own. */
	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R'))
		return false;
	for (size_t i = 0; !same && i < sizeof(styles) / sizeof(*styles); i++) {
		char *plain = cplus_demangle(symbol, styles[i] | DMGL_AUTO);

		same = plain && strcmp(plain, name) == 0;
		free(plain);
	}
	return same;
}

/* Without what the compiler has put behind it, which demanglers print or drop. */
static bool is_stem(const struct function *function, size_t length, const char *name)
{
	char *stem;
	bool same;

	if (length > MANGLED_MAX)
		return false;
	stem = strndup(function->name, length);
	same = stem && (strcmp(stem, name) == 0 || is_demangled(stem, name));
	free(stem);
	return same;
}

static bool is_in_source(const struct function *function, const char *name)
{
	size_t length;

	return function->name && symbol_kind(function->name, &length) <= SYMBOL_RENAMED &&
	       is_stem(function, length, name);
}

/* f.constprop.0: what the compiler made of it. */
static bool is_variant(const struct function *function, const char *name)
{
	enum symbol_kind kind;
	size_t length;

	if (!function->name)
		return false;
	kind = symbol_kind(function->name, &length);
	return (kind == SYMBOL_COPY || kind == SYMBOL_PART) && is_stem(function, length, name);
}

static bool is_begun_at(const struct function *function, const char *name)
{
	uint64_t address;

	return functions_number(name, &address) && function->start == address;
}

/* Of those that `is` the name: how many at different places, and the first; lists them. */
static size_t select_by(const struct functions *functions, const char *name,
			bool (*is)(const struct function *, const char *),
			const struct function **first, char *list, size_t list_size)
{
	const struct function *last = NULL;
	size_t count = 0, used = 0;

	for (size_t i = 0; i < functions->count; i++) {
		const struct function *one = &functions->items[i];

		if (!is(one, name) || (last && last->start == one->start))
			continue;
		last = one;
		if (!count++)
			*first = one;
		if (count <= 4 && used < list_size)
			used += (size_t)snprintf(list + used, list_size - used, "%s0x%llx%s%.60s",
						 count > 1 ? ", " : "",
						 (unsigned long long)one->start,
						 one->name ? " " : "", one->name ? one->name : "");
	}
	return count;
}

static const struct function *not_found(const struct functions *functions, const char *name,
					struct why *why)
{
	const struct function *other;
	bool stripped = true;
	char list[400] = "";

	for (size_t i = 0; i < functions->count; i++)
		stripped &= !functions->items[i].name;
	if (select_by(functions, name, is_variant, &other, list, sizeof(list)))
		refuse(why, "has no function '%.100s', but what the compiler made of it: %s", name,
		       list);
	else if (stripped)
		refuse(why,
		       "has no function '%.100s': it is stripped; give the address at which "
		       "it begins, such as 0x1139@return",
		       name);
	else
		refuse(why, "has no function '%.100s' (inlined, or imported from a library?)",
		       name);
	return NULL;
}

const struct function *functions_find(const struct functions *functions, const char *name,
				      struct why *why)
{
	static bool (*const ways[])(const struct function *,
				    const char *) = { is_called, is_in_source, is_begun_at };
	const struct function *found = NULL;
	char list[400] = "";

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		size_t count = select_by(functions, name, ways[i], &found, list, sizeof(list));

		if (count == 1)
			return found;
		if (count) {
			refuse(why, "has %zu functions '%.100s': give the address of one: %s",
			       count, name, list);
			return NULL;
		}
	}
	return not_found(functions, name, why);
}

const struct function *functions_at(const struct functions *functions, uint64_t address)
{
	const struct function *best = NULL;

	for (size_t i = 0; i < functions->count; i++) {
		const struct function *one = &functions->items[i];

		if (one->start > address)
			break;
		if (address >= one->end && address != one->start)
			continue;
		/* The later start is the closer one; at the same start, the first has a name. */
		if (!best || one->start > best->start || best->end == best->start)
			best = one;
	}
	return best;
}

const struct function *functions_made_of(const struct functions *functions,
					 const struct function *previous, const struct function *of)
{
	size_t length = strcspn(of->name, "@");

	for (size_t i = previous ? (size_t)(previous - functions->items) + 1 : 0;
	     i < functions->count; i++) {
		const struct function *one = &functions->items[i];

		if (one->name && one->start != of->start &&
		    strncmp(one->name, of->name, length) == 0 && one->name[length] == '.' &&
		    symbol_kind(one->name, NULL) != SYMBOL_COLD)
			return one;
	}
	return NULL;
}
