/* SPDX-License-Identifier: MIT */
#include "function_link.h"

#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

bool function_link_exists(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, "bpf_kprobe_multi_link", BTF_KIND_STRUCT) > 0;
}

void function_link_configure(struct bpf_program *program)
{
	bpf_program__set_expected_attach_type(program, BPF_TRACE_KPROBE_MULTI);
}

struct bpf_link *function_link_attach(const struct bpf_program *program)
{
	const char *name = strchr(bpf_program__section_name(program), '/');
	LIBBPF_OPTS(bpf_kprobe_multi_opts, options, .cnt = 1);

	if (bpf_program__expected_attach_type(program) != BPF_TRACE_KPROBE_MULTI)
		return bpf_program__attach(program);
	/* By its name: addresses are not shown to everybody. */
	name++;
	options.syms = &name;
	return bpf_program__attach_kprobe_multi_opts(program, NULL, &options);
}
