/* SPDX-License-Identifier: MIT */
/*
 * doctor_redzone.h - does this kernel keep the red zone of a probed function?
 *
 * Since Linux 6.18 a uprobe on a 5-byte nop becomes a call after its first hit, and a call writes below
 * the stack pointer: into the 128 bytes that a leaf function may use there without moving it. Later
 * kernels are repaired. Our sites are 1-byte nops before a return, which neither concerns.
 */
#ifndef DOCTOR_REDZONE_H
#define DOCTOR_REDZONE_H

#include "finding.h"

/* The probed instruction, a place of our executable where any uprobe can be tried: only a child of
 * doctor_redzone_check() runs it. */
extern __attribute__((visibility("hidden"))) const char doctor_redzone_site[];

/* Tries it on a child. */
void doctor_redzone_check(struct finding *f);

#endif /* DOCTOR_REDZONE_H */
