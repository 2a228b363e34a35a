/* SPDX-License-Identifier: MIT */
/*
 * watch.h - which files are attached: what was asked for, found and looked at
 *
 * Ties discover and elfnote to attach. A file's notes are read once, and again when it was written to.
 * What is attached is let go when it was changed, or when nobody has mapped it for long. Not
 * thread-safe. `why` is of ATTACH_WHY_SIZE.
 *
 * A look: watch_begin(), then any of watch_path_again(), watch_process(), watch_everything(),
 * watch_meet(), then watch_end(). Between two looks, and two turns of one, watch_news() at any time. What
 * one process maps takes half a second of a CPU at most: what is left of it, the next look sees.
 */
#ifndef WATCH_H
#define WATCH_H

#include "attach.h"

struct watch;
struct recipes;

/* What was passed over, for pushback.agent.lost. */
struct watch_skipped {
	size_t dead_notes;
	size_t duplicate_notes;
	size_t malformed_notes;
	size_t unknown_probes;
	size_t too_many_sites;
	size_t bad_files; /* truncated or contradictory */
	size_t files;     /* could not be opened, or not be attached to */
	size_t changed;   /* written to while they were attached, and so let go */
};

struct watch_options {
	/* Told with each look of a process that maps an attached file, an observer's excepted. May be NULL. */
	void (*meet)(pid_t pid, void *context);
	/* Whether a process is to be looked at, asked when its maps would be read. NULL: each. */
	bool (*admits)(pid_t pid, void *context);
	/*
	 * Whether a process is to wait, as if nothing of it had changed, though its maps would be read; `before` is
	 * what that took the last time, ns of CPU time, 0: it is the first. Then what it took. Both may be NULL.
	 */
	bool (*waits)(pid_t pid, uint64_t before, void *context);
	void (*took)(uint64_t ns, void *context);
	void *context;
	/* What nobody has mapped for so long is let go. 0: never. */
	uint64_t idle_ns;
	const struct recipes
		*recipes; /* what is probed beside what has our probes; NULL: nothing */
};

/* The attach stays the caller's; `options` may be NULL. NULL when out of memory. */
struct watch *watch_new(struct attach *attach, const struct watch_options *options);
void watch_free(struct watch *w);

/* A look begins, or ends: then what has gone is forgotten. `now` is CLOCK_MONOTONIC, ns. */
void watch_begin(struct watch *w);
void watch_end(struct watch *w, uint64_t now);

/* An executable or a library, for every process of it now and later. 0 or -errno. */
int watch_path(struct watch *w, const char *path, char *why);
/* A deploy may have put another file there: attaches that one as well, says nothing if it cannot. */
void watch_path_again(struct watch *w, const char *path);
/*
 * Everything that a living process maps. How many files were attached or were so already; -errno. 0, with a
 * reason: a recipe is for one of them, and does not fit.
 */
int watch_process(struct watch *w, pid_t pid, char *why);
/*
 * Everything that any process maps, in turns: after so much of this thread's CPU time the rest is left to the
 * next call, each of at least one process. How many were attached just now, or -errno.
 */
int watch_everything(struct watch *w, uint64_t turn_ns, char *why);
/* Whether there is a rest: then the look goes on, and does not end yet. */
bool watch_is_under_way(const struct watch *w);
/* Attaches nothing: tells whether a process maps an attached file, 0: whoever does, in turns as well. */
void watch_meet(struct watch *w, pid_t pid, uint64_t turn_ns);

/*
 * This process has just replaced its `image`, or did so a moment ago: everything that it maps by now. 0 or
 * -errno.
 */
int watch_news(struct watch *w, pid_t pid, bool image, char *why);
/* Readable where an attached file was written to; -1: that is found by the next look only. */
int watch_written_fd(const struct watch *w);
/* Lets go of those that were `changed`. Whether there were any writes. */
bool watch_written(struct watch *w, bool *changed);

/* Whether a file is attached that a path led to before and leads to no more: then see watch_meet(). */
bool watch_has_replaced(const struct watch *w);
/* Whether any process that was looked at maps it. */
bool watch_maps(const struct watch *w, const struct file_id *id);

void watch_get_skipped(const struct watch *w, struct watch_skipped *out);
/* Files of which notes are known, and processes that are. */
size_t watch_known(const struct watch *w);

#endif /* WATCH_H */
