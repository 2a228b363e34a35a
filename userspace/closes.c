/* SPDX-License-Identifier: MIT */
#include "closes.h"

#include <stdlib.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* Read in one call, wanted or not: a producer that is faster than we are would never let go of us. */
#define TAKEN_MOST 8192

struct closes {
	struct ring_buffer *ring;
	int untold, traces;
	/* Of the present call. */
	int taken;
	int (*fn)(const struct pb_close *close, void *context);
	void *context;
};

static int take(void *context, void *data, size_t size)
{
	struct closes *c = context;
	const struct pb_close *close = data;
	bool enough = ++c->taken >= TAKEN_MOST;

	if (size >= sizeof(*close))
		enough |= c->fn(close, c->context) != 0;
	/* Whatever is negative leaves the rest in the ring. */
	return enough ? -1 : 0;
}

struct closes *closes_new(const struct attach_maps *maps)
{
	struct closes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->untold = maps->closes_untold;
	c->traces = maps->traces;
	c->ring = ring_buffer__new(maps->closes, take, c, NULL);
	if (c->ring)
		return c;
	free(c);
	return NULL;
}

void closes_free(struct closes *c)
{
	if (!c)
		return;
	ring_buffer__free(c->ring);
	free(c);
}

int closes_fd(const struct closes *c)
{
	return c ? ring_buffer__epoll_fd(c->ring) : -1;
}

void closes_take(struct closes *c, int (*fn)(const struct pb_close *close, void *context),
		 void *context)
{
	if (!c)
		return;
	c->fn = fn;
	c->context = context;
	c->taken = 0;
	ring_buffer__consume(c->ring);
}

uint64_t closes_untold(const struct closes *c)
{
	uint32_t zero = 0;
	uint64_t count;

	return c && !bpf_map_lookup_elem(c->untold, &zero, &count) ? count : 0;
}

void closes_forget(struct closes *c, const struct pb_step_key *key)
{
	if (c)
		bpf_map_delete_elem(c->traces, key);
}
