/* SPDX-License-Identifier: MIT */
/*
 * kernel_lacks.h - what our BPF programs use that this kernel does not have
 *
 * Each is tried: a version says nothing where features are ported back, or left out.
 */
#ifndef KERNEL_LACKS_H
#define KERNEL_LACKS_H

#include <stdbool.h>
#include <stddef.h>

#define KERNEL_LACKS_SIZE 256

/*
 * Writes "feature (first Linux that has it), ..." and gives how many there are; "" and 0 where nothing is
 * missing. Those that only recipes need are looked for if `recipes`. -EPERM: we may not try.
 */
int kernel_lacks(bool recipes, char out[KERNEL_LACKS_SIZE]);

#endif /* KERNEL_LACKS_H */
