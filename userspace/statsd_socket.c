/* SPDX-License-Identifier: MIT */
#include "statsd_socket.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "statsd_resolve.h"

#define SECOND_NS        UINT64_C(1000000000)
#define RESOLVE_EVERY_NS (30 * SECOND_NS)
#define RESOLVE_RETRY_NS (5 * SECOND_NS)
#define RESOLVE_LOOK_MS  5

struct statsd_socket {
	struct statsd_address address;
	int fd;
	unsigned int connections;
	bool is_local;    /* UDP to this host: a refusal is known as soon as send() is back */
	struct stat path; /* of the socket file connected to */

	/* UDP only. */
	bool is_name;
	struct resolved peers;
	unsigned int peer; /* the one in use */
	struct resolve *request;
	uint64_t resolve_started;
	uint64_t resolve_due;
};

const char *statsd_reason_name(enum statsd_reason reason)
{
	static const char *const names[STATSD_REASONS] = {
		[STATSD_SENT] = "sent",
		[STATSD_BUSY] = "busy",
		[STATSD_TOO_BIG] = "too_big",
		[STATSD_REFUSED] = "refused",
		[STATSD_NO_SOCKET] = "no_socket",
		[STATSD_NOT_CONNECTED] = "not_connected",
		[STATSD_WRONG_TYPE] = "wrong_type",
		[STATSD_UNRESOLVED] = "unresolved",
		[STATSD_UNREACHABLE] = "unreachable",
		[STATSD_NOT_PERMITTED] = "not_permitted",
		[STATSD_PARTIAL] = "partial",
		[STATSD_LATE] = "late",
		[STATSD_NO_MEMORY] = "no_memory",
		[STATSD_OTHER] = "other",
	};

	return names[reason];
}

static enum statsd_reason reason_of(int err)
{
	switch (err) {
	case EAGAIN:
	case ENOBUFS:
		return STATSD_BUSY;
	case EMSGSIZE:
		return STATSD_TOO_BIG;
	case ECONNREFUSED:
		return STATSD_REFUSED;
	case ENOENT:
	case ENOTDIR:
		return STATSD_NO_SOCKET;
	case ENOTCONN:
	case EPIPE:
	case ECONNRESET:
	case EDESTADDRREQ:
		return STATSD_NOT_CONNECTED;
	case EPROTOTYPE:
	case ENOTSOCK:
		return STATSD_WRONG_TYPE;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return STATSD_UNREACHABLE;
	case EACCES:
	case EPERM:
		return STATSD_NOT_PERMITTED;
	case ENOMEM:
		return STATSD_NO_MEMORY;
	default:
		return STATSD_OTHER;
	}
}

