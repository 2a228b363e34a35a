/* SPDX-License-Identifier: MIT */
#include "watch_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "msg.h"
#include "own_note.h"
#include "recipe_apart.h"
#include "recipe_sites.h"

/* A file that could not be attached is tried again, ever more rarely, at most this many looks apart. */
#define WAIT_MOST 64
/* Each takes the kernel up to 50 ms. */
#define LET_GO_MOST 4
/* What nobody can start again is let go that soon. */
#define UNREACHABLE_NS 5000000000ull

struct known *watch_find(struct watch *w, const struct file_id *id)
{
	struct known *known;

	HASH_FIND(hh, w->known, id, sizeof(*id), known);
	return known;
}

bool watch_maps(const struct watch *w, const struct file_id *id)
{
	const struct known *known;

	HASH_FIND(hh, w->known, id, sizeof(*id), known);
	return known && known->users;
}

/* NULL when out of memory: its notes will be read again. */
static struct known *remember(struct watch *w, const struct file_id *id)
{
	struct known *known = watch_find(w, id);

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

bool watch_is_due(struct watch *w, const struct known *known)
{
	if (known->left && !w->only_ours)
		return true;
	if (known->tries && !known->fresh && !w->only_ours)
		return w->look >= known->retry;
	/* Once a look, whose turns are looks of their own; but whoever has just begun may run what is new in it. */
	return known->checked != w->look && (w->is_news || known->checked < w->began);
}

/* ---- Held ones ---- */

/* Two that are one file of an overlay, before it was copied up and after, are watched as one. */
static void unwatch(const struct watch *w, const struct held *held)
{
	for (const struct held *other = w->held; other; other = other->next) {
		if (other != held && other->written == held->written)
			return;
	}
	if (held->written >= 0)
		inotify_rm_watch(w->inotify, held->written);
}

static void free_held(const struct watch *w, struct held *held)
{
	unwatch(w, held);
	if (held->fd >= 0)
		close(held->fd);
	identity_view_free(held->view);
	free(held->path);
	free(held);
}

static int watch_writes(const struct watch *w, int fd)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return w->inotify < 0 ? -1 : inotify_add_watch(w->inotify, link, IN_MODIFY);
}

/* NULL when out of memory. Without a view or descriptor less is noticed. */
static struct held *hold(struct watch *w, int fd, const struct file_id *id, const char *path,
			 const struct elfnote *note)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->number = attach_number(w->attach, id);
	held->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	held->view = identity_view(fd);
	held->written = watch_writes(w, fd);
	held->id = *id;
	held->there = identity_where(fd);
	held->note = *note;
	held->overlay = identity_is_overlay(fd);
	held->observer = own_note_is(w->own, note);
	held->path = strdup(path);
	held->next = w->held;
	w->held = held;
	return held;
}

static void let_go(struct watch *w, struct held *held)
{
	struct held **at = &w->held;
	struct known *known;

	watch_forget_use(w, held);
	for (known = w->known; known; known = known->hh.next) {
		if (known->held == held) {
			known->held = NULL;
			known->left = true;
		}
	}
	while (*at != held)
		at = &(*at)->next;
	*at = held->next;
	attach_drop(w->attach, held->number);
	free_held(w, held);
}

/*
 * The same id is the same inode as long as that is held, but on overlayfs: what was copied up there
 * keeps its number.
 */
static bool is_same_inode(const struct held *held, int fd)
{
	struct inode_view *view;
	bool same;

	if (!identity_is_overlay(fd))
		return true;
	view = identity_view(fd);
	same = identity_view_is_same(held->view, view);
	identity_view_free(view);
	return same;
}

/* One that has this inode under another id: seen through another overlay mount. */
static struct held *find_inode(const struct watch *w, int fd, const struct elfnote *note)
{
	struct inode_view *view = NULL;
	struct held *held;

	for (held = w->held; held; held = held->next) {
		if (!elfnote_is_same(&held->note, note))
			continue;
		if (!view)
			view = identity_view(fd);
		if (identity_view_is_same(held->view, view))
			break;
	}
	identity_view_free(view);
	return held;
}

/* ---- A look at a file ---- */

static void count_notes(struct watch *w, const struct elfnote *note)
{
	w->skipped.dead_notes += note->dead;
	w->skipped.duplicate_notes += note->duplicate;
	w->skipped.malformed_notes += note->malformed;
	w->skipped.unknown_probes += note->unknown;
	w->skipped.too_many_sites += note->too_many;
}

