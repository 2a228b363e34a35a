/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "own_note.h"
#include "target.h"

/*
 * A file whose notes have been read. One without probes is known only while somebody maps it: later
 * its inode's number may be another file's. One that is attached is held by that.
 */
struct known {
	struct file_id id;
	UT_hash_handle hh;
	bool ours;          /* attached */
	bool observer;      /* of one: who maps it is no consumer */
	bool met;           /* since the last watch_forget() */
	unsigned int tries; /* to attach, that failed */
	unsigned int wait;  /* looks until the next one */
};

/* A file that could not be attached is tried again, ever more rarely, at most this many looks apart. */
#define WAIT_MOST 64

struct watch {
	struct attach *attach;
	struct known *known;
	struct watch_skipped skipped;
	size_t unopened; /* most files of one look that could not be opened */
	struct elfnote *own;
	watch_meet_fn *meet;
	void *meet_context;
	bool maps_ours; /* the process that is looked at */
	size_t hits;    /* of the present call: files of ours */
	char *why;      /* of the present call */
	int fatal;      /* -errno that every further file would meet as well */
};

struct watch *watch_new(struct attach *attach)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->attach = attach;
	w->own = own_note_read();
	if (w->own)
		return w;
	free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	struct known *known, *next;

	if (!w)
		return;
	HASH_ITER (hh, w->known, known, next) {
		HASH_DEL(w->known, known);
		free(known);
	}
	free(w->own);
	free(w);
}

void watch_set_meet(struct watch *w, watch_meet_fn *meet, void *context)
{
	w->meet = meet;
	w->meet_context = context;
}

void watch_get_skipped(const struct watch *w, struct watch_skipped *out)
{
	*out = w->skipped;
}

static struct known *find(struct watch *w, const struct file_id *id)
{
	struct known *known;

	HASH_FIND(hh, w->known, id, sizeof(*id), known);
	return known;
}

/* NULL when out of memory: its notes will be read again. */
static struct known *remember(struct watch *w, const struct file_id *id)
{
	struct known *known = find(w, id);

	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->id = *id;
	HASH_ADD(hh, w->known, id, sizeof(known->id), known);
	if (!known->hh.tbl) {
		free(known);
		return NULL;
	}
	return known;
}

void watch_forget(struct watch *w)
{
	struct known *known, *next;

	HASH_ITER (hh, w->known, known, next) {
		if (known->ours || known->met) {
			known->met = false;
		} else {
			HASH_DEL(w->known, known);
			free(known);
		}
	}
}

static void count_notes(struct watch *w, const struct elfnote *note)
{
	w->skipped.dead_notes += note->dead;
	w->skipped.duplicate_notes += note->duplicate;
	w->skipped.malformed_notes += note->malformed;
	w->skipped.unknown_probes += note->unknown;
	w->skipped.too_many_sites += note->too_many;
}

/* 1: attached (or was so), 0: it has no probes, -errno. */
static int read_and_attach(struct watch *w, int fd, const struct file_id *id, struct elfnote *note,
			   char *why)
{
	int err = elfnote_read(fd, note);

	if (err)
		return err;
	if (!find(w, id))
		count_notes(w, note);
	if (!note->sites_count)
		return 0;
	err = attach_file(w->attach, fd, id, note, why);
	return err && err != -EEXIST ? err : 1;
}

/* The same, and remembers what came of it. */
static int attach_fd(struct watch *w, int fd, const struct file_id *id, struct elfnote *note,
		     char *why)
{
	int result = read_and_attach(w, fd, id, note, why);
	bool failed = result < 0 && result != -ENOEXEC;
	struct known *known = remember(w, id);

	if (!known)
		return result;
	if (failed && !known->tries) {
		w->skipped.bad_files += result == -EBADMSG;
		w->skipped.files += result != -EBADMSG;
	}
	known->ours = result > 0;
	known->observer = own_note_is(w->own, note);
	known->met = true;
	known->tries = failed ? known->tries + 1 : 0;
	known->wait = known->tries < 6 ? (1u << known->tries) - 1 : WAIT_MOST - 1;
	return result;
}

