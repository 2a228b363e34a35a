/* SPDX-License-Identifier: MIT */
/*
 * watch.h - which files are attached: what was asked for, found and looked at
 *
 * Ties discover and elfnote to attach. A file's notes are read once. Not thread-safe. `why` is of
 * ATTACH_WHY_SIZE.
 */
#ifndef WATCH_H
#define WATCH_H

#include "attach.h"

struct watch;

/* What was passed over, for pushback.agent.lost. */
struct watch_skipped {
	size_t dead_notes;
	size_t duplicate_notes;
	size_t malformed_notes;
	size_t unknown_probes;
	size_t too_many_sites;
	size_t bad_files; /* truncated or contradictory */
	size_t files;     /* could not be opened, or not be attached to */
};

/* The attach stays the caller's. NULL when out of memory. */
struct watch *watch_new(struct attach *attach);
void watch_free(struct watch *w);

/* A process that maps an attached file, an observer's excepted: told with each look at it. */
typedef void watch_meet_fn(pid_t pid, void *context);
void watch_set_meet(struct watch *w, watch_meet_fn *meet, void *context);

/* An executable or a library, for every process of it now and later. 0, -EEXIST or -errno. */
int watch_path(struct watch *w, const char *path, char *why);
/* A deploy may have put another file there: attaches that one as well, says nothing if it cannot. */
void watch_path_again(struct watch *w, const char *path);
/* Everything that a living process maps. How many files were attached or were so already; -errno. */
int watch_process(struct watch *w, pid_t pid, char *why);
/* Everything that any process maps. How many were attached just now, or -errno. */
int watch_everything(struct watch *w, char *why);

/* Attaches nothing: tells whether a process maps an attached file, 0: whoever does. */
void watch_meet(struct watch *w, pid_t pid);

/* After a look at all that is watched: forgets the files without probes that it has not met. */
void watch_forget(struct watch *w);

void watch_get_skipped(const struct watch *w, struct watch_skipped *out);

#endif /* WATCH_H */
