/* SPDX-License-Identifier: MIT */
#include "http_server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 16
#define LISTENER    CONNECTIONS /* its number among the events */
#define BACKLOG     16
#define PIECES      8 /* of one answer, before others get their turn */

#define MS_NS      1000000ll
#define ASK_NS     (5000 * MS_NS)
#define ANSWER_NS  (15000 * MS_NS)
#define CLOSE_NS   (1000 * MS_NS)
#define STUCK_NS   (1000 * MS_NS) /* nothing read: others may have its place */
#define TURN_NS    (20 * MS_NS)
#define REST_NS    (100 * MS_NS) /* without files for more connections */
#define CREDIT_NS  (500 * MS_NS)
#define SHARE      4 /* of a core, one part in so many */
#define CHUNK_SIZE "%zx\r\n"

enum state {
	ASKING,
	ANSWERED, /* being answered */
	CLOSING, /* all is sent: what it still sends is read, or it might lose the end of the answer */
};

struct connection {
	int fd;
	enum state state;
	int64_t since, until;
	int64_t moved; /* when it last read something of its answer, or began to */
	size_t asked;  /* bytes of the head */
	bool is_chunked;
	bool has_more; /* the handler has */
	struct http_cursor cursor;
	struct buffer out;
	size_t sent; /* of it */
	char head[HTTP_HEAD_MAX];
};

struct http_server {
	const char *path;
	const struct http_handler *handler;
	int listener;
	int epoll;
	bool is_listening; /* not while all connections are being answered */
	int64_t rests_until;
	int64_t credit; /* of CPU time */
	int64_t ran;    /* when it last did */
	struct connection *at[CONNECTIONS];
	struct buffer piece;
	struct http_stats stats;
};

const char *const http_answer_codes[HTTP_ANSWERS] = { "200", "400", "404", "405", "431", "505" };
const char *const http_drop_reasons[HTTP_DROPS] = { "slow_request", "slow_reader", "crowded",
						    "broken" };

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 * MS_NS + t.tv_nsec;
}

static int64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static void wait_for(struct http_server *s, int op, int fd, uint32_t events, uint32_t number)
{
	struct epoll_event event = { .events = events, .data.u32 = number };

	epoll_ctl(s->epoll, op, fd, &event);
}

static void listen_again(struct http_server *s, bool is_listening)
{
	if (s->is_listening == is_listening)
		return;
	s->is_listening = is_listening;
	wait_for(s, EPOLL_CTL_MOD, s->listener, is_listening ? EPOLLIN : 0, LISTENER);
}

/* ---- Connections ---- */

static void free_connection(struct http_server *s, unsigned int number)
{
	struct connection *c = s->at[number];

	if (!c)
		return;
	close(c->fd);
	buffer_free(&c->out);
	free(c);
	s->at[number] = NULL;
	if (now_ns() >= s->rests_until)
		listen_again(s, true);
}

static void drop(struct http_server *s, unsigned int number, enum http_drop reason)
{
	s->stats.drops[reason]++;
	free_connection(s, number);
}

static void enter(struct http_server *s, unsigned int number, enum state state, int64_t most)
{
	struct connection *c = s->at[number];

	c->state = state;
	c->moved = now_ns();
	c->until = c->moved + most;
	wait_for(s, EPOLL_CTL_MOD, c->fd, state == ANSWERED ? EPOLLOUT : EPOLLIN, number);
}

/* What it has not read yet fills its socket, or it would have been sent more if we had had the time. */
static bool is_full(const struct connection *c)
{
	struct pollfd fd = { .fd = c->fd, .events = POLLOUT };

	return !poll(&fd, 1, 0);
}

/* The one that has read nothing for longest, if that is long; -1: none has. */
static int find_stuck(const struct http_server *s, int64_t now)
{
	int64_t before = now - STUCK_NS;
	int stuck = -1;

	for (int i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = s->at[i];

		if (!c || c->state != ANSWERED || c->moved >= before || !is_full(c))
			continue;
		before = c->moved;
		stuck = i;
	}
	return stuck;
}

/* Where all are being answered. */
static int take_stuck(struct http_server *s)
{
	int stuck = find_stuck(s, now_ns());

	if (stuck >= 0)
		drop(s, (unsigned int)stuck, HTTP_DROP_SLOW_READER);
	return stuck;
}

/* A place for one more: an empty one, or that of the one that could have asked or read longest ago. */
static int find_place(struct http_server *s)
{
	int oldest = -1;

	for (int i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = s->at[i];

		if (!c)
			return i;
		if (c->state != ANSWERED && (oldest < 0 || c->since < s->at[oldest]->since))
			oldest = i;
	}
	if (oldest < 0)
		return take_stuck(s);
	if (s->at[oldest]->state == ASKING)
		drop(s, (unsigned int)oldest, HTTP_DROP_CROWDED);
	else
		free_connection(s, (unsigned int)oldest);
	return oldest;
}

