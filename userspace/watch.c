/* SPDX-License-Identifier: MIT */
#include "watch_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cpu_time.h"
#include "mapped_open.h"
#include "msg.h"
#include "own_note.h"
#include "recipe_target.h"
#include "target.h"

#define WRITTEN_READS 16 /* of news of files at a time */
#define TURN_IS_OVER  1

struct watch *watch_new(struct attach *attach, const struct watch_options *options)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->attach = attach;
	w->look = 1;
	/* Without, the next look finds it. */
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (options)
		w->options = *options;
	w->own = own_note_read();
	if (w->own)
		return w;
	watch_free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	watch_free_processes(w);
	watch_free_files(w);
	if (w->inotify >= 0)
		close(w->inotify);
	free(w->own);
	free(w);
}

void watch_get_skipped(const struct watch *w, struct watch_skipped *out)
{
	*out = w->skipped;
}

size_t watch_known(const struct watch *w)
{
	return HASH_COUNT(w->known);
}

void watch_begin(struct watch *w)
{
	w->look++;
	if (!w->reached)
		w->began = w->look;
	for (struct held *held = w->held; held; held = held->next)
		held->given = false;
	watch_check_held(w);
}

void watch_end(struct watch *w, uint64_t now)
{
	watch_sweep_processes(w);
	watch_sweep_files(w, now);
}

static void begin(struct watch *w, bool only_ours, char *why)
{
	w->hits = 0;
	w->fatal = 0;
	w->only_ours = only_ours;
	w->is_news = false;
	w->strict = false;
	w->asked = false;
	w->refused[0] = '\0';
	w->why = why;
	why[0] = '\0';
}

/* ---- A path ---- */

/* What maps calls it, where that can be told: for a look through all of ours, so it is remembered. */
static int open_path(const struct watch *w, const char *path, struct file_id *id, char *why)
{
	int fd = target_open(path, id, why, ATTACH_WHY_SIZE);
	uint64_t dev, inode;

	if (fd < 0)
		return fd;
	for (const struct held *held = w->held; held; held = held->next) {
		if (held->there.dev == id->dev && held->there.inode == id->inode) {
			*id = held->id;
			return fd;
		}
	}
	if (mapped_identity(fd, &dev, &inode))
		*id = (struct file_id){ .dev = dev, .inode = inode };
	return fd;
}

int watch_path(struct watch *w, const char *path, char *why)
{
	struct elfnote note = { 0 };
	struct known *known;
	struct file_id id;
	int fd = open_path(w, path, &id, why), err;

	if (fd < 0)
		return fd;
	begin(w, false, why);
	w->strict = true;
	err = watch_examine(w, fd, &id, path, &known, &note, why);
	close(fd);
	if (known && known->held)
		known->held->given = true;
	if (err > 0)
		return 0;
	if (why[0])
		return err;
	if (!err && w->options.recipes) {
		recipe_target_explain(w->options.recipes, path, "has no pushback probes and ", why,
				      ATTACH_WHY_SIZE);
		return -ENODATA;
	}
	return target_explain(path, err, &note, why, ATTACH_WHY_SIZE);
}

void watch_path_again(struct watch *w, const char *path)
{
	char why[ATTACH_WHY_SIZE];
	struct known *known;
	struct file_id id;
	int fd = open_path(w, path, &id, why);

	if (fd < 0)
		return;
	begin(w, false, why);
	known = watch_find(w, &id);
	if (known && !watch_is_due(w, known))
		known->checked = w->look;
	else
		watch_examine(w, fd, &id, path, &known, NULL, why);
	close(fd);
	if (known && known->held)
		known->held->given = true;
}

bool watch_has_replaced(const struct watch *w)
{
	for (const struct held *held = w->held; held; held = held->next) {
		if (!held->given)
			return true;
	}
	return false;
}

/* ---- Writes ---- */

int watch_written_fd(const struct watch *w)
{
	return w->inotify;
}

/* Which of them it was, their stamps tell. */
bool watch_written(struct watch *w, bool *changed)
{
	size_t before = w->skipped.changed;
	char events[4096];
	bool any = false;

	/* What is left wakes us again: who writes faster than we read would keep us here. */
	for (int i = 0; i < WRITTEN_READS && w->inotify >= 0; i++) {
		if (read(w->inotify, events, sizeof(events)) <= 0)
			break;
		any = true;
	}
	if (any)
		watch_check_held(w);
	*changed = w->skipped.changed != before;
	return any;
}

