/* SPDX-License-Identifier: MIT */
#include "drain_map.h"

#include <errno.h>
#include <stdlib.h>
#include <bpf/bpf.h>

#define BATCH 256

void drain_map_free(struct drain_map *m)
{
	free(m->keys);
	free(m->values);
}

/* Room for `more` entries. */
static int reserve(struct drain_map *m, size_t more)
{
	size_t capacity = m->capacity * 2 > m->count + more ? m->capacity * 2 : m->count + more;
	struct pb_step_key *keys;
	struct pb_step *values;

	if (m->capacity - m->count >= more)
		return 0;
	keys = realloc(m->keys, capacity * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	m->keys = keys;
	values = realloc(m->values, capacity * sizeof(*values));
	if (!values)
		return -ENOMEM;
	m->values = values;
	m->capacity = capacity;
	return 0;
}

static int read_one_by_one(struct drain_map *m)
{
	struct pb_step_key key;
	bool more = !bpf_map_get_next_key(m->fd, NULL, &key);

	m->count = 0;
	while (more) {
		if (reserve(m, 1))
			return -ENOMEM;
		m->keys[m->count] = key;
		m->count += !bpf_map_lookup_elem(m->fd, &key, &m->values[m->count]);
		more = !bpf_map_get_next_key(m->fd, &key, &key);
	}
	return 0;
}

static int read_batches(struct drain_map *m)
{
	uint64_t in = 0, out = 0;
	bool first = true;
	uint32_t count;
	int end;

	m->count = 0;
	do {
		if (reserve(m, BATCH))
			return -ENOMEM;
		count = BATCH;
		end = bpf_map_lookup_batch(m->fd, first ? NULL : &in, &out, &m->keys[m->count],
					   &m->values[m->count], &count, NULL);
		if (end && end != -ENOENT)
			return end;
		m->count += count;
		in = out;
		first = false;
	} while (!end);
	return 0;
}

int drain_map_read(struct drain_map *m)
{
	int err = m->no_batch ? -ENOTSUP : read_batches(m);

	if (err != -EINVAL && err != -ENOTSUP && err != -ENOSPC)
		return err;
	/* Not known to this kernel, or one hash bucket holds more than a batch. */
	m->no_batch = err != -ENOSPC;
	return read_one_by_one(m);
}