/* Probes where there are none any more would break what is there now. */
static void say_changed(struct watch *w, const struct held *held)
{
	char safe[256];

	w->skipped.changed++;
	msg_warn("%s was written to while it was attached: let go, and looked at anew",
		 msg_safe(safe, sizeof(safe), held->path ? held->path : "a file"));
}

/* What is attached is what was read, or it is not attached any more. Whether it was changed. */
static bool let_go_if_changed(struct watch *w, struct known *known, int fd,
			      const struct elfnote *note)
{
	struct held *held = known->held;

	if (!is_same_inode(held, fd)) {
		/* Who has mapped it goes on with what they have. */
		if (attach_number(w->attach, &held->id) == held->number)
			attach_disown(w->attach, held->number);
		known->held = NULL;
		return false;
	}
	/* Of code that is not ours the build-id tells, or nothing does. */
	if (elfnote_is_same(&held->note, note) && (!held->foreign || note->build_id_size))
		return false;
	say_changed(w, held);
	let_go(w, held);
	return true;
}

/* What may end a process. */
static void say_risk(const struct recipe_sites *recipe, const char *path)
{
	char line[ATTACH_WHY_SIZE], safe[ATTACH_WHY_SIZE];

	if (recipe && recipe_sites_warn(recipe, path, line, sizeof(line)))
		msg_warn("%s", msg_safe(safe, sizeof(safe), line));
}

static int attach_new_file(struct watch *w, struct known *known, int fd, const char *path,
			   const struct elfnote *note, const struct recipe_sites *recipe, char *why)
{
	int err = attach_file(w->attach, fd, &known->id, note, recipe, why);

	if (err && err != -EEXIST)
		return err;
	known->held = hold(w, fd, &known->id, path, note);
	if (known->held) {
		known->held->foreign = recipe != NULL;
		say_risk(recipe, path);
		return 1;
	}
	attach_drop(w->attach, attach_number(w->attach, &known->id));
	snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	return -ENOMEM;
}

/* FNV-1a: whether a reason is another one. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

/* Where it may be all that there is to say, who has asked says it. */
static void tell_refused(struct watch *w, struct known *known, const char *why)
{
	char safe[ATTACH_WHY_SIZE];

	/* One that may still be written to is looked at again and again. */
	if (known->said == hash(why))
		return;
	known->said = hash(why);
	if (w->asked && !w->refused[0])
		memcpy(w->refused, why, strlen(why) + 1);
	else
		msg_warn("%s", msg_safe(safe, sizeof(safe), why));
}

/*
 * What recipes name in it. Of one that does not fit nothing is probed, and that is said; what has our own
 * probes is watched all the same. How much memory it takes is the file's doing: where there is none, that is
 * no failure of all the others. -EAGAIN: then it is tried again, if it has nothing of ours.
 */
static int find_foreign(struct watch *w, struct known *known, int fd, const char *path,
			const struct elfnote *note, struct recipe_sites **out, char *why)
{
	struct recipe_file file = { fd, path, w->reading ? w->reading->pid : 0 };
	int err;

	*out = NULL;
	if (!w->options.recipes || (known->refused && !w->strict))
		return 0;
	err = recipe_apart_find(w->options.recipes, &file, note, out, why, ATTACH_WHY_SIZE);
	if (!err || w->strict)
		return err;
	known->refused = err != -ENOMEM;
	tell_refused(w, known, why);
	why[0] = '\0';
	return known->refused || note->sites_count ? 0 : -EAGAIN;
}

/* As watch_examine(). */
static int attach_known(struct watch *w, struct known *known, int fd, const char *path,
			const struct elfnote *note, char *why)
{
	struct recipe_sites *recipe;
	int result;

	if (known->held)
		return 1;
	result = find_foreign(w, known, fd, path, note, &recipe, why);
	if (!result && (note->sites_count || recipe)) {
		known->held = find_inode(w, fd, note);
		known->left = !known->held && w->only_ours;
		result = known->held != NULL;
		if (!known->held && !w->only_ours)
			result = attach_new_file(w, known, fd, path, note, recipe, why);
	}
	recipe_sites_free(recipe);
	return result;
}

static void note_result(struct watch *w, struct known *known, int result)
{
	bool failed = result < 0 && result != -ENOEXEC;

	/* One that is being written is none that is damaged. */
	if (failed && !known->counted && !known->fresh) {
		w->skipped.bad_files += result == -EBADMSG;
		w->skipped.files += result != -EBADMSG;
		known->counted = true;
	}
	known->checked = w->look;
	known->tries = failed ? known->tries + 1 : 0;
	known->retry = w->look + (known->tries < 6 ? 1ull << known->tries : WAIT_MOST);
}

