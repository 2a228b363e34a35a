/* SPDX-License-Identifier: MIT */
/* What the translation units of the matrix's program have of each other. */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void second_submit(int outcome);
int nobody_calls_this(int n);
int without_probes(int n);

/* Of the shared library: the instance number of a step that it drove watched, 0 if that went wrong. */
typedef uint64_t plugin_run(void);
uint64_t plugin_run_(void);

#ifdef __cplusplus
}
#endif

#endif /* UNITS_H */
