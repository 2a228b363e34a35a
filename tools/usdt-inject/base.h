/* SPDX-License-Identifier: MIT */
/*
 * base.h - .stapsdt.base: by how far a file has moved since its notes were written
 *
 * A note says where this section was when its site's address was written; the difference to where it
 * is now goes for the site as well. bpftrace, bcc, libbpf and gdb compare addresses, perf compares
 * the section's offset in the file with the address in the note, and takes the outcome as the site's
 * offset in the file. Without the section gdb ignores all notes, and perf takes an address for an
 * offset. So a file gets one: of no size, where a section with code ends, which has the same
 * distance of address and offset as the sites, and keeps it when the file is stripped.
 */
#ifndef BASE_H
#define BASE_H

#include "plan.h"

struct base {
	bool is_new; /* the section is to be added */
	uint64_t address;
	uint64_t offset; /* of a new one */
};

int base_choose(struct base *base, const struct image *image, struct plan *plan, struct why *why);

#endif /* BASE_H */