/* ---- Processes ---- */

/* Whether it maps anything of ours is told. */
static int look_into(struct watch *w, pid_t pid, size_t *unopened)
{
	int err = watch_census(w, pid, unopened);

	if (!err && w->options.meet && watch_maps_ours(w, pid))
		w->options.meet(pid, w->options.context);
	return err;
}

/* Why there is nothing to watch in what was asked for; else it is a warning. */
static void say_refused(struct watch *w, char *why)
{
	char safe[ATTACH_WHY_SIZE];

	if (w->refused[0] && w->hits)
		msg_warn("%s", msg_safe(safe, sizeof(safe), w->refused));
	else if (w->refused[0])
		memcpy(why, w->refused, sizeof(w->refused));
}

int watch_process(struct watch *w, pid_t pid, char *why)
{
	size_t unopened = 0;
	int err;

	begin(w, false, why);
	/* Later on nobody waits for an answer. */
	w->asked = w->look == 1;
	err = look_into(w, pid, &unopened);
	/* The same ones again at each look. */
	if (unopened > w->unopened) {
		w->skipped.files += unopened - w->unopened;
		w->unopened = unopened;
	}
	/* What comes from the process itself, or what attach had nothing to say about. */
	if (err == -ESRCH || err == -EACCES || (err && !why[0]))
		err = target_explain_process(pid, err, why, ATTACH_WHY_SIZE);
	if (!err)
		say_refused(w, why);
	return err ? err : (int)w->hits;
}

static int look_into_any(pid_t pid, void *context)
{
	struct watch *w = context;
	size_t unopened = 0; /* those of other users, again and again */
	int err = look_into(w, pid, &unopened);

	if (w->fatal)
		return w->fatal;
	return err == -EACCES || err == -EPERM || err == -ESRCH ? 0 : err;
}

/* In order of their numbers, as /proc has them: those that come later are met by the next look. */
static int look_into_next(pid_t pid, void *context)
{
	struct watch *w = context;
	int err;

	if (pid <= w->reached)
		return 0;
	if (w->turn_begun && cpu_time_here() >= w->turn_ends)
		return TURN_IS_OVER;
	w->turn_begun = true;
	err = look_into_any(pid, w);
	w->reached = pid;
	return err;
}

static int look_into_rest(struct watch *w, uint64_t turn_ns)
{
	int err;

	w->turn_begun = false;
	w->turn_ends = cpu_time_here() + turn_ns;
	err = discover_pids(look_into_next, w);
	/* Whoever was the reason of a failure is passed over by the next turn. */
	if (!err)
		w->reached = 0;
	return err == TURN_IS_OVER ? 0 : err;
}

int watch_everything(struct watch *w, uint64_t turn_ns, char *why)
{
	size_t before = attach_files(w->attach);
	int err;

	begin(w, false, why);
	err = look_into_rest(w, turn_ns);
	if (err && !why[0])
		snprintf(why, ATTACH_WHY_SIZE, "cannot look through /proc: %s", strerror(-err));
	if (err)
		return err;
	return attach_files(w->attach) > before ? (int)(attach_files(w->attach) - before) : 0;
}

bool watch_is_under_way(const struct watch *w)
{
	return w->reached;
}

/*
 * Who maps a file that a path leads to is asked to show it, and nothing is lost if that is missed. Of one
 * that is to be let go it matters.
 */
static bool is_thorough(const struct watch *w)
{
	for (const struct held *held = w->held; held; held = held->next) {
		if (held->overlay || !held->given)
			return true;
	}
	return false;
}

void watch_meet(struct watch *w, pid_t pid, uint64_t turn_ns)
{
	char why[ATTACH_WHY_SIZE];
	bool thorough = is_thorough(w);

	if (thorough && !w->thorough)
		watch_read_all_again(w);
	w->thorough = thorough;
	begin(w, true, why);
	if (pid)
		look_into_any(pid, w);
	else
		look_into_rest(w, turn_ns);
}

int watch_news(struct watch *w, pid_t pid, bool image, char *why)
{
	begin(w, false, why);
	w->is_news = true;
	if (image)
		watch_read_again(w, pid);
	return look_into_any(pid, w);
}
