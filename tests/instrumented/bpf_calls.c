/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into what runs in valgrind: bpf(2) as valgrind can follow it
 *
 * It looks at all that the newest attributes would have, however few were given: what was not given is
 * zero for it here, as it is for the kernel. And it does not know that the commands for many elements
 * write, nor that the verifier does: it would take all that comes of them for garbage.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <valgrind/memcheck.h>

#define ALL 512 /* more than any kernel has */

static long (*real)(long number, ...);

static void look_up_real(void)
{
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
}

static void wrote(__u64 address, size_t size)
{
	if (address)
		VALGRIND_MAKE_MEM_DEFINED((void *)address, size);
}

static void wrote_batch(const union bpf_attr *attr)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd((int)attr->batch.map_fd, &info, &size))
		return;
	wrote((__u64)&info, sizeof(info));
	wrote(attr->batch.out_batch, info.key_size);
	wrote(attr->batch.keys, (size_t)attr->batch.count * info.key_size);
	wrote(attr->batch.values, (size_t)attr->batch.count * info.value_size);
}

static long call_bpf(long command, void *attr, size_t size)
{
	union {
		unsigned char bytes[ALL];
		union bpf_attr attr;
	} all = { .bytes = { 0 } };
	long result;
	int err;

	if (size > sizeof(all))
		return real(SYS_bpf, command, attr, size);
	memcpy(&all, attr, size);
	result = real(SYS_bpf, command, &all, size);
	err = errno;
	memcpy(attr, &all, size);
	/* ENOENT is the last batch, which has elements too. */
	if (command == BPF_MAP_LOOKUP_BATCH && (!result || err == ENOENT))
		wrote_batch(&all.attr);
	/* Also of one that is refused. */
	if (command == BPF_PROG_LOAD)
		wrote(all.attr.log_buf, all.attr.log_size);
	errno = err;
	return result;
}

/* In the place of libc's. */
long syscall(long number, ...)
{
	long argument[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	look_up_real();
	if (number == SYS_bpf)
		return call_bpf(argument[0], (void *)argument[1], (size_t)argument[2]);
	return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}
