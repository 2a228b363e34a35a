/* SPDX-License-Identifier: MIT */
/*
 * The agent's sockets, on real ones: an agent that is sent anything by who asks gives its answer and no
 * other, and who asks takes anything for an answer: a text, or a file of a recorder, or no file at all.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "sink_record.h"
#include "status.h"
#include "status_socket.h"

#define WAIT_MS 10000

static char own_path[64], fake_path[64];

/* ---- An agent of somebody else's ---- */

struct fake {
	int listening;
	const struct input *answer;
	int file;      /* to be handed over, or -1 */
	uint8_t files; /* how many times */
};
static struct fake fake;

static void give_files(int fd)
{
	char space[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec data = { "f", 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	struct cmsghdr *header = (struct cmsghdr *)space;
	size_t count = fake.files % 4;

	if (count) {
		message.msg_control = space;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &fake.file, sizeof(int));
	}
	(void)!sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void *answer_all(void *context)
{
	(void)context;
	for (;;) {
		int fd = accept4(fake.listening, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return NULL;
		if (fake.file >= 0)
			give_files(fd);
		else if (fake.answer->size)
			(void)!send(fd, fake.answer->data, fake.answer->size, MSG_NOSIGNAL);
		close(fd);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, path, strlen(path) + 1);
	unlink(path);
	MUST(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 64));
	return fd;
}

static void say(const char *line, void *context)
{
	(void)context;
	MUST(line);
}

static void ask_for_text(const struct input *in)
{
	json_t *object;
	char *answer;
	int pid, err;

	fake.answer = in;
	fake.file = -1;
	err = status_ask(fake_path, WAIT_MS, &answer, &pid);
	MUST(!err == (in->size > 0) && (!err || err == -EACCES || err == -ECONNRESET));
	MUST(pid == getpid());
	if (err)
		return;
	MUST(strlen(answer) <= in->size);
	object = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(object))
		status_say(object, say, NULL);
	json_decref(object);
	free(answer);
}

static void ask_for_file(struct input *in)
{
	struct recorder *r;
	json_t *status;
	char path[64];
	int pid, err;

	fake.files = input_byte(in);
	fake.file = fuzz_file(in->data, in->size);
	snprintf(path, sizeof(path), "%.*s", (int)(strlen(fake_path) - strlen(SINK_RECORD_SUFFIX)),
		 fake_path);
	err = sink_record_ask(path, WAIT_MS, &r, &status, &pid);
	MUST(err <= 0 && !err == (r != NULL) && !err == (status != NULL));
	recorder_free(r);
	json_decref(status);
}

/* ---- Ours ---- */

static char *answer_it(void *context)
{
	return strdup(context);
}

/* Sends, and may be gone before it is answered. */
static void be_asked(struct status_socket *s, struct input *in, uint64_t now)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t how = input_byte(in);
	char got[16];
	ssize_t n;

	memcpy(at.sun_path, own_path, strlen(own_path) + 1);
	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)));
	if (in->size)
		(void)!send(fd, in->data, in->size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (how & 1)
		shutdown(fd, how & 2 ? SHUT_RDWR : SHUT_WR);
	if (how & 4)
		close(fd);
	status_socket_poll(s, now, answer_it, "{\"a\":1}\n");
	if (how & 4)
		return;
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	MUST((how & 3) == 3 || (n == 8 && !memcmp(got, "{\"a\":1}\n", 8)));
	close(fd);
}

static void take_away(void)
{
	unlink(own_path);
	unlink(fake_path);
}

static struct status_socket *begin(void)
{
	struct status_socket *s;
	pthread_t thread;
	char why[256];

	snprintf(own_path, sizeof(own_path), "/tmp/pushback-fuzz-%d.own", (int)getpid());
	snprintf(fake_path, sizeof(fake_path), "/tmp/pushback-fuzz-%d%s", (int)getpid(),
		 SINK_RECORD_SUFFIX);
	unlink(own_path);
	MUST(!status_socket_new(&s, own_path, why, sizeof(why)));
	fake.listening = listen_at(fake_path);
	MUST(!pthread_create(&thread, NULL, answer_all, NULL));
	atexit(take_away);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct status_socket *s;
	static uint64_t now;
	struct input in = { data, size };
	uint8_t kind = input_byte(&in);

	if (!s)
		s = begin();
	if (kind % 3 == 0)
		be_asked(s, &in, now += 1000000000000);
	else if (kind % 3 == 1)
		ask_for_text(&in);
	else
		ask_for_file(&in);
	return 0;
}