static bool take_connection(struct http_server *s, int fd, int place)
{
	struct connection *c = calloc(1, sizeof(*c));
	const int on = 1;

	if (!c) {
		close(fd);
		s->stats.drops[HTTP_DROP_BROKEN]++;
		return false;
	}
	/* The end of an answer is not to wait for what came before it to be acknowledged. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->fd = fd;
	c->since = now_ns();
	c->until = c->since + ASK_NS;
	s->at[place] = c;
	wait_for(s, EPOLL_CTL_ADD, fd, EPOLLIN, (uint32_t)place);
	return true;
}

static void accept_one(struct http_server *s)
{
	int fd = -1, place = find_place(s);

	if (place >= 0)
		fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		take_connection(s, fd, place);
		return;
	}
	/* No place, or no files or memory left: it stays readable, which would wake us on and on. */
	if (place < 0 || errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	    errno == ENOMEM) {
		s->rests_until = place < 0 ? 0 : now_ns() + REST_NS;
		listen_again(s, false);
	}
}

/* ---- Answers ---- */

static const struct {
	enum http_status status;
	const char *line, *help;
} answers[HTTP_ANSWERS] = {
	[HTTP_ANSWER_200] = { HTTP_OK, "200 OK", "" },
	[HTTP_ANSWER_400] = { HTTP_BAD_REQUEST, "400 Bad Request", "This is no HTTP/1 request.\n" },
	[HTTP_ANSWER_404] = { HTTP_NOT_FOUND, "404 Not Found", "There is nothing else here than " },
	[HTTP_ANSWER_405] = { HTTP_METHOD_NOT_ALLOWED, "405 Method Not Allowed",
			      "GET and HEAD are the methods here.\n" },
	[HTTP_ANSWER_431] = { HTTP_HEAD_TOO_LARGE, "431 Request Header Fields Too Large",
			      "The request has more than 8 KiB.\n" },
	[HTTP_ANSWER_505] = { HTTP_VERSION_NOT_SUPPORTED, "505 HTTP Version Not Supported",
			      "HTTP/1.0 and 1.1 are spoken here.\n" },
};

static enum http_answer answer_of(enum http_status status)
{
	enum http_answer a = HTTP_ANSWER_200;

	while (a + 1 < HTTP_ANSWERS && answers[a].status != status)
		a++;
	return a;
}

static void write_head(struct buffer *out, enum http_answer answer, const char *type)
{
	buffer_text(out, "HTTP/1.1 ");
	buffer_text(out, answers[answer].line);
	buffer_text(out, "\r\nContent-Type: ");
	buffer_text(out, type);
	buffer_text(out, "\r\nConnection: close\r\n");
}

static void refuse(struct http_server *s, struct connection *c, enum http_answer answer,
		   bool is_head)
{
	bool names_path = answer == HTTP_ANSWER_404;
	char length[64];

	write_head(&c->out, answer, "text/plain; charset=utf-8");
	if (answer == HTTP_ANSWER_405)
		buffer_text(&c->out, "Allow: GET, HEAD\r\n");
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n",
		 strlen(answers[answer].help) + (names_path ? strlen(s->path) + 1 : 0));
	buffer_text(&c->out, length);
	if (is_head)
		return;
	buffer_text(&c->out, answers[answer].help);
	if (names_path) {
		buffer_text(&c->out, s->path);
		buffer_text(&c->out, "\n");
	}
}

/* The next piece of an answer, as a chunk where the client knows them. */
static void fill(struct http_server *s, struct connection *c)
{
	char size[32];

	buffer_clear(&s->piece);
	c->has_more = s->handler->more(s->handler->context, &c->cursor, &s->piece);
	c->out.failed |= s->piece.failed;
	if (c->is_chunked && s->piece.length) {
		snprintf(size, sizeof(size), CHUNK_SIZE, s->piece.length);
		buffer_text(&c->out, size);
	}
	buffer_add(&c->out, s->piece.data, s->piece.length);
	if (c->is_chunked && s->piece.length)
		buffer_text(&c->out, "\r\n");
	if (c->is_chunked && !c->has_more)
		buffer_text(&c->out, "0\r\n\r\n");
}

