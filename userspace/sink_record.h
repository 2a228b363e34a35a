/* SPDX-License-Identifier: MIT */
/*
 * sink_record.h - the flight recorder of a run, and the socket at which `pushback report` asks for it
 *
 * A sink that sends nothing. Who asks gets a file in memory, all at once, to read when it likes: nobody
 * can hold up the agent.
 */
#ifndef SINK_RECORD_H
#define SINK_RECORD_H

#include <jansson.h>

#include "recorder.h"
#include "sink.h"
#include "status_socket.h"

/* Behind the path of the agent's own socket. */
#define SINK_RECORD_SUFFIX ".record"

/* NULL when out of memory. `interval_ns`: of the run. */
struct sink *sink_record_new(uint64_t interval_ns);
/* It stays the sink's. */
const struct recorder *sink_record_recorder(const struct sink *sink);
/* The agent as of the last flush, a status_object() without sinks; NULL when out of memory. */
json_t *sink_record_status(const struct sink *sink);
/* Who asks beside the agent's own socket is answered. 0 or -errno. */
int sink_record_listen(struct sink *sink, const char *path);

/*
 * The other side: the recorder of the agent whose own socket is `path`, and its status object. 0; -errno
 * as of status_ask_file(); -EPROTO: it is of another version; -EBADMSG. `pid`: whose socket it is.
 */
int sink_record_ask(const char *path, int ms, struct recorder **out, json_t **status, int *pid);

#endif /* SINK_RECORD_H */
