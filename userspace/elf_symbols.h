/* SPDX-License-Identifier: MIT */
/*
 * elf_symbols.h - the functions of an ELF file, by .symtab and .dynsym, and their code
 *
 * Where a file is stripped, .eh_frame still says where functions begin and end, without names. The file
 * may be hostile, as for elf_image.h. Library code: does not print.
 */
#ifndef ELF_SYMBOLS_H
#define ELF_SYMBOLS_H

#include "elf_image.h"

struct elf_function {
	const char *name; /* as it stands there, of the image's; "" from .eh_frame */
	uint64_t address;
	uint64_t size;
};

/*
 * Tells of each defined function that has a size, in any order, some twice. `fn` returns whether to go
 * on. A file has one .symtab and one .dynsym: of more only the first is read. 0, or elf_image_load()'s
 * error.
 */
int elf_symbols_each(struct elf_image *image,
		     bool (*fn)(const struct elf_function *function, void *context), void *context);

/* Of one file: more than the largest programs have, at 24 bytes each. */
#define ELF_RANGES_MAX (4u << 20)

/* Functions by address; their names are the image's. 0; -E2BIG: more than ELF_RANGES_MAX; -ENOMEM. */
struct elf_ranges;
int elf_ranges_new(struct elf_image *image, struct elf_ranges **out);
void elf_ranges_free(struct elf_ranges *r);
/* The one whose code is at `address`, by a symbol that has a name where there is one. */
bool elf_ranges_find(const struct elf_ranges *r, uint64_t address, struct elf_function *out);

/* The code of `size` bytes at `address`, of the image's; NULL: it is not in its executable segments. */
const uint8_t *elf_code(struct elf_image *image, uint64_t address, uint64_t size);

/* The address of an offset in the file, in its code; false: no code is there. */
bool elf_code_address(const struct elf_image *image, uint64_t offset, uint64_t *out);

/* The eight bytes that the file has for this address; false: it has none. */
bool elf_word(struct elf_image *image, uint64_t address, uint64_t *out);

#endif /* ELF_SYMBOLS_H */
