/* SPDX-License-Identifier: MIT */
#include "execs.h"

#include <stdlib.h>
#include <bpf/libbpf.h>

#include "pushback_abi.h"

struct execs {
	struct ring_buffer *ring;
	int (*fn)(pid_t pid, void *context); /* of the present call */
	void *context;
};

static int take(void *context, void *data, size_t size)
{
	const struct execs *e = context;
	const struct pb_exec *entry = data;

	if (size < sizeof(*entry))
		return 0;
	/* Whatever is negative leaves the rest in the ring. */
	return e->fn((pid_t)entry->tgid, e->context) ? -1 : 0;
}

struct execs *execs_new(int map)
{
	struct execs *e = map < 0 ? NULL : calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->ring = ring_buffer__new(map, take, e, NULL);
	if (e->ring)
		return e;
	free(e);
	return NULL;
}

void execs_free(struct execs *e)
{
	if (!e)
		return;
	ring_buffer__free(e->ring);
	free(e);
}

int execs_fd(const struct execs *e)
{
	return e ? ring_buffer__epoll_fd(e->ring) : -1;
}

void execs_take(struct execs *e, int (*fn)(pid_t pid, void *context), void *context)
{
	if (!e)
		return;
	e->fn = fn;
	e->context = context;
	ring_buffer__consume(e->ring);
}
