/* SPDX-License-Identifier: MIT */
/* elf_check.h - what tests of the note reader share: reading bytes, and what must hold of any file
 */
#ifndef ELF_CHECK_H
#define ELF_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "elf_craft.h"
#include "elfnote.h"

/* How far apart the nops of a crafted file are. */
#if defined(__x86_64__)
#define SITE_STEP  2u
#define FOREIGN_EM EM_AARCH64
#else
#define SITE_STEP  8u
#define FOREIGN_EM EM_X86_64
#endif

extern const uint8_t nop_bytes[];
extern const size_t nop_size;

/* elfnote_read() of a file with these bytes. */
int read_bytes(const void *bytes, size_t size, struct elfnote *out);

/*
 * What is taken from a file can be attached to: the result `err` and `out` of reading these bytes.
 * NULL, or what is wrong.
 */
const char *insane(const uint8_t *bytes, size_t size, int err, const struct elfnote *out);

void put32(struct craft *craft, size_t at, uint32_t value);

#endif /* ELF_CHECK_H */
