/* SPDX-License-Identifier: MIT */
/*
 * dwarf_enum.h - what the bytes of a returned enum mean, by a file's debug information
 *
 * A Rust enum is a structure with a variant part: where its discriminant is, and which values of it each
 * variant has. One variant may have none, then all other values are its (the compiler has put the
 * discriminant into bits that its payload leaves unused, a niche). A payload that is an enum itself may
 * have its discriminant in the same place, as in Result<(), SubmitError<T>>: its variants are looked at
 * then. Enums without payloads are enumerations, as C's. What is not told so is not guessed.
 *
 * The file may be hostile, as for elf_image.h; no other file is opened. Library code: does not print.
 */
#ifndef DWARF_ENUM_H
#define DWARF_ENUM_H

#include "elf_image.h"
#include "pushback_abi.h"

/* The outcome that a variant of this name means, or -1: it has none of its own. */
typedef int dwarf_enum_meaning(const char *variant, void *context);

struct dwarf_enum_names {
	dwarf_enum_meaning *means;
	void *context;
	/* What a variant means that is not named, and has no enum in it that is looked at; -1: nothing. */
	int unnamed;
};

/* Where the discriminant is, and what it means: `result`, `ranges` and `otherwise` of a rule. */
struct dwarf_enum_result {
	struct pb_source source;
	struct pb_range ranges[PB_MAX_RANGES];
	uint32_t ranges_count;
	uint32_t otherwise;
	uint32_t met; /* outcomes that some variant means, as bits */
};

struct dwarf_enums;

/*
 * Reads the debug information of a file, whose image has to stay. 0; -ENODATA: it has none that could be
 * used, `why` says so; -ENOMEM, -EBADMSG, -EFBIG.
 */
int dwarf_enums_new(struct elf_image *image, struct dwarf_enums **out, const char **why);
void dwarf_enums_free(struct dwarf_enums *d);

/*
 * Of what the function at this address returns, on return. 0; -ENODATA: the debug information says
 * nothing of what it returns; -EINVAL: what it says does not decide. With the reason in `why`.
 */
int dwarf_enums_find(struct dwarf_enums *d, uint64_t function, const struct dwarf_enum_names *names,
		     struct dwarf_enum_result *out, char *why, size_t why_size);

/*
 * Whether arg1 to arg6 is one of this function's arguments as it is entered. 0: it is, or that is not
 * known. -EINVAL: the debug information has it elsewhere; `why` says so.
 */
int dwarf_enums_argument(struct dwarf_enums *d, uint64_t function, unsigned int argument, char *why,
			 size_t why_size);

#endif /* DWARF_ENUM_H */
