/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define READ_TRIES 8
#define THREADS_MOST \
	16 /* that are asked: with a thousand that may not be read it would take a while */
#define STATE_SIZE offsetof(struct pushback_step, name)

/* Another thread may have a better answer: this one has exited, or other credentials. */
static bool is_of_thread(ssize_t err)
{
	return err == -ESRCH || err == -EPERM;
}

struct request {
	const struct iovec *to, *from;
	size_t to_count, from_count;
};

static ssize_t read_from(pid_t thread, const struct request *r)
{
	ssize_t n = process_vm_readv(thread, r->to, r->to_count, r->from, r->from_count, 0);

	if (n >= 0)
		return n;
	return errno == EACCES ? -EPERM : -errno;
}

/*
 * A first thread that has exited has no memory any more, and the process may live on without it. When
 * no thread has any, the exit of the last one was told before.
 */
static ssize_t read_through_others(pid_t pid, const struct request *r, ssize_t err)
{
	const struct dirent *entry;
	unsigned int asked = 0;
	char path[32];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return err;
	while (is_of_thread(err) && asked < THREADS_MOST && (entry = readdir(tasks))) {
		pid_t thread = (pid_t)atoi(entry->d_name);
		ssize_t n;

		if (thread <= 0 || thread == pid)
			continue;
		asked++;
		n = read_from(thread, r);
		/* One that has just exited says nothing about the others. */
		if (n != -ESRCH)
			err = n;
	}
	closedir(tasks);
	return err;
}

ssize_t peek(pid_t pid, const struct iovec *to, size_t to_count, const struct iovec *from,
	     size_t from_count)
{
	struct request r = { to, from, to_count, from_count };
	ssize_t n = read_from(pid, &r);

	return is_of_thread(n) ? read_through_others(pid, &r, n) : n;
}

/* Twice in one call, one after the other: what is alike in both has not changed in between. */
static int read_twice(pid_t pid, uint64_t place, struct pushback_step out[2])
{
	struct iovec to[2] = { { &out[0], STATE_SIZE }, { &out[1], STATE_SIZE } };
	struct iovec from[2] = { { (void *)(uintptr_t)place, STATE_SIZE },
				 { (void *)(uintptr_t)place, STATE_SIZE } };
	ssize_t n = peek(pid, to, 2, from, 2);

	if (n < 0)
		return (int)n;
	return n == 2 * (ssize_t)STATE_SIZE ? 0 : -EFAULT;
}

/* A thread is between two of an edge's stores: the bit and the time do not agree. */
static bool in_mid_edge(const struct pushback_step *s)
{
	return !(s->state & PUSHBACK_OPEN) != !s->direction[PUSHBACK_SEND].since ||
	       !(s->state & PUSHBACK_OPEN << 1) != !s->direction[PUSHBACK_RECEIVE].since;
}

/* Counts may move on between two reads, episodes may not: those are several words that belong together. */
static bool same_episodes(const struct pushback_step *a, const struct pushback_step *b)
{
	return a->state == b->state && a->self_ns == b->self_ns && a->self_since == b->self_since &&
	       a->epoch == b->epoch && a->watch_since == b->watch_since &&
	       !memcmp(a->direction, b->direction, sizeof(a->direction));
}

static bool is_same_step(const struct pushback_step *s, const struct pushback_step *known)
{
	return s->magic == PUSHBACK_STEP_MAGIC && s->version == known->version &&
	       s->instance == known->instance;
}

int peek_step(pid_t pid, uint64_t place, struct pushback_step *step)
{
	struct pushback_step read[2];
	int err, i;

	for (i = 0; i < READ_TRIES; i++) {
		err = read_twice(pid, place, read);
		if (err)
			return err;
		if (!is_same_step(&read[1], step))
			return -ENOENT;
		if (read[1].epoch != step->epoch || read[1].watch_since != step->watch_since)
			return -EAGAIN;
		if (same_episodes(&read[0], &read[1]) && !in_mid_edge(&read[1])) {
			memcpy(step, &read[1], STATE_SIZE);
			return 0;
		}
	}
	return -EAGAIN;
}