/* It may have been written to between the reading of its notes and the attaching. */
static void note_stamp(struct known *known, int fd, const struct file_stamp *before)
{
	struct file_stamp after;

	known->stamp = *before;
	known->fresh = identity_stamp_is_fresh(before) || identity_stamp(fd, &after) ||
		       !identity_stamp_is_same(before, &after);
	if (known->held && known->held->id.dev == known->id.dev &&
	    known->held->id.inode == known->id.inode) {
		known->held->stamp = known->stamp;
		known->held->fresh = known->fresh;
	}
}

/* A former agent's probes, where now there are none: the file was written to while no agent ran. */
static void drop_left(struct watch *w, const struct known *known)
{
	int number = known->held ? -ENOENT : attach_number(w->attach, &known->id);

	if (number >= 0)
		attach_drop(w->attach, number);
}

static int examine(struct watch *w, struct known *known, int fd, const char *path,
		   struct elfnote *note, char *why)
{
	int err = elfnote_read(fd, note);
	/* Also one that is none of ours any more, or not to be read: nothing of it is attached. */
	bool changed = known->held && let_go_if_changed(w, known, fd, note);

	known->left = false;
	known->refused &= !changed && !known->fresh;
	if (err == -ENOEXEC || err == -EBADMSG || (!err && !note->sites_count))
		drop_left(w, known);
	/* It may still be written to: the next look sees what has become of it. */
	if (err || changed)
		return err ? err : -EAGAIN;
	if (!known->checked)
		count_notes(w, note);
	return attach_known(w, known, fd, path, note, why);
}

int watch_examine(struct watch *w, int fd, const struct file_id *id, const char *path,
		  struct known **known, struct elfnote *note, char *why)
{
	struct elfnote own_note = { 0 };
	struct file_stamp stamp;
	int result = identity_stamp(fd, &stamp);

	*known = result ? NULL : remember(w, id);
	if (!*known)
		return result ? result : -ENOMEM;
	if ((*known)->checked && !(*known)->fresh && !(*known)->tries && !note &&
	    (w->only_ours || !(*known)->left) && identity_stamp_is_same(&(*known)->stamp, &stamp)) {
		(*known)->checked = w->look;
		return (*known)->held != NULL;
	}
	result = examine(w, *known, fd, path, note ? note : &own_note, why);
	note_stamp(*known, fd, &stamp);
	note_result(w, *known, result);
	return result;
}

/* ---- All files ---- */

/* The file again: on overlayfs what was copied up since is another inode than the descriptor's. */
static void check_held(struct watch *w, struct held *held)
{
	char link[64], why[ATTACH_WHY_SIZE];
	struct file_stamp stamp;
	struct known *known;
	int fd;

	if (held->fd < 0 || identity_stamp(held->fd, &stamp))
		return;
	if (!held->fresh && identity_stamp_is_same(&held->stamp, &stamp))
		return;
	known = watch_find(w, &held->id);
	/* The id of one that was copied up is its new inode's. */
	if (!known || known->held != held)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", held->fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	watch_examine(w, fd, &held->id, held->path ? held->path : "", &known, NULL, why);
	close(fd);
}

void watch_check_held(struct watch *w)
{
	struct held *held, *next;

	for (held = w->held; held; held = next) {
		next = held->next;
		check_held(w, held);
	}
}

static bool is_idle(const struct watch *w, struct held *held, uint64_t now)
{
	if (held->users || held->given) {
		held->idle = 0;
		return false;
	}
	if (!held->idle) {
		held->idle = now;
		held->reachable = held->fd >= 0 && identity_is_reachable(held->fd);
	}
	if (!w->options.idle_ns)
		return false;
	return now - held->idle >= w->options.idle_ns ||
	       (!held->reachable && now - held->idle >= UNREACHABLE_NS);
}

void watch_sweep_files(struct watch *w, uint64_t now)
{
	struct held *held, *next_held;
	struct known *known, *next;
	size_t gone = 0;

	for (held = w->held; held; held = next_held) {
		next_held = held->next;
		if (gone < LET_GO_MOST && is_idle(w, held, now)) {
			let_go(w, held);
			gone++;
		}
	}
	HASH_ITER (hh, w->known, known, next) {
		if (known->users || known->held || known->checked >= w->began)
			continue;
		HASH_DEL(w->known, known);
		free(known);
	}
}

void watch_free_files(struct watch *w)
{
	struct known *known, *next;
	struct held *held;

	HASH_ITER (hh, w->known, known, next) {
		HASH_DEL(w->known, known);
		free(known);
	}
	while ((held = w->held)) {
		w->held = held->next;
		free_held(w, held);
	}
}
