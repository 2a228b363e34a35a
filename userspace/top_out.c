/* SPDX-License-Identifier: MIT */
#include "top_out.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "write_soon.h"

#define LINGER_MS   1000 /* in all, and for the next sign of life */
#define PATIENCE_MS 250
#define LOOK_MS     20 /* how often whether a pipe is empty, which nothing tells */

struct top_out {
	int fd;
	int err;
	char *data; /* what waits, from `done` on */
	size_t size, room, done;
	bool is_pipe, is_text;
	bool is_long; /* the next line waits for an empty pipe */
	FILE *refresh;
	char *text; /* the refresh's */
	size_t text_size;
	uint64_t left_out;
};

struct top_out *top_out_new(int fd)
{
	struct top_out *o = calloc(1, sizeof(*o));
	struct stat stat;

	if (!o)
		return NULL;
	o->fd = fd;
	o->is_pipe = !fstat(fd, &stat) && S_ISFIFO(stat.st_mode);
	return o;
}

void top_out_free(struct top_out *o)
{
	if (!o)
		return;
	free(o->data);
	free(o);
}

void top_out_drop(struct top_out *o)
{
	o->size = o->done = 0;
}

bool top_out_waits(const struct top_out *o)
{
	return o->done < o->size && !o->err;
}

int top_out_error(const struct top_out *o)
{
	return o->err;
}

int top_out_fd(const struct top_out *o)
{
	return o->fd;
}

struct pollfd top_out_poll(const struct top_out *o)
{
	return (struct pollfd){ .fd = o->fd,
				.events = top_out_waits(o) && !o->is_long ? POLLOUT : 0 };
}

/* ---- Writing ---- */

static bool is_in_use(const struct top_out *o)
{
	int waiting;

	return o->is_pipe && !ioctl(o->fd, FIONREAD, &waiting) && waiting;
}

/*
 * As many whole lines as a pipe takes all at once or not at all. A longer line has the pipe to
 * itself: 0 while it has not.
 */
static size_t next_piece(const struct top_out *o)
{
	const char *from = o->data + o->done, *end;
	size_t left = o->size - o->done, most = left < PIPE_BUF ? left : PIPE_BUF;

	if (!o->is_text)
		return most;
	end = memrchr(from, '\n', most);
	if (end)
		return (size_t)(end - from) + 1;
	if (is_in_use(o))
		return 0;
	end = memchr(from, '\n', left);
	return end ? (size_t)(end - from) + 1 : left;
}

static void look_for_reader(struct top_out *o)
{
	struct pollfd fd = { .fd = o->fd };

	if (poll(&fd, 1, 0) > 0 && fd.revents & (POLLERR | POLLHUP))
		o->err = -EPIPE;
}

void top_out_push(struct top_out *o)
{
	while (top_out_waits(o)) {
		size_t piece = next_piece(o);
		ssize_t n = piece ? write_soon(o->fd, o->data + o->done, piece) : -EAGAIN;

		o->is_long = !piece;
		if (n == -EAGAIN)
			break;
		if (n < 0)
			o->err = (int)n;
		else
			o->done += (size_t)n;
	}
	if (o->done == o->size)
		top_out_drop(o);
	if (!o->err)
		look_for_reader(o);
}

/* Waits for room, at most `ms`, and writes. Whether any of it was taken. */
static bool push_later(struct top_out *o, int ms)
{
	struct pollfd fd = top_out_poll(o);
	size_t before = o->done;

	poll(&fd, 1, o->is_long ? LOOK_MS : ms);
	top_out_push(o);
	return o->done != before;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void top_out_linger(struct top_out *o)
{
	int64_t now = now_ms(), end = now + LINGER_MS, sign = now;

	for (; top_out_waits(o) && now < end && now < sign + PATIENCE_MS; now = now_ms())
		if (push_later(o, PATIENCE_MS))
			sign = now;
}

void top_out_finish(struct top_out *o)
{
	while (top_out_waits(o))
		push_later(o, -1);
}

/* ---- What is to be written ---- */

int top_out_put(struct top_out *o, const void *data, size_t size)
{
	size_t need;

	if (!size)
		return 0;
	if (o->done)
		memmove(o->data, o->data + o->done, o->size - o->done);
	o->size -= o->done;
	o->done = 0;
	need = o->size + size;
	if (need > o->room) {
		char *bigger = realloc(o->data, need);

		if (!bigger)
			return -ENOMEM;
		o->data = bigger;
		o->room = need;
	}
	memcpy(o->data + o->size, data, size);
	o->size = need;
	return 0;
}

FILE *top_out_begin(struct top_out *o, bool last)
{
	top_out_push(o);
	if (top_out_waits(o) && !last) {
		o->left_out++;
		return NULL;
	}
	o->is_text = true;
	o->refresh = open_memstream(&o->text, &o->text_size);
	return o->refresh;
}

void top_out_end(struct top_out *o)
{
	if (!fclose(o->refresh))
		top_out_put(o, o->text, o->text_size);
	free(o->text);
	o->text = NULL;
	o->refresh = NULL;
	top_out_push(o);
}

/* ---- What was lost ---- */

void top_out_add_lost(struct agent_stats *stats, const char *reason, uint64_t count)
{
	size_t used = 0, most = sizeof(stats->lost) / sizeof(stats->lost[0]) - 1;

	while (used < most && stats->lost[used].reason)
		used++;
	if (!count || used == most)
		return;
	stats->lost[used].reason = reason;
	stats->lost[used].count = count;
	stats->lost[used + 1].reason = NULL;
}

struct agent_stats top_out_stats(const struct top_out *o, const struct agent_stats *stats)
{
	struct agent_stats all = *stats;

	top_out_add_lost(&all, "output_stuck", o->left_out);
	return all;
}
