/* SPDX-License-Identifier: MIT */
/*
 * status_socket.h - the local socket at which a running agent says how it is
 *
 * A client connects and reads one JSON object up to the end; it sends nothing, and nothing of it is
 * kept: an answer is handed over whole or not at all, so that no client can hold up the agent. Only
 * root and the agent's own user may connect. A dead agent's socket is replaced, a living one's is not.
 * Not thread-safe. Library code: returns, does not print.
 */
#ifndef STATUS_SOCKET_H
#define STATUS_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATUS_FOLDER "/run/pushback"
#define STATUS_SOCKET STATUS_FOLDER "/agent.sock"
/* Of all answers; what is longer is cut by nobody, but refused by who asks. */
#define STATUS_ANSWER_MAX (1u << 20)
#define STATUS_PATH_SIZE  108 /* as the kernel has it */

struct status_socket;

/*
 * Listens at `path`, STATUS_SOCKET where that is NULL: its folder is made, for its owner only. Where
 * another agent listens there already, at agent-PID.sock in the same folder. 0 or -errno, and then *out
 * is NULL; `why` gets a line where there is something to say, else "".
 */
int status_socket_new(struct status_socket **out, const char *path, char *why, size_t why_size);
/* Closes it and takes it away, if it is still there. NULL is fine, here and below: nobody asks. */
void status_socket_free(struct status_socket *s);

/* What to wait for at `now`: 1, or 0 as long as so many have asked that the next has to wait. */
size_t status_socket_fds(const struct status_socket *s, uint64_t now, struct pollfd *fd);
/* A malloc'ed answer, or NULL when there is none. */
typedef char *status_answer_fn(void *context);
/* Answers who has asked, a few at most, with one and the same answer. */
void status_socket_poll(struct status_socket *s, uint64_t now, status_answer_fn *answer,
			void *context);

/*
 * The same for an answer that is a file: whoever asks gets a descriptor of it, to be read from its
 * beginning. An fd, closed here, or -1: there is none.
 */
typedef int status_file_fn(void *context);
void status_socket_poll_file(struct status_socket *s, uint64_t now, status_file_fn *answer,
			     void *context);
/* Where it listens. */
const char *status_socket_path(const struct status_socket *s);

/*
 * The other side: what the agent at `path` answers, a malloc'ed text. -ENOENT, -ECONNREFUSED: there is
 * none; -EACCES; -ETIMEDOUT: it has not answered within `ms`; -EFBIG; or another -errno. `pid`: whose
 * socket it is, 0 if not known.
 */
int status_ask(const char *path, int ms, char **answer, int *pid);
/* Likewise a file: its descriptor, the caller's, in *file. */
int status_ask_file(const char *path, int ms, int *file, int *pid);

#endif /* STATUS_SOCKET_H */
