/* SPDX-License-Identifier: MIT */
#include "status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Who asks in a loop gets so many answers in a while, and costs the agent no more than that. */
#define ANSWERS_MOST 8
#define WHILE_NS     100000000u
#define BACKLOG      16
#define LOCK_TRIES   20 /* each of 10 ms: who holds it binds, and that is all */

struct status_socket {
	int fd;
	char path[STATUS_PATH_SIZE];
	dev_t dev; /* of what was made at the path */
	ino_t inode;
	uint64_t since; /* the while began */
	unsigned int answers;
};

static int address_of(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

/* A connected socket, or -errno. Where many wait for an answer it waits up to `ms` to be one of them. */
static int connect_to(const char *path, int ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L };
	struct sockaddr_un address;
	int err = address_of(&address, path), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (ms ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Whose socket it is that this one is connected to: as of when it began to listen. */
static int peer_of(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0 : peer.pid;
}

/* Whether somebody listens there; `pid` is then who, 0 if not known. */
static bool is_alive(const char *path, int *pid)
{
	int fd = connect_to(path, 0);

	*pid = 0;
	/* Anything else may be alive: no such error is worth the socket of somebody else. */
	if (fd < 0)
		return fd != -ECONNREFUSED;
	*pid = peer_of(fd);
	close(fd);
	return true;
}

/* ---- Making it ---- */

static void folder_of(char out[STATUS_PATH_SIZE], const char *path)
{
	char copy[STATUS_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(out, STATUS_PATH_SIZE, "%s", dirname(copy));
}

/* Nobody but us may do anything in it. 0 or -errno. */
static int make_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid())
		return -EPERM;
	return (st.st_mode & 077) && chmod(path, 0700) ? -errno : 0;
}

/* Two that start at once would each find the same dead socket. An fd to be closed, or -errno. */
static int lock_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	close(fd);
	return -EBUSY;
}

/* -EADDRINUSE: somebody listens there, `pid`, or it is no socket. */
static int bind_to(struct status_socket *s, const char *path, int *pid)
{
	struct sockaddr_un address;
	struct stat st;
	mode_t mask;
	int err = address_of(&address, path);

	*pid = 0;
	if (err)
		return err;
	if (!lstat(path, &st)) {
		if (!S_ISSOCK(st.st_mode) || is_alive(path, pid))
			return -EADDRINUSE;
		if (unlink(path))
			return -errno;
	}
	/* From its first moment on nobody else may open it. */
	mask = umask(0177);
	err = bind(s->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (err || listen(s->fd, BACKLOG) || lstat(path, &st))
		return err ? err : -errno;
	s->dev = st.st_dev;
	s->inode = st.st_ino;
	snprintf(s->path, sizeof(s->path), "%s", path);
	return 0;
}

static int bind_own(struct status_socket *s, const char *path, const char *folder, int pid,
		    char *why, size_t why_size)
{
	char own[2 * STATUS_PATH_SIZE];
	int err, other;

	snprintf(own, sizeof(own), "%s/agent-%d.sock", folder, (int)getpid());
	err = bind_to(s, own, &other);
	if (err)
		return err;
	if (pid)
		snprintf(why, why_size,
			 "process %d has %s: pushback status --socket %s asks this one", pid, path,
			 own);
	else
		snprintf(why, why_size, "%s is taken: pushback status --socket %s asks this one",
			 path, own);
	return 0;
}

/* Those of agents that were killed: each had some of its own number, which nobody else would replace. */
static void sweep_dead(const char *folder)
{
	char pattern[2 * STATUS_PATH_SIZE];
	glob_t found;
	int pid;

	snprintf(pattern, sizeof(pattern), "%s/agent-[0-9]*.sock*", folder);
	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct stat st;

		if (!lstat(found.gl_pathv[i], &st) && S_ISSOCK(st.st_mode) &&
		    !is_alive(found.gl_pathv[i], &pid))
			unlink(found.gl_pathv[i]);
	}
	globfree(&found);
}

static int open_at(struct status_socket *s, const char *path, char *why, size_t why_size)
{
	char folder[STATUS_PATH_SIZE];
	int err, lock, pid = 0;

	folder_of(folder, path);
	err = strcmp(path, STATUS_SOCKET) ? 0 : make_folder(folder);
	if (err)
		return err;
	lock = lock_folder(folder);
	if (lock < 0 && lock != -EBUSY)
		return lock;
	if (lock >= 0 && !strcmp(path, STATUS_SOCKET))
		sweep_dead(folder);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = s->fd < 0 ? -errno : lock < 0 ? -EADDRINUSE : bind_to(s, path, &pid);
	if (err == -EADDRINUSE)
		err = bind_own(s, path, folder, pid, why, why_size);
	if (lock >= 0)
		close(lock);
	return err;
}

int status_socket_new(struct status_socket **out, const char *path, char *why, size_t why_size)
{
	struct status_socket *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	why[0] = '\0';
	path = path ? path : STATUS_SOCKET;
	if (s)
		s->fd = -1;
	err = s ? open_at(s, path, why, why_size) : -ENOMEM;
	if (!err) {
		*out = s;
		return 0;
	}
	status_socket_free(s);
	snprintf(why, why_size, "pushback status cannot ask this agent: %s: %s", path,
		 err == -ENAMETOOLONG ? "a socket's path has at most 107 bytes" : strerror(-err));
	return err;
}

