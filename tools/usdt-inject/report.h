/* SPDX-License-Identifier: MIT */
/*
 * report.h - what is printed of sites and notes
 */
#ifndef REPORT_H
#define REPORT_H

#include "image.h"
#include "plan.h"

/* A line for each site: probe, address, offset, place, instruction, cost, arguments. */
void report_plan(const struct plan *plan);

/* A line for each note of the file. -EBADMSG: they are damaged, behind those that were printed. */
int report_notes(const struct image *image);

#endif /* REPORT_H */