static void disconnect(struct statsd_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

struct statsd_socket *statsd_socket_new(const struct statsd_address *address)
{
	struct statsd_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->address = *address;
	s->fd = -1;
	if (address->scheme == STATSD_UDP)
		s->is_name = resolve_numeric(&s->peers, address->host, address->port) != 0;
	return s;
}

void statsd_socket_free(struct statsd_socket *s)
{
	if (!s)
		return;
	disconnect(s);
	resolve_drop(s->request);
	free(s);
}

int statsd_socket_fd(const struct statsd_socket *s)
{
	return s->fd;
}

unsigned int statsd_socket_connections(const struct statsd_socket *s)
{
	return s->connections;
}

bool statsd_socket_is_resolving(const struct statsd_socket *s)
{
	return s->request && !s->peers.count;
}

static bool same_peer(const struct resolved_address *a, const struct resolved_address *b)
{
	return a->size == b->size && !memcmp(&a->storage, &b->storage, a->size);
}

/* Goes on with the address in use where the name still has it. */
static void take_peers(struct statsd_socket *s, const struct resolved *found)
{
	const struct resolved_address old = s->peers.at[s->peer];
	bool had_one = s->peers.count > 0;

	s->peers = *found;
	for (s->peer = 0; had_one && s->peer < found->count; s->peer++)
		if (same_peer(&old, &found->at[s->peer]))
			return;
	s->peer = 0;
	disconnect(s);
}

/* The old addresses stay when a lookup fails. */
static void collect_lookup(struct statsd_socket *s)
{
	struct resolved found;
	int err = resolve_result(s->request, &found);

	if (err == -EAGAIN)
		return;
	resolve_drop(s->request);
	s->request = NULL;
	s->resolve_due = s->resolve_started + (err ? RESOLVE_RETRY_NS : RESOLVE_EVERY_NS);
	if (!err)
		take_peers(s, &found);
}

static void tick_name(struct statsd_socket *s, uint64_t now)
{
	if (s->request) {
		collect_lookup(s);
	} else if (now >= s->resolve_due) {
		s->request = resolve_start(s->address.host, s->address.port);
		s->resolve_started = now;
		s->resolve_due = now + RESOLVE_RETRY_NS;
	}
}

/* Inode numbers are reused at once, so the time of the change counts as well. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A server that was replaced while the old one lives on would go unnoticed by send(). */
static void tick_path(struct statsd_socket *s)
{
	struct stat present;

	if (s->fd >= 0 && !stat(s->address.path, &present) && !is_same_file(&present, &s->path))
		disconnect(s);
}

void statsd_socket_tick(struct statsd_socket *s, uint64_t now)
{
	if (s->address.scheme != STATSD_UDP)
		tick_path(s);
	else if (s->is_name)
		tick_name(s, now);
}

/* After an error: look the name up soon, and try its next address. */
static void distrust_peer(struct statsd_socket *s)
{
	uint64_t soon = s->resolve_started + RESOLVE_RETRY_NS;

	if (s->is_name && soon < s->resolve_due)
		s->resolve_due = soon;
	if (s->peers.count > 1) {
		s->peer = (s->peer + 1) % s->peers.count;
		disconnect(s);
	}
}

/* Whether the peer is this host: its address is the one that we were given ourselves. */
static bool is_local(int fd, const struct resolved_address *peer)
{
	struct sockaddr_storage own;
	socklen_t size = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &size) ||
	    own.ss_family != peer->storage.ss_family)
		return false;
	if (own.ss_family == AF_INET6)
		return !memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr,
			       &((const struct sockaddr_in6 *)&peer->storage)->sin6_addr,
			       sizeof(struct in6_addr));

	uint32_t to = ntohl(((const struct sockaddr_in *)&peer->storage)->sin_addr.s_addr);

	return to >> 24 == IN_LOOPBACKNET ||
	       to == ntohl(((struct sockaddr_in *)&own)->sin_addr.s_addr);
}

static enum statsd_reason open_socket(struct statsd_socket *s, const struct sockaddr *to,
				      socklen_t size, int type)
{
	int fd = socket(to->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return reason_of(errno);
	if (connect(fd, to, size)) {
		int err = errno;

		close(fd);
		return reason_of(err);
	}
	s->fd = fd;
	s->connections++;
	return STATSD_SENT;
}

static enum statsd_reason connect_udp(struct statsd_socket *s)
{
	enum statsd_reason reason = STATSD_UNRESOLVED;

	for (unsigned int tries = 0; tries < s->peers.count; tries++) {
		const struct resolved_address *peer = &s->peers.at[s->peer];

		reason = open_socket(s, &peer->address, peer->size, SOCK_DGRAM);
		if (reason == STATSD_SENT) {
			s->is_local = is_local(s->fd, peer);
			return reason;
		}
		distrust_peer(s);
	}
	return reason;
}

static enum statsd_reason connect_unix(struct statsd_socket *s)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int type = s->address.scheme == STATSD_UNIX ? SOCK_STREAM : SOCK_DGRAM;

	memcpy(to.sun_path, s->address.path, sizeof(to.sun_path));
	/* Before the connect: a change in between is seen at the next tick. */
	if (stat(to.sun_path, &s->path))
		return reason_of(errno);
	return open_socket(s, (struct sockaddr *)&to, sizeof(to), type);
}

