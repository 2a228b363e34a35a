/* SPDX-License-Identifier: MIT */
/*
 * watch_census.c - see watch_internal.h
 *
 * To read what a process maps takes 15 to 100 us, and there may be thousands that never map anything
 * of ours. How much it maps, /proc/PID/statm, takes 2 us through a descriptor that is kept open, which
 * also stays with this process when its number becomes another's. So maps are read when that has
 * changed, and every so often for what leaves it as it was, as a name that is another one.
 */
#include "watch_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cpu_time.h"

/* Looks, of which one reads all; not the same one for all processes. */
#define WHOLE_EVERY 16
/* A part of the descriptors that we may have, and no more: the kernel has 5 KiB for each. */
#define STATMS_PART 4
/* Of CPU time, that the files of one process take at a look. */
#define READ_NS     500000000ull
#define STATMS_MOST 4096

static struct process *find(const struct watch *w, pid_t pid)
{
	struct process *p;

	HASH_FIND(hh, w->processes, &pid, sizeof(pid), p);
	return p;
}

static struct process *process_of(struct watch *w, pid_t pid)
{
	struct process *p = find(w, pid);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->statm = -1;
	p->again = true;
	HASH_ADD(hh, w->processes, pid, sizeof(p->pid), p);
	if (p->hh.tbl)
		return p;
	free(p);
	return NULL;
}

static void release(struct use *uses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uses[i].known->users--;
		if (uses[i].held)
			uses[i].held->users--;
	}
}

static void close_statm(struct watch *w, struct process *p)
{
	if (p->statm < 0)
		return;
	close(p->statm);
	p->statm = -1;
	w->statms--;
}

static void forget(struct watch *w, struct process *p)
{
	release(p->uses, p->uses_count);
	close_statm(w, p);
	HASH_DEL(w->processes, p);
	free(p->uses);
	free(p);
}

/* ---- Whether anything is new ---- */

static int open_statm(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t statms_most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur /= STATMS_PART;
	return limit.rlim_cur < STATMS_MOST ? (size_t)limit.rlim_cur : STATMS_MOST;
}

static ssize_t read_statm(struct watch *w, struct process *p, char *text, size_t size)
{
	int fd = p->statm < 0 ? open_statm(p->pid) : p->statm;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size, 0);

	if (p->statm < 0 && fd >= 0 && w->statms < w->statms_most) {
		p->statm = fd;
		w->statms++;
	} else if (p->statm < 0 && fd >= 0) {
		close(fd);
	}
	return n;
}

