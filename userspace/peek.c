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

static size_t peek_size(const struct peek_request *r)
{
	size_t size = 0;

	for (size_t i = 0; i < r->from_count; i++)
		size += r->from[i].iov_len;
	return size;
}

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

/* ---- In a reader ---- */

/* All that it needs: whoever asked may be gone when it has been read. */
struct job {
	struct reader_job reader;
	struct peek_request *requests; /* with `from` among the job's */
	size_t requests_count, requests_most;
	struct iovec *from;
	size_t from_most;
	char *room;
	size_t room_most;
};

static void run(struct reader_job *reader)
{
	struct job *job = (struct job *)reader;
	char *room = job->room;

	for (size_t i = 0; i < job->requests_count; i++) {
		struct peek_request *r = &job->requests[i];
		struct iovec to = { room, peek_size(r) };

		r->found = room;
		r->result = -EPERM;
		if (reader_turn(reader, r->pid))
			r->result = peek_here(r->pid, &to, 1, r->from, r->from_count);
		room += to.iov_len;
	}
}

static void release(struct reader_job *reader)
{
	struct job *job = (struct job *)reader;

	free(job->requests);
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

/* What is in it is not kept. */
static void *at_least(void *array, size_t *most, size_t count, size_t size)
{
	if (count <= *most)
		return array;
	free(array);
	array = malloc(count * size);
	*most = array ? count : 0;
	return array;
}

static bool reserve(struct job *job, size_t requests, size_t from, size_t size)
{
	job->requests =
		at_least(job->requests, &job->requests_most, requests, sizeof(*job->requests));
	job->from = at_least(job->from, &job->from_most, from, sizeof(*job->from));
	job->room = at_least(job->room, &job->room_most, size, 1);
	return job->requests_most >= requests && job->from_most >= from && job->room_most >= size;
}

static bool prepare(struct job *job, const struct peek_request *requests, size_t count)
{
	size_t from = 0, size = 0, i;

	for (i = 0; i < count; i++) {
		from += requests[i].from_count;
		size += peek_size(&requests[i]);
	}
	if (!reserve(job, count, from, size))
		return false;
	for (i = from = 0; i < count; i++) {
		size_t n = requests[i].from_count;

		memcpy(&job->from[from], requests[i].from, n * sizeof(*job->from));
		job->requests[i] = requests[i];
		job->requests[i].from = &job->from[from];
		from += n;
	}
	job->requests_count = count;
	return true;
}

static void fail(struct peek_request *requests, size_t count, int err)
{
	for (size_t i = 0; i < count; i++)
		requests[i].result = err;
}

/*
 * Whoever held the reader is passed over the next time, and the others are asked again: at most as often
 * as there are some that may do so.
 */
void peek_all(struct peek_request *requests, size_t count)
{
	static struct job *job;
	size_t times;

	for (times = 0; times <= count; times++) {
		if (!job)
			job = job_new();
		if (!job || !prepare(job, requests, count)) {
			fail(requests, count, -EAGAIN);
			return;
		}
		if (reader_run(&job->reader))
			break;
		job = NULL;
	}
	if (!job) {
		fail(requests, count, -EPERM);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		requests[i].result = job->requests[i].result;
		requests[i].found = job->requests[i].found;
	}
}

ssize_t peek(pid_t pid, uint64_t place, void *to, size_t size)
{
	struct iovec from = { (void *)(uintptr_t)place, size };
	struct peek_request request = { .pid = pid, .from = &from, .from_count = 1 };

	peek_all(&request, 1);
	if (request.result > 0)
		memcpy(to, request.found, (size_t)request.result);
	return request.result;
}
