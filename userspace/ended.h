/* SPDX-License-Identifier: MIT */
/*
 * ended.h - consumers that were there and are no more
 *
 * What shows those that are left would otherwise pass over them in silence. Without memory for one, it
 * is not known that there was one. Pure.
 */
#ifndef ENDED_H
#define ENDED_H

#include "model.h"

struct ended;

/* NULL when out of memory. */
struct ended *ended_new(void);
/* NULL is fine. */
void ended_free(struct ended *e);

/* From here on those are told again that are shown, in place of the ones before. */
void ended_begin_shown(struct ended *e);
/* There is a consumer in this process, named so; `shown` now, or only known. */
void ended_see(struct ended *e, const struct pb_process_key *process, const char *name, bool shown);

/*
 * "consumer NAME (PID) ended while watched" for each process that was seen and is not shown, then
 * forgets these; beyond a few only how many. Names are as the consumers wrote them.
 */
void ended_tell(struct ended *e, void (*tell)(const char *line, void *context), void *context);

#endif /* ENDED_H */