/* A pending error of the socket, which this clears. */
static int pending_error(int fd)
{
	int err = 0;
	socklen_t size = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) ? errno : err;
}

/*
 * A connected UDP socket tells a refusal at the next send. To this host the refusal is there before
 * send() returns, so here it can be told of the payload that it belongs to.
 */
static int send_local_udp(struct statsd_socket *s, const void *payload, size_t size)
{
	if (send(s->fd, payload, size, MSG_NOSIGNAL) < 0)
		return errno;
	return pending_error(s->fd);
}

/* 0, an errno, or -1 for a partial write. */
static int send_stream(struct statsd_socket *s, const void *payload, size_t size)
{
	uint32_t prefix = htole32((uint32_t)size);
	struct iovec parts[] = {
		{ &prefix, sizeof(prefix) },
		{ (void *)(uintptr_t)payload, size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);

	if (sent < 0)
		return errno;
	return (size_t)sent == sizeof(prefix) + size ? 0 : -1;
}

static int send_once(struct statsd_socket *s, const void *payload, size_t size)
{
	if (s->address.scheme == STATSD_UNIX)
		return send_stream(s, payload, size);
	if (s->address.scheme == STATSD_UDP && s->is_local)
		return send_local_udp(s, payload, size);
	return send(s->fd, payload, size, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* What an error says about the connection. */
static void judge(struct statsd_socket *s, enum statsd_reason reason)
{
	if (reason == STATSD_BUSY || reason == STATSD_TOO_BIG || reason == STATSD_NO_MEMORY)
		return;
	if (s->address.scheme == STATSD_UDP)
		distrust_peer(s);
	else
		disconnect(s);
}

static enum statsd_reason try_send(struct statsd_socket *s, const void *payload, size_t size)
{
	enum statsd_reason reason = STATSD_SENT;

	if (s->fd < 0)
		reason = s->address.scheme == STATSD_UDP ? connect_udp(s) : connect_unix(s);
	if (reason != STATSD_SENT)
		return reason;

	int err = send_once(s, payload, size);

	if (!err)
		return STATSD_SENT;
	reason = err < 0 ? STATSD_PARTIAL : reason_of(err);
	judge(s, reason);
	return reason;
}

/*
 * The same payload goes out again only where it is sure to be the one that was refused: then each of
 * a name's addresses gets its chance.
 */
static enum statsd_reason send_udp(struct statsd_socket *s, const void *payload, size_t size)
{
	enum statsd_reason reason = try_send(s, payload, size);

	for (unsigned int tries = 1; tries < s->peers.count; tries++) {
		if (reason != STATSD_REFUSED || !s->is_local)
			break;
		reason = try_send(s, payload, size);
	}
	return reason;
}

enum statsd_reason statsd_socket_send(struct statsd_socket *s, const void *payload, size_t size)
{
	bool was_connected = s->fd >= 0;
	enum statsd_reason reason;

	if (s->address.scheme == STATSD_UDP)
		return send_udp(s, payload, size);
	reason = try_send(s, payload, size);
	/* A server that was restarted shows as an error of the old connection. */
	if (reason != STATSD_SENT && reason != STATSD_PARTIAL && was_connected && s->fd < 0)
		reason = try_send(s, payload, size);
	return reason;
}

bool statsd_socket_wait(struct statsd_socket *s, int ms)
{
	if (statsd_socket_is_resolving(s)) {
		for (; ms > 0 && s->request; ms -= RESOLVE_LOOK_MS) {
			poll(NULL, 0, ms < RESOLVE_LOOK_MS ? ms : RESOLVE_LOOK_MS);
			collect_lookup(s);
		}
		return s->peers.count > 0;
	}
	if (s->fd < 0)
		return false;

	struct pollfd writable = { .fd = s->fd, .events = POLLOUT };

	return poll(&writable, 1, ms) > 0;
}
