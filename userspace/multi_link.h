/* SPDX-License-Identifier: MIT */
/*
 * multi_link.h - uprobe_multi links by bpf(2) itself: libbpf has them only since 1.3, and Debian 12 ships
 * 1.1.2
 */
#ifndef MULTI_LINK_H
#define MULTI_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define MULTI_LINK_TYPE 48 /* enum bpf_attach_type, since Linux 6.6 */

/* The part of union bpf_attr that makes a uprobe_multi link; newer than Debian 12's <linux/bpf.h>. */
struct multi_link_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t zero;
};

/* The link's descriptor or -errno. */
int multi_link_new(const struct multi_link_attr *attr);
/* Whether this kernel has such links. */
bool multi_link_exists(void);
/* Whether its file has no name any more; false where the kernel does not say (before Linux 6.8). */
bool multi_link_is_deleted(int fd);

#endif /* MULTI_LINK_H */