int watch_path(struct watch *w, const char *path, char *why)
{
	struct elfnote note = { 0 };
	struct file_id id;
	int fd = target_open(path, &id, why, ATTACH_WHY_SIZE);
	int err;

	if (fd < 0)
		return fd;
	why[0] = '\0';
	err = attach_fd(w, fd, &id, &note, why);
	close(fd);
	if (err > 0)
		return 0;
	return why[0] ? err : target_explain(path, err, &note, why, ATTACH_WHY_SIZE);
}

static bool is_wanted(const struct file_id *id, void *context)
{
	struct watch *w = context;
	struct known *known = find(w, id);

	if (!known)
		return true;
	known->met = true;
	w->hits += known->ours;
	w->maps_ours |= known->ours && !known->observer;
	if (!known->tries)
		return false;
	return known->wait ? known->wait--, false : true;
}

void watch_path_again(struct watch *w, const char *path)
{
	char why[ATTACH_WHY_SIZE];
	struct elfnote note = { 0 };
	struct file_id id;
	int fd = target_open(path, &id, why, ATTACH_WHY_SIZE);

	if (fd < 0)
		return;
	if (is_wanted(&id, w))
		attach_fd(w, fd, &id, &note, why);
	close(fd);
}

static int look_at(struct mapped_file *file, void *context)
{
	struct watch *w = context;
	struct elfnote note = { 0 };
	int err = attach_fd(w, file->fd, &file->id, &note, w->why);

	w->maps_ours |= err > 0 && !own_note_is(w->own, &note);
	if (err > 0)
		w->hits++;
	else if (err == -EPERM || err == -ENOMEM)
		w->fatal = err;
	return w->fatal;
}

static void begin(struct watch *w, char *why)
{
	w->hits = 0;
	w->fatal = 0;
	w->why = why;
	why[0] = '\0';
}

/* What `wanted` says yes to is looked at; whether the process maps anything of ours is told. */
static int look_into(struct watch *w, pid_t pid,
		     bool (*wanted)(const struct file_id *id, void *context), size_t *unopened)
{
	int err;

	w->maps_ours = false;
	err = discover_process(pid, wanted, look_at, w, unopened);
	if (w->maps_ours && w->meet)
		w->meet(pid, w->meet_context);
	return err;
}

int watch_process(struct watch *w, pid_t pid, char *why)
{
	size_t unopened = 0;
	int err;

	begin(w, why);
	err = look_into(w, pid, is_wanted, &unopened);
	/* The same ones again at each look. */
	if (unopened > w->unopened) {
		w->skipped.files += unopened - w->unopened;
		w->unopened = unopened;
	}
	/* What comes from the process itself, or what attach had nothing to say about. */
	if (err == -ESRCH || err == -EACCES || (err && !why[0]))
		err = target_explain_process(pid, err, why, ATTACH_WHY_SIZE);
	return err ? err : (int)w->hits;
}

static int look_into_any(pid_t pid, void *context)
{
	struct watch *w = context;
	size_t unopened = 0; /* those of other users, again and again */
	int err = look_into(w, pid, is_wanted, &unopened);

	if (w->fatal)
		return w->fatal;
	return err == -EACCES || err == -EPERM || err == -ESRCH ? 0 : err;
}

int watch_everything(struct watch *w, char *why)
{
	size_t before = attach_files(w->attach);
	int err;

	begin(w, why);
	err = discover_pids(look_into_any, w);
	if (err && !why[0])
		snprintf(why, ATTACH_WHY_SIZE, "cannot look through /proc: %s", strerror(-err));
	return err ? err : (int)(attach_files(w->attach) - before);
}

static bool is_ours(const struct file_id *id, void *context)
{
	struct watch *w = context;
	const struct known *known = find(w, id);

	w->maps_ours |= known && known->ours && !known->observer;
	return false;
}

static int meet_any(pid_t pid, void *context)
{
	size_t unopened = 0;
	int err = look_into(context, pid, is_ours, &unopened);

	return err == -ENOMEM ? err : 0;
}

void watch_meet(struct watch *w, pid_t pid)
{
	if (pid)
		meet_any(pid, w);
	else
		discover_pids(meet_any, w);
}
