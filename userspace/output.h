/* SPDX-License-Identifier: MIT */
/* output.h - what writing to a stream came to: asked once, at the end, for all verbs */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

/*
 * Writes what is left. 0; -EPIPE: nobody reads it any more, an end like any other; else the -errno of
 * the failure, -EIO where stdio has forgotten it: whoever wrote in between was told.
 */
int output_end(FILE *out);

#endif /* OUTPUT_H */
