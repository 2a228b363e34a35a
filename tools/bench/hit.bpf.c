/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * hit.bpf.c - the cheapest program that still counts, and the cheapest of all
 *
 * What another tracer does at least for each hit: no argument is read, no map is looked up.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 hits;

SEC("uprobe")
int count(void *ctx)
{
	(void)ctx;
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("uprobe")
int empty(void *ctx)
{
	(void)ctx;
	return 0;
}
