/* SPDX-License-Identifier: MIT */
#include "drain_hists.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <bpf/bpf.h>

#define BATCH 256

struct drain_hists {
	int fd;
	struct pb_hist_key keys[BATCH];
	struct pb_hist values[BATCH];
};

struct drain_hists *drain_hists_new(int fd)
{
	struct drain_hists *h = calloc(1, sizeof(*h));

	if (h)
		h->fd = fd;
	return h;
}

void drain_hists_free(struct drain_hists *h)
{
	free(h);
}

void drain_hists_read(struct drain_hists *h, drain_hists_fn *fn, void *context)
{
	uint64_t in = 0, out = 0;
	bool first = true;
	uint32_t count;
	int end;

	do {
		count = BATCH;
		end = bpf_map_lookup_batch(h->fd, first ? NULL : &in, &out, h->keys, h->values,
					   &count, NULL);
		if (end && end != -ENOENT)
			return;
		for (uint32_t i = 0; i < count; i++)
			fn(&h->keys[i], &h->values[i], context);
		in = out;
		first = false;
	} while (!end);
}
