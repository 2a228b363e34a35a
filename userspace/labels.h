/* SPDX-License-Identifier: MIT */
/*
 * labels.h - tags of a process, from --tag-from
 *
 * Looked up once per process (and exec) while it lives, then remembered. Not thread-safe.
 */
#ifndef LABELS_H
#define LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "keep.h"
#include "pushback_abi.h"

struct labels;

/*
 * The key of a tag that no user can choose: the container that a series is of, so that those of two
 * containers are two. Sinks may have a field for it.
 */
#define LABELS_ORIGIN "pushback_origin"

/* The tag of what is watched for a part of the time only. */
#define LABELS_PARTLY "watched:partly"

/*
 * `specs` (NULL-terminated, may be NULL) outlive it: "key=env:NAME", "key=argv:--option", and
 * "container_id", "pod_uid", "pid" with or without "key=". With `origin` a process in a container has
 * LABELS_ORIGIN and its id before all of them. NULL with a one-line reason in `why`.
 */
struct labels *labels_new(const char *const *specs, bool origin, char *why, size_t why_size);
void labels_free(struct labels *l);

/*
 * "k:v,k2:v2", sane for statsd; "" with no specs. What can't be found is left out. Valid until
 * labels_sweep().
 */
const char *labels_of(struct labels *l, const struct pb_process_key *process);
/* The same, for what of the process is watched for a part of the time only: such series are others. */
const char *labels_of_part(struct labels *l, const struct pb_process_key *process);
/* Forgets processes that were not asked for since the last sweep. */
void labels_sweep(struct labels *l);

/*
 * For the next agent, which cannot ask the processes that have ended since. That one takes it only with
 * the same specs. 0, -ENOMEM or -EBADMSG.
 */
void labels_save(const struct labels *l, struct keep_writer *w);
int labels_load(struct labels *l, struct keep_reader *r);

#endif /* LABELS_H */
