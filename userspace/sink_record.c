/* SPDX-License-Identifier: MIT */
#include "sink_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "status.h"

/* No recorder is larger. */
#define FILE_MOST (128u << 20)
#define SEALS     (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

struct sink_record {
	struct sink sink;
	struct recorder *recorder;
	struct status_socket *socket; /* NULL: nobody can ask */
	struct agent_stats stats;
	uint64_t interval_ns;
	uint64_t began;
	time_t started;
	bool drained;
	int file; /* what was handed out since the last drain, or -1 */
};

static struct sink_record *record_of(struct sink *sink)
{
	return (struct sink_record *)sink;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Recording ---- */

static void drop_file(struct sink_record *s)
{
	if (s->file >= 0)
		close(s->file);
	s->file = -1;
}

static void drained(struct sink *sink, const struct model *m, uint64_t now)
{
	struct sink_record *s = record_of(sink);

	if (!s->drained)
		recorder_begin(s->recorder, now);
	s->drained = true;
	drop_file(s);
	recorder_take(s->recorder, m, now, false);
}

static void early(struct sink *sink, const struct model *m, uint64_t now)
{
	recorder_take_durations(record_of(sink)->recorder, m, now);
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct sink_record *s = record_of(sink);

	s->stats = *stats;
	if (last)
		recorder_take(s->recorder, m, now, true);
	recorder_take_durations(s->recorder, m, now);
}

static void ended(struct sink *sink, const struct record *record)
{
	recorder_end(record_of(sink)->recorder, record, now_ns());
}

/* ---- Being asked ---- */

json_t *sink_record_status(const struct sink *sink)
{
	const struct sink_record *s = (const struct sink_record *)sink;
	const struct status status = {
		.started = s->started,
		.uptime_ns = now_ns() - s->began,
		.interval_ns = s->interval_ns,
		.watching = "",
		.stats = &s->stats,
	};

	return status_object(&status);
}

/* The recorder and the state of the agent, in a file that nobody can write to. An fd, or -1. */
static int make_file(const struct sink_record *s)
{
	char *status = status_line(sink_record_status(&s->sink));
	struct keep_writer w = { 0 };
	int fd = -1;

	recorder_save(s->recorder, &w);
	keep_begin(&w, "status");
	keep_text(&w, status ? status : "");
	keep_end(&w);
	if (!keep_finish(&w))
		fd = memfd_create("pushback-record", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && write(fd, w.data, w.size) != (ssize_t)w.size) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL);
	keep_free(&w);
	free(status);
	return fd;
}

/* Who asks in a loop gets one and the same until the next drain. */
static int file_of(void *context)
{
	struct sink_record *s = context;

	if (s->file < 0)
		s->file = make_file(s);
	return s->file < 0 ? -1 : fcntl(s->file, F_DUPFD_CLOEXEC, 0);
}

static size_t fds_of(const struct sink *sink, struct pollfd *fds)
{
	return status_socket_fds(((const struct sink_record *)sink)->socket, now_ns(), fds);
}

static void poll_sink(struct sink *sink, uint64_t now)
{
	struct sink_record *s = record_of(sink);

	status_socket_poll_file(s->socket, now, file_of, s);
}

int sink_record_listen(struct sink *sink, const char *path)
{
	char beside[STATUS_PATH_SIZE + sizeof(SINK_RECORD_SUFFIX)], why[512];
	struct sink_record *s = record_of(sink);

	int err;

	snprintf(beside, sizeof(beside), "%s" SINK_RECORD_SUFFIX, path);
	err = status_socket_new(&s->socket, beside, why, sizeof(why));
	if (err || !strcmp(status_socket_path(s->socket), beside))
		return err;
	/* Elsewhere nobody would look for it. */
	status_socket_free(s->socket);
	s->socket = NULL;
	return -EADDRINUSE;
}

/* ---- The sink ---- */

static void free_sink(struct sink *sink)
{
	struct sink_record *s = record_of(sink);

	drop_file(s);
	status_socket_free(s->socket);
	recorder_free(s->recorder);
	free(s);
}

static const struct sink_ops ops = {
	.name = "record",
	.flush = flush,
	.early = early,
	.drained = drained,
	.poll = poll_sink,
	.ended = ended,
	.fds = fds_of,
	.free = free_sink,
};

struct sink *sink_record_new(uint64_t interval_ns)
{
	struct sink_record *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.ops = &ops;
	s->file = -1;
	s->interval_ns = interval_ns;
	s->started = time(NULL);
	s->began = now_ns();
	s->recorder = recorder_new(s->began);
	if (s->recorder)
		return &s->sink;
	free(s);
	return NULL;
}

const struct recorder *sink_record_recorder(const struct sink *sink)
{
	return ((const struct sink_record *)sink)->recorder;
}

/* ---- Asking ---- */

static int parse(const void *data, size_t size, struct recorder **out, json_t **status)
{
	struct keep_reader r, section;
	int err = keep_open(&r, data, size);

	if (!err)
		err = recorder_load(out, &r);
	if (err)
		return err;
	if (keep_find(&r, "status", &section))
		*status = json_loads(keep_read_text(&section), JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(*status))
		return 0;
	json_decref(*status);
	*status = NULL;
	recorder_free(*out);
	*out = NULL;
	return -EBADMSG;
}

/*
 * Who answers may be anybody. Of a file that can still be written to or cut off, what was checked would not
 * be what is used, and the end may be missing (SIGBUS); and one of a file system of its own may never come.
 */
static bool is_final(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int read_whole(int fd, struct recorder **out, json_t **status)
{
	struct stat st;
	void *data;
	int err;

	if (!is_final(fd))
		return -EBADMSG;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size <= 0 || st.st_size > FILE_MOST)
		return -EBADMSG;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	err = parse(data, (size_t)st.st_size, out, status);
	munmap(data, (size_t)st.st_size);
	return err;
}

int sink_record_ask(const char *path, int ms, struct recorder **out, json_t **status, int *pid)
{
	char beside[STATUS_PATH_SIZE + sizeof(SINK_RECORD_SUFFIX)];
	int fd, err;

	*out = NULL;
	*status = NULL;
	snprintf(beside, sizeof(beside), "%s" SINK_RECORD_SUFFIX, path);
	err = status_ask_file(beside, ms, &fd, pid);
	if (err)
		return err;
	err = read_whole(fd, out, status);
	close(fd);
	return err;
}
