/* SPDX-License-Identifier: MIT */
/*
 * elf_unwind.h - whether an exception of C++, or a panic of Rust, may pass through a file's functions
 *
 * Not only those of its own: what calls it, and what it calls, may be in other files. So it is no only of
 * a program whose code has no handlers of exceptions and that uses nothing but libc. The file may be
 * hostile, as for elf_image.h. Library code: does not print.
 */
#ifndef ELF_UNWIND_H
#define ELF_UNWIND_H

#include "elf_image.h"

/* Whether one may; then `why` says by what that is known. */
bool elf_may_unwind(struct elf_image *image, char *why, size_t why_size);

#endif /* ELF_UNWIND_H */
