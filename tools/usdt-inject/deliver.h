/* SPDX-License-Identifier: MIT */
/*
 * deliver.h - the outcome into a file, whole or not at all
 */
#ifndef DELIVER_H
#define DELIVER_H

#include "source.h"

enum delivery {
	DELIVER_NOWHERE,
	DELIVER_FILE,    /* another file, which takes the place of what is there */
	DELIVER_REPLACE, /* a new file takes the place of the source: the name is never without one */
	DELIVER_IN_PLACE, /* the same inode; refused while anybody has it open or mapped */
};

/* `output` is for DELIVER_FILE. */
int deliver(enum delivery delivery, struct source *source, const char *output, const uint8_t *bytes,
	    size_t size, struct why *why);

#endif /* DELIVER_H */
