/* SPDX-License-Identifier: MIT */
#include "multi_link.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "attach.h"

int multi_link_new(const struct multi_link_attr *attr)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

int attach_try_multi(const char *path, uint64_t offset, pid_t pid)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)MULTI_LINK_TYPE);
	struct multi_link_attr attr = {
		.attach_type = MULTI_LINK_TYPE,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)&offset,
		.count = 1,
		.pid = (uint32_t)pid,
	};
	int prog_fd, fd;

	prog_fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, 2, &options);
	if (prog_fd < 0) {
		fd = prog_fd;
	} else {
		attr.prog_fd = (uint32_t)prog_fd;
		fd = multi_link_new(&attr);
		close(prog_fd);
	}
	/* What a kernel says that knows no such program or link. */
	return fd == -EINVAL ? -ENOTSUP : fd == -EACCES ? -EPERM : fd;
}

/* A link on a directory is refused as no regular file by kernels that have them. */
bool multi_link_exists(void)
{
	int fd = attach_try_multi("/", 0, 0);

	if (fd >= 0)
		close(fd);
	return fd == -EBADF;
}

/* The part of struct bpf_link_info that is about such a link; newer as well. */
struct multi_link_info {
	uint32_t type, id, prog_id, pad;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t path_size, count, flags, pid;
};

bool multi_link_is_deleted(int fd)
{
	static const char deleted[] = " (deleted)";
	char path[4096] = "";
	struct multi_link_info info = { .path = (uint64_t)(uintptr_t)path,
					.path_size = sizeof(path) };
	uint32_t size = sizeof(info);
	size_t length;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return false;
	path[sizeof(path) - 1] = '\0';
	length = strlen(path);
	return length >= sizeof(deleted) - 1 &&
	       !strcmp(path + length - (sizeof(deleted) - 1), deleted);
}
