/* SPDX-License-Identifier: MIT */
#include "kernel_lacks.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* 0 or -errno. */
static int try_program(const struct bpf_insn *insns, size_t count)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", insns, count, NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_nothing(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return try_program(insns, sizeof(insns) / sizeof(insns[0]));
}

static bool has_compare_and_swap(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_1,
		  .off = -8 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW,
		  .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_1,
		  .off = -8,
		  .imm = BPF_CMPXCHG },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return !try_program(insns, sizeof(insns) / sizeof(insns[0]));
}

static const struct {
	const char *name;
	enum bpf_func_id helper; /* 0: an instruction */
	bool only_recipes;
} used[] = {
	{ "bpf_get_current_task_btf (Linux 5.11)", BPF_FUNC_get_current_task_btf, false },
	{ "compare-and-swap in BPF (Linux 5.12)", BPF_FUNC_unspec, false },
	{ "bpf_get_attach_cookie (Linux 5.15)", BPF_FUNC_get_attach_cookie, false },
	{ "bpf_loop (Linux 5.17)", BPF_FUNC_loop, true },
};

static bool has(size_t i)
{
	if (used[i].helper == BPF_FUNC_unspec)
		return has_compare_and_swap();
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, used[i].helper, NULL) == 1;
}

int kernel_lacks(bool recipes, char out[KERNEL_LACKS_SIZE])
{
	int err = try_nothing(), count = 0;
	size_t length = 0;

	*out = '\0';
	if (err)
		return err == -EACCES ? -EPERM : err;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		if ((used[i].only_recipes && !recipes) || has(i))
			continue;
		length += (size_t)snprintf(out + length, KERNEL_LACKS_SIZE - length, "%s%s",
					   count ? ", " : "", used[i].name);
		count++;
	}
	return count;
}