/* All pages that it maps, and those of its executable's code. false: it has ended. */
static bool read_pages(struct watch *w, struct process *p, uint64_t pages[2])
{
	unsigned long long size, code;
	char text[128];
	ssize_t n = read_statm(w, p, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%llu %*u %*u %llu", &size, &code) != 2)
		return false;
	pages[0] = size;
	pages[1] = code;
	return true;
}

static bool is_as_it_was(struct watch *w, struct process *p)
{
	uint64_t pages[2];
	bool same;

	if (!read_pages(w, p, pages)) {
		/* Its number may be another one's by now. */
		close_statm(w, p);
		p->again = true;
		return false;
	}
	same = pages[0] == p->pages[0] && pages[1] == p->pages[1];
	p->pages[0] = pages[0];
	p->pages[1] = pages[1];
	return same && !p->again && (w->look + (uint64_t)p->pid) % WHOLE_EVERY;
}

/* ---- What it maps ---- */

/* A process goes on with what it has mapped where the file has been copied up since. */
static struct held *held_by(const struct process *p, const struct known *known)
{
	for (size_t i = 0; i < p->uses_held; i++) {
		if (p->uses[i].known == known && p->uses[i].held)
			return p->uses[i].held;
	}
	return known->held;
}

static void use(struct watch *w, struct known *known)
{
	struct process *p = w->reading;
	struct held *held = held_by(p, known);

	if (w->uses_count == w->uses_most) {
		size_t most = w->uses_most ? 2 * w->uses_most : 64;
		struct use *uses = realloc(w->uses, most * sizeof(*uses));

		if (!uses) {
			w->no_memory = true;
			return;
		}
		w->uses = uses;
		w->uses_most = most;
	}
	w->uses[w->uses_count++] = (struct use){ known, held };
	known->users++;
	if (held)
		held->users++;
	w->hits += held != NULL;
	p->again |= known->tries || known->fresh;
}

/* Others wait meanwhile: what there is no time for is left to the next look, but where somebody has asked. */
static bool has_time(struct watch *w, uint64_t most_ns)
{
	if (w->asked || cpu_time_here() - w->read_began < most_ns)
		return true;
	w->reading->again = true;
	return false;
}

/* To see whether those are as they were leaves time for those that are new. */
static bool is_wanted(const struct file_id *id, void *context)
{
	struct watch *w = context;
	struct known *known = watch_find(w, id);

	if (!known)
		return (!w->only_ours || w->thorough) && has_time(w, READ_NS);
	if (watch_is_due(w, known) && has_time(w, READ_NS / 2))
		return true;
	use(w, known);
	return false;
}

static int look_at(struct mapped_file *file, void *context)
{
	struct watch *w = context;
	struct known *known;
	int err = watch_examine(w, file->fd, &file->id, file->path, &known, NULL, w->why);

	if (known)
		use(w, known);
	else
		w->no_memory = true;
	if (err == -EPERM || err == -ENOMEM)
		w->fatal = err;
	return w->fatal;
}

/* To be looked through for each file at the next time. */
static void sort_uses(struct process *p, const struct use *uses)
{
	size_t last = p->uses_count;

	for (size_t i = 0; i < p->uses_count; i++) {
		if (uses[i].held)
			p->uses[p->uses_held++] = uses[i];
		else
			p->uses[--last] = uses[i];
	}
}

/* What was read takes the place of what it mapped before. */
static void take_over(struct watch *w, struct process *p)
{
	size_t size = w->uses_count * sizeof(*w->uses);
	struct use *uses = size ? malloc(size) : NULL;

	release(p->uses, p->uses_count);
	free(p->uses);
	p->uses = uses;
	p->uses_count = uses ? w->uses_count : 0;
	p->uses_held = 0;
	if (uses) {
		sort_uses(p, w->uses);
	} else if (size) {
		release(w->uses, w->uses_count);
		p->again = true;
	}
}

/* Of one that is not to be looked at: nothing, as if it had ended. */
static int read_maps(struct watch *w, struct process *p, size_t *unopened)
{
	int err = 0;

	p->again = false;
	w->reading = p;
	w->uses_count = 0;
	w->no_memory = false;
	w->read_began = cpu_time_here();
	if (!w->options.admits || w->options.admits(p->pid, w->options.context))
		err = discover_process(p->pid, is_wanted, look_at, w, unopened);
	take_over(w, p);
	w->reading = NULL;
	p->again |= w->no_memory;
	p->took = cpu_time_here() - w->read_began;
	if (w->options.took)
		w->options.took(p->took, w->options.context);
	return err;
}

/* But where somebody has asked, and waits for the answer. */
static bool has_to_wait(const struct watch *w, struct process *p)
{
	if (!w->options.waits || !w->options.waits(p->pid, p->took, w->options.context) || w->asked)
		return false;
	p->again = true;
	return true;
}

int watch_census(struct watch *w, pid_t pid, size_t *unopened)
{
	struct process *p = process_of(w, pid);
	int err = 0;

	if (!p)
		return -ENOMEM;
	if (!w->statms_most)
		w->statms_most = statms_most();
	if (is_as_it_was(w, p) || has_to_wait(w, p)) {
		for (size_t i = 0; i < p->uses_count; i++)
			w->hits += p->uses[i].held != NULL;
	} else {
		err = read_maps(w, p, unopened);
	}
	p->look = w->look;
	if (err == -ESRCH)
		forget(w, p);
	return err;
}

void watch_sweep_processes(struct watch *w)
{
	struct process *p, *next;

	HASH_ITER (hh, w->processes, p, next) {
		if (p->look < w->began)
			forget(w, p);
	}
}

void watch_forget_use(struct watch *w, const struct held *held)
{
	for (struct process *p = w->processes; p; p = p->hh.next) {
		for (size_t i = 0; i < p->uses_count; i++) {
			if (p->uses[i].held != held)
				continue;
			p->uses[i].held = NULL;
			p->again = true;
		}
	}
	for (size_t i = 0; w->reading && i < w->uses_count; i++) {
		if (w->uses[i].held == held)
			w->uses[i].held = NULL;
	}
}

void watch_read_all_again(struct watch *w)
{
	for (struct process *p = w->processes; p; p = p->hh.next)
		p->again = true;
}

void watch_read_again(struct watch *w, pid_t pid)
{
	struct process *p = find(w, pid);

	if (!p)
		return;
	release(p->uses, p->uses_count);
	p->uses_count = p->uses_held = 0;
	p->again = true;
	p->took = 0;
}

bool watch_maps_ours(const struct watch *w, pid_t pid)
{
	const struct process *p = find(w, pid);

	for (size_t i = 0; p && i < p->uses_count; i++) {
		if (p->uses[i].held && !p->uses[i].held->observer)
			return true;
	}
	return false;
}

void watch_free_processes(struct watch *w)
{
	struct process *p, *next;

	HASH_ITER (hh, w->processes, p, next)
		forget(w, p);
	free(w->uses);
}
