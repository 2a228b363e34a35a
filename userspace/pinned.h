/* SPDX-License-Identifier: MIT */
/*
 * pinned.h - maps, programs and links that stay when the agent ends, and the next agent's way to them
 *
 * In the directory (pin_dir.h):
 *
 *	map_NAME	all maps that the programs use
 *	event		the program of the sites; link_NAME the other programs, attached
 *	file_N		the link of an attached file, by its number as in the cookies
 *	files		what file N is: link info has neither inode nor build-id
 *	memory		what the agent remembers (pinned_store)
 *	info		whose this is; written last
 *
 * A pin takes another's place by its name, so there always is one. Used by attach only. Errors are
 * -errno; `why` is of ATTACH_WHY_SIZE. Not thread-safe.
 */
#ifndef PINNED_H
#define PINNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elfnote.h"

struct bpf_object;
struct pinned;

/* Of an attached file. */
struct pinned_file {
	uint64_t dev, inode;
	uint64_t program; /* that its link runs */
	uint64_t sites;   /* a hash of what was attached: sites, semaphores, build-id */
	uint32_t sites_count;
	uint32_t attached;  /* 0: its link was about to be made */
	uint32_t disowned;  /* dev and inode are another file's by now */
	int64_t changed_ns; /* when its inode was, as of then */
	uint32_t build_id_size;
	uint8_t build_id[ELFNOTE_BUILD_ID_MAX];
	char path[256]; /* as it was then; for people */
};

/*
 * Opens the state at `dir` or begins one, for the programs of `object`, which is open and not loaded
 * yet. `event` is the one for sites, `program` stands for the code of all. Where there is a state the
 * object gets its maps, and where that has these programs they are not loaded. A program that is not
 * to be attached by itself (autoattach) is the caller's, and so is a ring buffer: these are not kept.
 * -EBUSY, -EEXIST, -EPERM: as pin_dir_open(), -EEXIST also: its maps are others.
 */
int pinned_open(struct pinned **out, struct bpf_object *object, const char *event, uint64_t program,
		const char *dir, char *why);
/* The object is loaded: attaches what is not attached per file, `event` excepted, and pins all. */
int pinned_attach(struct pinned *p, struct bpf_object *object, const char *event, char *why);
/* The state stays. NULL is fine. */
void pinned_close(struct pinned *p);

/* There was a state. */
bool pinned_is_old(const struct pinned *p);
/* Events were missed, as a link was gone. */
bool pinned_has_missed(const struct pinned *p);
/* What is to be said, line by line; NULL: no more. */
const char *pinned_said(const struct pinned *p, size_t i);
/* The state's own program for sites; -1: it has none of the present code. */
int pinned_event(const struct pinned *p);

/* Each file of the state with its link, the callee's from then on, or -1 if that is gone. */
typedef int pinned_file_fn(uint32_t number, const struct pinned_file *file, int link,
			   void *context);
int pinned_each_file(struct pinned *p, pinned_file_fn *fn, void *context);
/* Its link is about to be made; it is there. Or neither. */
int pinned_begin_file(struct pinned *p, uint32_t number, struct pinned_file *file);
int pinned_end_file(struct pinned *p, uint32_t number, struct pinned_file *file, int link);
void pinned_drop_file(struct pinned *p, uint32_t number);
/* The link stays. */
void pinned_disown_file(struct pinned *p, uint32_t number);

/*
 * The whole is stored at once or, if this fails or we are killed, what was stored before stays. -ESTALE:
 * the directory is out of reach, so no other agent would find it.
 */
int pinned_store(struct pinned *p, const void *data, size_t size);
/* To be freed; *data is NULL if nothing was ever stored. */
int pinned_recall(struct pinned *p, void **data, size_t *size);
/* What was recalled cannot be used: the line that says so, with what removes it. */
void pinned_refuse(const struct pinned *p, const char *reason, char *why);

#endif /* PINNED_H */
