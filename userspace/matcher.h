/* SPDX-License-Identifier: MIT */
/*
 * matcher.h - which processes are meant: --match-name, --match-cgroup, --exclude
 *
 * Uprobes are of a file, so the kernel counts for whoever runs it, and what is of no process that is
 * meant is left out here. That is exact: a process counts from its first event on, whenever it is
 * decided about. Decided once for each image of a process, as forks and execs are new ones: by the name
 * that its steps are told under, and by its cgroup and executable at its first record. Not thread-safe.
 */
#ifndef MATCHER_H
#define MATCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keep.h"
#include "record.h"

struct matcher;

/*
 * Shell patterns, NULL-terminated or NULL; `*` is for any characters, '/' too. A process is meant if its
 * name (comm) matches one of `names` if there are any, its path in any cgroup hierarchy one of `cgroups`
 * if there are any, and nothing of it any of `excludes`: of those with a '/' in them its executable's
 * path, of others its name.
 */
struct matcher_options {
	const char *const *names;
	const char *const *cgroups;
	const char *const *excludes;
};

/* The patterns outlive it. NULL: there are none (errno 0), or out of memory (ENOMEM). */
struct matcher *matcher_new(const struct matcher_options *options);
void matcher_free(struct matcher *m);

/* As things are now; true of NULL. False too where it has ended, or may not be looked at. */
bool matcher_admits(struct matcher *m, pid_t pid);
/* Whether this record is of a process that is meant; true of NULL. */
bool matcher_wants(struct matcher *m, const struct record *record);
/* Forgets processes without a record since the last call. */
void matcher_sweep(struct matcher *m);
/* Processes that had ended before they could be decided about: left out. */
uint64_t matcher_undecided(const struct matcher *m);

/*
 * What was decided, for the next agent: with the same patterns it stays decided, of those too that have
 * ended meanwhile; with others all are decided about anew. NULL is fine. 0 or -errno, as keep_result().
 */
void matcher_save(const struct matcher *m, struct keep_writer *w);
int matcher_load(struct matcher *m, struct keep_reader *r);

#endif /* MATCHER_H */
