/* SPDX-License-Identifier: MIT */
/* reader_ends.h - the end of a group of tests that read memory: valgrind asks for the reader to be gone */
#ifndef READER_ENDS_H
#define READER_ENDS_H

#include "reader.h"

static inline int reader_ends(void **state)
{
	(void)state;
	reader_end();
	return 0;
}

#endif /* READER_ENDS_H */
