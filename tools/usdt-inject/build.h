/* SPDX-License-Identifier: MIT */
/*
 * build.h - the file with the notes added
 */
#ifndef BUILD_H
#define BUILD_H

#include "image.h"
#include "plan.h"

/* Whether anything can be added at all, wherever the sites are. */
int build_check(const struct image *image, struct why *why);

/*
 * The injected file, to free(); NULL with the reason in `why`. Adds remarks to the plan, of what
 * some tracer will not see right.
 */
uint8_t *build_injected(const struct image *image, struct plan *plan, size_t *size,
			struct why *why);

#endif /* BUILD_H */
