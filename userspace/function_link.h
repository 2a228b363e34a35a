/* SPDX-License-Identifier: MIT */
/*
 * function_link.h - programs at functions of the kernel, by kprobe_multi links where it has them (Linux 5.18)
 *
 * An ordinary kprobe is a perf event, and kernels of Debian and Ubuntu refuse those to all who have not
 * CAP_SYS_ADMIN (kernel.perf_event_paranoid of 3 or more); the link takes CAP_PERFMON, as all else does.
 */
#ifndef FUNCTION_LINK_H
#define FUNCTION_LINK_H

#include <stdbool.h>

struct bpf_link;
struct bpf_program;
struct btf;

/* Whether the kernel of these types has such links. */
bool function_link_exists(const struct btf *btf);
/* The program, of a section "kprobe/FUNCTION", is to be attached by one. Before it is loaded. */
void function_link_configure(struct bpf_program *program);
/* Attaches this or any other program as it is to be; NULL with errno. */
struct bpf_link *function_link_attach(const struct bpf_program *program);

#endif /* FUNCTION_LINK_H */
