/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "reader.h"

#define THREADS_MOST \
	16 /* that are asked: with a thousand that may not be read it would take a while */

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

ssize_t peek_here(pid_t pid, const struct iovec *to, size_t to_count, const struct iovec *from,
		  size_t from_count)
{
	struct request r = { to, from, to_count, from_count };
	ssize_t n = read_from(pid, &r);

	return is_of_thread(n) ? read_through_others(pid, &r, n) : n;
}

/* ---- In another thread ---- */

/* All that it needs: whoever asked may be gone when it has been read. */
struct job {
	struct reader_job reader;
	pid_t pid;
	ssize_t result;
	struct iovec *from;
	size_t from_count, from_most;
	char *room;
	size_t size, size_most;
};

static void run(struct reader_job *reader)
{
	struct job *job = (struct job *)reader;
	struct iovec to = { job->room, job->size };

	job->result = -EPERM;
	if (reader_turn(reader, job->pid))
		job->result = peek_here(job->pid, &to, 1, job->from, job->from_count);
}

static void release(struct reader_job *reader)
{
	struct job *job = (struct job *)reader;

	free(job->from);
	free(job->room);
	free(job);
}

static struct job *job_new(void)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job)
		job->reader = (struct reader_job){ .run = run, .release = release };
	return job;
}

static bool reserve(struct job *job, size_t from_count, size_t size)
{
	if (from_count > job->from_most) {
		free(job->from);
		job->from = malloc(from_count * sizeof(*job->from));
		job->from_most = job->from ? from_count : 0;
	}
	if (size > job->size_most) {
		free(job->room);
		job->room = malloc(size);
		job->size_most = job->room ? size : 0;
	}
	return job->from_most >= from_count && job->size_most >= size;
}

static bool prepare(struct job *job, pid_t pid, const struct iovec *from, size_t from_count)
{
	size_t size = 0;

	for (size_t i = 0; i < from_count; i++)
		size += from[i].iov_len;
	if (!reserve(job, from_count, size))
		return false;
	memcpy(job->from, from, from_count * sizeof(*from));
	job->pid = pid;
	job->from_count = from_count;
	job->size = size;
	return true;
}

static void hand_out(const struct job *job, const struct iovec *to, size_t to_count)
{
	size_t left = job->result > 0 ? (size_t)job->result : 0, done = 0;

	for (size_t i = 0; left && i < to_count; i++) {
		size_t n = to[i].iov_len < left ? to[i].iov_len : left;

		memcpy(to[i].iov_base, job->room + done, n);
		done += n;
		left -= n;
	}
}

ssize_t peek(pid_t pid, const struct iovec *to, size_t to_count, const struct iovec *from,
	     size_t from_count)
{
	static struct job *job;

	if (!job)
		job = job_new();
	if (!job || !prepare(job, pid, from, from_count))
		return -EAGAIN;
	if (!reader_run(&job->reader)) {
		job = NULL;
		return -EPERM;
	}
	hand_out(job, to, to_count);
	return job->result;
}
