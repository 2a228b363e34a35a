/* SPDX-License-Identifier: MIT */
/* records.h - records as the drain would make them, for tests */
#ifndef RECORDS_H
#define RECORDS_H

#include <string.h>

#include "record.h"

#define MS  1000000ULL
#define SEC (1000 * MS)

/* A step `name` of process `tgid`, all of its counters 0. */
static inline struct record record_of(uint32_t tgid, uint64_t instance, const char *name)
{
	struct record r = { 0 };

	r.key = (struct pb_step_key){
		.process = { .start_time = 7, .tgid = tgid },
		.instance = instance,
	};
	strncpy(r.name, name, sizeof(r.name) - 1);
	strncpy(r.process, "consumer", sizeof(r.process) - 1);
	return r;
}

#endif /* RECORDS_H */
