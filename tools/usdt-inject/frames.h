/* SPDX-License-Identifier: MIT */
/*
 * frames.h - where functions begin and end by the unwind information, which no strip removes
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "image.h"

struct frame {
	uint64_t start;
	uint64_t end;
};

/* Calls `found` for each; stops when it returns an error, which is returned. */
int frames_each(const struct image *image, int (*found)(void *ctx, struct frame frame), void *ctx);

#endif /* FRAMES_H */
