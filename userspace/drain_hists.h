/* SPDX-License-Identifier: MIT */
/* drain_hists.h - all entries of the map of histograms, read with few calls */
#ifndef DRAIN_HISTS_H
#define DRAIN_HISTS_H

#include "pushback_abi.h"

struct drain_hists;

/* `fd` stays the attach's. NULL when out of memory. */
struct drain_hists *drain_hists_new(int fd);
void drain_hists_free(struct drain_hists *h);

typedef void drain_hists_fn(const struct pb_hist_key *key, const struct pb_hist *counts,
			    void *context);

/*
 * Tells of each entry. Where the kernel can't, or they change too much meanwhile, of some or none: what
 * is missed is to be read by its key.
 */
void drain_hists_read(struct drain_hists *h, drain_hists_fn *fn, void *context);

#endif /* DRAIN_HISTS_H */
