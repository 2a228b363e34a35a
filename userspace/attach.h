/* SPDX-License-Identifier: MIT */
/*
 * attach.h - the kernel side: open, configure, load, attach
 *
 * The only file that includes the skeleton. Attaches by inode, for every process now and later; which
 * processes count is decided in BPF. Not thread-safe.
 *
 * Errors are -errno; `why` gets one line that says what is wrong and what would help.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "discover.h"
#include "elfnote.h"

#define ATTACH_WHY_SIZE 512

struct attach;
struct pinned;
struct recipe_sites;

struct attach_options {
	bool filter_processes; /* only those given to attach_process() */
	bool tell_execs;       /* into attach_maps.execs */
	bool each_exec;        /* ... and one that there is no room for is lost */
	bool no_multi;         /* one perf uprobe a site, as on kernels before 6.6 */
	bool recipes;          /* attach_file() may be given sites of recipes */
	bool tally;            /* ... and what each is hit with is counted, see attach_tallies() */
	bool trace;            /* episodes are told one by one, into attach_maps.closes */
	bool pauses;           /* attach_pause() and attach_hits() are used; not with pin_dir */
	const char
		*pin_dir; /* maps and links stay there, and are taken from there; NULL: they go */
};

/* For the drain. Valid as long as the attach is. */
struct attach_maps {
	int steps;
	int hists;
	int processes;
	int deletions;
	int places;
	int losses;
	int changes;
	int execs; /* a ring buffer of struct pb_exec; -1 without tell_execs */
	/* Likewise of struct pb_close, with what belongs to it; -1 without trace. */
	int closes, closes_untold, traces;
};

/*
 * Loads the programs and follows exits. Errors that mean "this host cannot do it": -EPERM, -ENOTSUP;
 * others are failures.
 */
int attach_new(struct attach **out, const struct attach_options *options, char *why);
/* Detaches everything (about 50 ms a file) and frees. NULL is fine. */
void attach_free(struct attach *a);

/* Whether this file is attached already. */
bool attach_has(const struct attach *a, const struct file_id *id);
/*
 * Attaches all sites of `note` in the open file `fd` (stays the caller's), and those of recipes, unless
 * that is NULL. -EEXIST: it is already; -ENOSPC: more than PB_MAX_OBJECTS files.
 */
int attach_file(struct attach *a, int fd, const struct file_id *id, const struct elfnote *note,
		const struct recipe_sites *recipe, char *why);
/*
 * The number of an attached file, which is its own until it is let go; -ENOENT: none has this id.
 */
int attach_number(const struct attach *a, const struct file_id *id);
/* It stays attached, but its id is another file's from now on. */
void attach_disown(struct attach *a, int number);
/*
 * For a while: its sites are gone, as after attach_drop(), but it keeps its number. Then it is attached
 * again; steps that are met from then on say that they are watched for a part of the time (PB_STEP_PARTLY),
 * or, without `partly`, do not. 0 or -errno: it stays paused.
 */
void attach_pause(struct attach *a, int number);
int attach_resume(struct attach *a, int number, bool partly);
/* How often its sites were hit so far, by enum pb_hit. False: nothing is attached under this number. */
bool attach_hits(const struct attach *a, int number, uint64_t hits[PB_HITS]);
/* Whether a recipe names sites in it. */
bool attach_is_foreign(const struct attach *a, int number);
/* Where the file is now, for people; any bytes. */
#define ATTACH_NAME_SIZE 256
void attach_name(const struct attach *a, int number, char name[ATTACH_NAME_SIZE]);
/* Numbers go up to, without it. */
int attach_numbers(const struct attach *a);

/*
 * Lets go of one file, in some 10 to 50 ms. No living process may map it, else its steps fall silent
 * until it is attached again.
 */
void attach_drop(struct attach *a, int number);

/*
 * Whether a uprobe_multi link can be had: a real one, with a program that does nothing, at `offset` of
 * the file at `path`, for process `pid` only. Its descriptor, the caller's; -ENOTSUP: this kernel has
 * none; -EPERM: not allowed; or another -errno. -EBADF: there are such links, but `path` is no file.
 */
int attach_try_multi(const char *path, uint64_t offset, pid_t pid);

/* Lets this process's events through, when filter_processes is set. */
int attach_process(struct attach *a, pid_t pid, char *why);
/* No longer; fine if it never was. */
void attach_drop_process(struct attach *a, pid_t pid);

/*
 * What the sites of a recipe in an attached file were hit with so far, in their order; with `tally` only.
 * -ENOENT: it has not this many.
 */
int attach_tallies(const struct attach *a, int number, struct pb_tally *out, size_t count);

/* How many files and sites are attached, and whether through uprobe_multi. */
size_t attach_files(const struct attach *a);
size_t attach_sites(const struct attach *a);
bool attach_is_multi(const struct attach *a);
/*
 * Of the files that a former agent has left: how many nobody has asked for. Where everything that any
 * process maps has been, those of them can be let go that have no name any more, or all, a few at a time.
 * Of one whose id has become another file's it is asked whether any process maps what has this id.
 */
typedef bool attach_mapped_fn(const struct file_id *id, void *context);
size_t attach_unasked(const struct attach *a);
void attach_let_go(struct attach *a, bool all, attach_mapped_fn *is_mapped, void *context);
/* The state that outlives the attach, which owns it; NULL: none. */
struct pinned *attach_pinned(const struct attach *a);
void attach_get_maps(const struct attach *a, struct attach_maps *maps);

#endif /* ATTACH_H */
