/* SPDX-License-Identifier: MIT */
#include "statsd_socket.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/errqueue.h>
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

/* ICMP's word on what this socket has sent is kept for us until we read it. */
static bool keep_errors(int fd, int family)
{
	const int on = 1;

	if (family == AF_INET6)
		return !setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	return !setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

static enum statsd_reason connect_udp(struct statsd_socket *s)
{
	enum statsd_reason reason = STATSD_UNRESOLVED;

	for (unsigned int tries = 0; tries < s->peers.count; tries++) {
		const struct resolved_address *peer = &s->peers.at[s->peer];

		reason = open_socket(s, &peer->address, peer->size, SOCK_DGRAM);
		if (reason == STATSD_SENT) {
			s->is_local = is_local(s->fd, peer) &&
				      keep_errors(s->fd, peer->address.sa_family);
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

/* What a message of the error queue says; 0: it is not from ICMP. */
static int icmp_error(struct msghdr *message)
{
	struct sock_extended_err e;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if (!v4 && !v6)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		if (e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6)
			return (int)e.ee_errno;
	}
	return 0;
}

/* How many datagrams have come back since the last time, and with which error. */
static size_t count_returned(int fd, int *err)
{
	_Alignas(struct cmsghdr) char control[512];
	size_t count = 0;

	for (;;) {
		struct msghdr message = { .msg_control = control,
					  .msg_controllen = sizeof(control) };
		int one;

		if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return count;
		one = icmp_error(&message);
		if (!one)
			continue;
		*err = one;
		count++;
	}
}

/* Adds to *sent; 0 or an errno for the first that was not handed over. */
static int send_datagrams(int fd, const struct iovec *payloads, size_t count, size_t *sent)
{
	struct mmsghdr messages[STATSD_BATCH];
	int n;

	if (count > STATSD_BATCH)
		count = STATSD_BATCH;
	for (size_t i = 0; i < count; i++)
		messages[i] =
			(struct mmsghdr){ .msg_hdr = {
						  .msg_iov =
							  (struct iovec *)(uintptr_t)&payloads[i],
						  .msg_iovlen = 1,
					  } };
	n = sendmmsg(fd, messages, (unsigned int)count, MSG_NOSIGNAL);
	if (n < 0)
		return errno;
	*sent += (size_t)n;
	return 0;
}

/*
 * A connected UDP socket tells a refusal at the next send. To this host the refusal is there before
 * the datagram is sent, so the next one of the same call is not, and it can be told of the payload that
 * it belongs to: the last one. Which of a call's datagrams failed is all that the kernel tells of it,
 * and not why; but a refusal is in the error queue.
 */
static int send_local_udp(struct statsd_socket *s, const struct iovec *payloads, size_t count,
			  size_t *sent)
{
	size_t before = *sent, returned;
	int err = send_datagrams(s->fd, payloads, count, sent), why = 0;

	returned = count_returned(s->fd, &why);
	if (err || !returned)
		return err;
	*sent = *sent - before > returned ? *sent - returned : before;
	return why;
}

/* 0, an errno, or -1 for a partial write. */
static int send_stream(struct statsd_socket *s, const struct iovec *payload)
{
	uint32_t prefix = htole32((uint32_t)payload->iov_len);
	struct iovec parts[] = { { &prefix, sizeof(prefix) }, *payload };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);

	if (sent < 0)
		return errno;
	return (size_t)sent == sizeof(prefix) + payload->iov_len ? 0 : -1;
}

/* One at least, as many as can be told apart if something is wrong. Adds to *sent. */
static int send_some(struct statsd_socket *s, const struct iovec *payloads, size_t count,
		     size_t *sent)
{
	int err;

	if (s->address.scheme == STATSD_UDP && s->is_local)
		return send_local_udp(s, payloads, count, sent);
	if (s->address.scheme != STATSD_UNIX)
		return send_datagrams(s->fd, payloads, s->address.scheme == STATSD_UDP ? 1 : count,
				      sent);
	err = send_stream(s, payloads);
	*sent += !err;
	return err;
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

/* From payloads[*sent] on. */
static enum statsd_reason try_send(struct statsd_socket *s, const struct iovec *payloads,
				   size_t count, size_t *sent)
{
	enum statsd_reason reason = STATSD_SENT;

	if (s->fd < 0)
		reason = s->address.scheme == STATSD_UDP ? connect_udp(s) : connect_unix(s);
	if (reason != STATSD_SENT)
		return reason;

	int err = send_some(s, payloads + *sent, count - *sent, sent);

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
static enum statsd_reason send_udp(struct statsd_socket *s, const struct iovec *payloads,
				   size_t count, size_t *sent)
{
	enum statsd_reason reason = try_send(s, payloads, count, sent);

	for (unsigned int tries = 1; tries < s->peers.count; tries++) {
		if (reason != STATSD_REFUSED || !s->is_local)
			break;
		reason = try_send(s, payloads, count, sent);
	}
	return reason;
}

size_t statsd_socket_send_many(struct statsd_socket *s, const struct iovec *payloads, size_t count,
			       enum statsd_reason *reason)
{
	bool was_connected = s->fd >= 0;
	size_t sent = 0;

	if (s->address.scheme == STATSD_UDP) {
		*reason = send_udp(s, payloads, count, &sent);
		return sent;
	}
	*reason = try_send(s, payloads, count, &sent);
	/* A server that was restarted shows as an error of the old connection. */
	if (*reason != STATSD_SENT && *reason != STATSD_PARTIAL && was_connected && s->fd < 0)
		*reason = try_send(s, payloads, count, &sent);
	return sent;
}

enum statsd_reason statsd_socket_send(struct statsd_socket *s, const void *payload, size_t size)
{
	struct iovec one = { (void *)(uintptr_t)payload, size };
	enum statsd_reason reason;

	statsd_socket_send_many(s, &one, 1, &reason);
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
