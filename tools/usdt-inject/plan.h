/* SPDX-License-Identifier: MIT */
/*
 * plan.h - from what is asked for to sites, or to the reason why not
 */
#ifndef PLAN_H
#define PLAN_H

#include "image.h"
#include "spec.h"

struct site {
	const struct spec *spec;
	uint64_t address;
	uint64_t offset; /* in the file */
	char where[160]; /* "work+0x2a" */
	char text[120];  /* the instruction */
	bool is_emulated;
};

struct plan {
	struct site *items;
	size_t count;
	size_t room;
	/* What the sites do not see: a line each. */
	char **remarks;
	size_t remarks_count;
};

int plan_make(struct plan *plan, const struct image *image, const struct spec *specs, size_t count,
	      struct why *why);
void plan_free(struct plan *plan);

/* Adds a remark. */
__attribute__((format(printf, 2, 3))) int plan_remark(struct plan *plan, const char *format, ...);

#endif /* PLAN_H */