static void begin_answer(struct http_server *s, struct connection *c, enum http_status status,
			 const struct http_request *request)
{
	enum http_answer answer = answer_of(status);
	const struct http_handler *handler = s->handler;

	s->stats.answers[answer]++;
	if (status != HTTP_OK) {
		refuse(s, c, answer, request->is_head);
		return;
	}
	write_head(&c->out, answer, handler->begin(handler->context, request, &c->cursor));
	c->is_chunked = !request->is_1_0;
	c->has_more = !request->is_head;
	buffer_text(&c->out, c->is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
}

static void close_when_read(struct http_server *s, unsigned int number)
{
	shutdown(s->at[number]->fd, SHUT_WR);
	enter(s, number, CLOSING, CLOSE_NS);
}

/* Sends what there is; makes more of it when that is gone. */
static void go_on_answering(struct http_server *s, unsigned int number)
{
	struct connection *c = s->at[number];

	for (int pieces = 0; pieces < PIECES;) {
		ssize_t n;

		if (c->sent == c->out.length && !c->has_more) {
			close_when_read(s, number);
			return;
		}
		if (c->sent == c->out.length) {
			buffer_clear(&c->out);
			c->sent = 0;
			fill(s, c);
			pieces++;
		}
		n = c->out.failed ? -1
				  : send(c->fd, c->out.data + c->sent, c->out.length - c->sent,
					 MSG_NOSIGNAL);
		if (n < 0 && !c->out.failed && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			drop(s, number, HTTP_DROP_BROKEN);
			return;
		}
		c->sent += (size_t)n;
		c->moved = now_ns();
	}
}

static void go_on_asking(struct http_server *s, unsigned int number)
{
	struct connection *c = s->at[number];
	struct http_request request = { 0 };
	enum http_status status = HTTP_HEAD_TOO_LARGE;
	ssize_t n = recv(c->fd, c->head + c->asked, sizeof(c->head) - c->asked, 0);
	size_t length;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(s, number, HTTP_DROP_BROKEN);
		return;
	}
	c->asked += (size_t)n;
	length = http_head_length(c->head, c->asked);
	if (!length && c->asked < sizeof(c->head))
		return;
	if (length)
		status = http_request_parse(&request, c->head, length, s->path);
	begin_answer(s, c, status, &request);
	enter(s, number, ANSWERED, ANSWER_NS);
	go_on_answering(s, number);
}

static void go_on_closing(struct http_server *s, unsigned int number)
{
	char thrown_away[4096];
	ssize_t n = recv(s->at[number]->fd, thrown_away, sizeof(thrown_away), 0);

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		free_connection(s, number);
}

/* ---- The loop's side ---- */

static void go_on(struct http_server *s, unsigned int number)
{
	if (number == LISTENER)
		accept_one(s);
	else if (s->at[number] && s->at[number]->state == ASKING)
		go_on_asking(s, number);
	else if (s->at[number] && s->at[number]->state == ANSWERED)
		go_on_answering(s, number);
	else if (s->at[number])
		go_on_closing(s, number);
}

static void drop_late(struct http_server *s, int64_t now)
{
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		if (!s->at[i] || now < s->at[i]->until)
			continue;
		if (s->at[i]->state == CLOSING)
			free_connection(s, i);
		else
			drop(s, i,
			     s->at[i]->state == ASKING ? HTTP_DROP_SLOW_REQUEST
						       : HTTP_DROP_SLOW_READER);
	}
}

/* There are files for connections again, or a place: of one that is free, or stuck. */
static void end_rest(struct http_server *s, int64_t now)
{
	if (s->is_listening || now < s->rests_until)
		return;
	if (!s->rests_until && find_stuck(s, now) < 0)
		return;
	s->rests_until = 0;
	listen_again(s, true);
}

void http_server_run(struct http_server *s)
{
	struct epoll_event events[CONNECTIONS + 1];
	int64_t began = now_ns(), used = read_clock(CLOCK_THREAD_CPUTIME_ID);
	int n = 1;

	s->credit += (began - s->ran) / SHARE;
	if (s->credit > CREDIT_NS)
		s->credit = CREDIT_NS;
	s->ran = began;
	drop_late(s, began);
	end_rest(s, began);
	while (s->credit > 0 && n > 0 && now_ns() - began < TURN_NS) {
		n = epoll_wait(s->epoll, events, CONNECTIONS + 1, 0);
		for (int i = 0; i < n; i++)
			go_on(s, events[i].data.u32);
	}
	s->credit -= read_clock(CLOCK_THREAD_CPUTIME_ID) - used;
}

int http_server_fd(const struct http_server *s)
{
	return s->credit > 0 ? s->epoll : -1;
}

const struct http_stats *http_server_stats(const struct http_server *s)
{
	return &s->stats;
}

int http_server_address(const struct http_server *s, struct sockaddr_storage *out, socklen_t *size)
{
	*size = sizeof(*out);
	return getsockname(s->listener, (struct sockaddr *)out, size) ? -errno : 0;
}

static int start(struct http_server *s, const struct sockaddr_storage *address, socklen_t size)
{
	const int on = 1, off = 0;

	s->listener = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->listener < 0 || s->epoll < 0)
		return -errno;
	/* Connections of an agent that was here before are no reason to stay away. */
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ss_family == AF_INET6)
		setsockopt(s->listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(s->listener, (const struct sockaddr *)address, size) ||
	    listen(s->listener, BACKLOG))
		return -errno;
	wait_for(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, LISTENER);
	s->is_listening = true;
	return 0;
}

struct http_server *http_server_new(const struct sockaddr_storage *address, socklen_t size,
				    const char *path, const struct http_handler *handler, int *err)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s) {
		*err = -ENOMEM;
		return NULL;
	}
	s->path = path;
	s->handler = handler;
	s->listener = s->epoll = -1;
	s->credit = CREDIT_NS;
	s->ran = now_ns();
	*err = start(s, address, size);
	if (*err) {
		http_server_free(s);
		return NULL;
	}
	return s;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		free_connection(s, i);
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->listener >= 0)
		close(s->listener);
	buffer_free(&s->piece);
	free(s);
}
