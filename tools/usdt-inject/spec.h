/* SPDX-License-Identifier: MIT */
/*
 * spec.h - what -p says: PROVIDER:NAME=SITE[ ARGUMENTS]
 */
#ifndef SPEC_H
#define SPEC_H

#include <stdint.h>

#include "why.h"

enum place {
	PLACE_RETURN,  /* FUNCTION@return: at each of its return instructions */
	PLACE_ENTRY,   /* FUNCTION@entry */
	PLACE_OFFSET,  /* FUNCTION+NUMBER */
	PLACE_ADDRESS, /* NUMBER: as a disassembler prints it */
	PLACE_FILE,    /* file:NUMBER: offset in the file */
};

struct spec {
	char provider[64];
	char name[64];
	char *function;        /* NULL for the last two */
	const char *arguments; /* in the text it was made from; "" for none */
	enum place place;
	uint64_t number;
};

/* `text` is kept. */
int spec_parse(struct spec *spec, const char *text, struct why *why);
void spec_free(struct spec *spec);

#endif /* SPEC_H */
