/* SPDX-License-Identifier: MIT */
/*
 * watch_internal.h - what the parts of watch share
 *
 *	watch.c         what was asked for, and when what is looked at
 *	watch_files.c   files: their notes, which of them are attached, whether they are what they were
 *	watch_census.c  processes: which files each maps; read again when that may have changed
 *
 * A *known* file is what /proc/PID/maps calls one. A *held* one is what is attached: an inode. Mostly
 * that is one to one. The same inode seen through two overlay mounts is two known files and is held
 * once. One that was copied up there is known as before, but who started before that maps another inode
 * than who starts after it: both are held.
 */
#ifndef WATCH_INTERNAL_H
#define WATCH_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "identity.h"
#include "watch.h"

struct held {
	int number;               /* the attach's */
	int fd;                   /* of the file, which goes on to what it is copied up to */
	struct inode_view *view;  /* of the inode; NULL: not to be had */
	struct file_id id, there; /* as maps has it, and as stat does */
	struct file_stamp stamp;  /* of when `note` was read */
	bool fresh;               /* it may have been written to since, and not show it */
	bool overlay;             /* may be seen through several mounts */
	bool observer;            /* of one: who maps it is no consumer */
	bool given;               /* by a path that leads to it */
	bool foreign;             /* a recipe names sites in it */
	struct elfnote note;
	size_t users;   /* processes of the census that map it */
	int written;    /* number of its inotify watch; -1: none */
	uint64_t idle;  /* since when there was none, ns; 0: there is */
	bool reachable; /* as it was then */
	char *path;     /* for people */
	struct held *next;
};

struct known {
	struct file_id id;
	UT_hash_handle hh;
	struct held *held;       /* NULL: has no probes, or could not be attached */
	size_t users;            /* processes of the census that map it */
	struct file_stamp stamp; /* of when its notes were read */
	bool fresh;
	bool left;          /* it has probes, and was not to be attached */
	bool refused;       /* a recipe is for it, and does not fit */
	uint64_t said;      /* the reason, hashed */
	bool counted;       /* among what was skipped */
	uint64_t checked;   /* number of the look that did; 0: none has */
	unsigned int tries; /* to attach, that failed */
	uint64_t retry;     /* number of the look that tries again */
};

/* What a process maps. */
struct use {
	struct known *known;
	struct held *held;
};

struct process {
	pid_t pid;
	UT_hash_handle hh;
	int statm;         /* -1: not kept open */
	uint64_t pages[2]; /* what changes when it maps something */
	uint64_t look;     /* number of the one that saw it last */
	bool again;        /* its maps are to be read whatever statm says */
	uint64_t took;     /* to read them, ns of CPU time */
	struct use *uses;  /* those that are held come first */
	size_t uses_count;
	size_t uses_held; /* no one behind these is */
};

struct watch {
	struct attach *attach;
	struct watch_options options;
	struct known *known;
	struct held *held;
	struct process *processes;
	size_t statms, statms_most; /* open ones */
	uint64_t look;              /* its number */
	struct elfnote *own;
	int inotify; /* of held files, of what is written to them; -1: none */
	struct watch_skipped skipped;
	size_t unopened; /* most files of one look that could not be opened */
	uint64_t began;  /* number of the look that the present one is a turn of */
	/* Of the present turn, and how far it has come: the last process that it has looked at. 0: to the end. */
	pid_t reached;
	bool turn_begun;
	uint64_t turn_ends;
	/* Of the present call. */
	bool only_ours; /* nothing is attached */
	bool is_news;   /* of a process that has just begun */
	bool strict;    /* a recipe that does not fit is a failure */
	bool asked;     /* ... or is where there is nothing else */
	bool thorough;  /* ... but files that are not known are looked at, for they may be ours */
	size_t hits;    /* files of ours that were met */
	char *why;
	char refused[ATTACH_WHY_SIZE]; /* by a recipe, of what was asked for; "": nothing is */
	int fatal;                     /* -errno that every further file would meet as well */
	/* The process that is read, and what it maps. */
	struct process *reading;
	struct use *uses;
	size_t uses_count, uses_most;
	bool no_memory;
	uint64_t read_began; /* CPU time */
};

/* ---- watch_files.c ---- */

struct known *watch_find(struct watch *w, const struct file_id *id);
/* Whether its notes are to be read: they never were, it may have changed, or it is tried again. */
bool watch_is_due(struct watch *w, const struct known *known);
/*
 * Looks at an open file, and attaches it if it is to be. 1: it is attached; 0: it has no probes;
 * -errno, with a reason in `why` where attach gave one. `known` may be NULL: out of memory. `note` is
 * what was read, NULL if nobody cares.
 */
int watch_examine(struct watch *w, int fd, const struct file_id *id, const char *path,
		  struct known **known, struct elfnote *note, char *why);
/* Those that are attached: lets go of what was changed, attaches what was copied up. */
void watch_check_held(struct watch *w);
/* Forgets what nobody maps, lets go of what nobody has mapped for long. */
void watch_sweep_files(struct watch *w, uint64_t now);
void watch_free_files(struct watch *w);

/* ---- watch_census.c ---- */

/* Looks at a process, if it may map something new. 0, or discover_process()'s -errno. */
int watch_census(struct watch *w, pid_t pid, size_t *unopened);
/* Processes that this look has not met have ended. */
void watch_sweep_processes(struct watch *w);
/* Nobody uses it any more, and who did is read again. */
void watch_forget_use(struct watch *w, const struct held *held);
/* What all of them map is read at the next look. */
void watch_read_all_again(struct watch *w);
/* It has a new image: nothing of what it mapped. */
void watch_read_again(struct watch *w, pid_t pid);
/* Whether it maps an attached file, an observer's excepted. */
bool watch_maps_ours(const struct watch *w, pid_t pid);
void watch_free_processes(struct watch *w);

#endif /* WATCH_INTERNAL_H */