void status_socket_free(struct status_socket *s)
{
	struct stat st;

	if (!s)
		return;
	/* Another agent's may stand there by now, if this one's was taken away. */
	if (s->inode && !lstat(s->path, &st) && st.st_dev == s->dev && st.st_ino == s->inode)
		unlink(s->path);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* ---- Answering ---- */

static bool is_tired(const struct status_socket *s, uint64_t now)
{
	return s->answers >= ANSWERS_MOST && now - s->since < WHILE_NS;
}

size_t status_socket_fds(const struct status_socket *s, uint64_t now, struct pollfd *fd)
{
	if (!s || is_tired(s, now))
		return 0;
	*fd = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	return 1;
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	       (!peer.uid || peer.uid == geteuid());
}

/* The kernel keeps it for the client, which may read it when it likes; what does not fit is not sent. */
static void hand_over(int fd, const char *text)
{
	size_t size = strlen(text), done = 0;

	while (done < size) {
		ssize_t n = send(fd, text + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* Answers who has asked. */
typedef void give_fn(int fd, void *context);

static void serve(struct status_socket *s, uint64_t now, give_fn *give, void *context)
{
	int fd = 0;

	if (!s || is_tired(s, now))
		return;
	if (now - s->since >= WHILE_NS) {
		s->since = now;
		s->answers = 0;
	}
	for (; s->answers < ANSWERS_MOST; s->answers++) {
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			break;
		if (is_allowed(fd))
			give(fd, context);
		close(fd);
	}
	/* Out of descriptors it would wake us again and again. */
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)
		s->answers = ANSWERS_MOST;
}

/* Made for the first that asks, and the same for those that ask together with it. */
struct text_answer {
	status_answer_fn *make;
	void *context;
	char *text;
};

static void give_text(int fd, void *context)
{
	struct text_answer *a = context;

	if (!a->text)
		a->text = a->make(a->context);
	if (a->text)
		hand_over(fd, a->text);
}

void status_socket_poll(struct status_socket *s, uint64_t now, status_answer_fn *answer,
			void *context)
{
	struct text_answer a = { answer, context, NULL };

	serve(s, now, give_text, &a);
	free(a.text);
}

struct file_answer {
	status_file_fn *make;
	void *context;
	int file;
};

union file_control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static void give_file(int fd, void *context)
{
	struct file_answer *a = context;
	union file_control control = { 0 };
	char byte = 'f';
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (a->file < 0)
		a->file = a->make(a->context);
	if (a->file < 0)
		return;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &a->file, sizeof(int));
	/* One that has gone again has no use for it. */
	(void)!sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void status_socket_poll_file(struct status_socket *s, uint64_t now, status_file_fn *answer,
			     void *context)
{
	struct file_answer a = { answer, context, -1 };

	serve(s, now, give_file, &a);
	if (a.file >= 0)
		close(a.file);
}

const char *status_socket_path(const struct status_socket *s)
{
	return s->path;
}

/* ---- Asking ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Up to its end, or until `end`. */
static int read_answer(int fd, int64_t end, char *text)
{
	size_t size = 0;

	for (;;) {
		struct pollfd there = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || !poll(&there, 1, (int)left))
			return -ETIMEDOUT;
		n = recv(fd, text + size, STATUS_ANSWER_MAX - size, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		size += (size_t)n;
		text[size] = '\0';
		if (!n)
			return size ? 0 : -EACCES; /* it has looked at who we are */
		if (size == STATUS_ANSWER_MAX)
			return -EFBIG;
	}
}

int status_ask(const char *path, int ms, char **answer, int *pid)
{
	int64_t end = now_ms() + ms;
	int fd = connect_to(path, ms), err;

	*answer = NULL;
	*pid = 0;
	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	*pid = peer_of(fd);
	*answer = malloc(STATUS_ANSWER_MAX + 1);
	err = *answer ? read_answer(fd, end, *answer) : -ENOMEM;
	close(fd);
	if (err) {
		free(*answer);
		*answer = NULL;
	}
	return err;
}

static int read_file(int fd, int ms)
{
	struct pollfd there = { .fd = fd, .events = POLLIN };
	union file_control control = { 0 };
	char byte;
	struct iovec data = { &byte, 1 };
	/* No room for a second one, which there is in the padding: it would stay open. */
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	int file = -1;
	ssize_t n;

	if (poll(&there, 1, ms) <= 0)
		return -ETIMEDOUT;
	n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n ? -errno : -EACCES; /* it has looked at who we are */
	if (message.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    control.header.cmsg_level != SOL_SOCKET || control.header.cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
	return file;
}

int status_ask_file(const char *path, int ms, int *file, int *pid)
{
	int fd = connect_to(path, ms);

	*file = -1;
	*pid = 0;
	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	*pid = peer_of(fd);
	*file = read_file(fd, ms);
	close(fd);
	return *file < 0 ? *file : 0;
}
