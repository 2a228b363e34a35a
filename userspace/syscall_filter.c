/* SPDX-License-Identifier: MIT */
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include <seccomp.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One that the library or this machine does not have is __NR_SCMP_ERROR or negative: passed over. */
#define CALL(name) SCMP_SYS(name)

/* Whatever their arguments are. */
/* clang-format off */
static const int allowed[] = {
	/* Memory; mmap and mprotect are below. */
	CALL(brk), CALL(madvise), CALL(mremap), CALL(munmap), CALL(membarrier),
	/* Threads, signals, time */
	CALL(exit), CALL(exit_group), CALL(futex), CALL(get_robust_list), CALL(set_robust_list),
	CALL(rseq), CALL(set_tid_address), CALL(sched_yield), CALL(sched_getaffinity), CALL(getcpu),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack),
	CALL(restart_syscall), CALL(setitimer), CALL(pause), CALL(clock_gettime), CALL(clock_getres),
	CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday), CALL(time),
	/* What we are */
	CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid),
	CALL(getegid), CALL(getpgrp), CALL(getpgid), CALL(getrusage), CALL(getrlimit), CALL(times),
	CALL(uname), CALL(sysinfo), CALL(getcwd), CALL(getrandom), CALL(capget), CALL(umask),
	/* Files that are open, and what is there; to open one is below. */
	CALL(read), CALL(readv), CALL(pread64), CALL(write), CALL(writev), CALL(pwrite64),
	CALL(lseek), CALL(close), CALL(fstat), CALL(stat), CALL(lstat), CALL(newfstatat),
	CALL(statx), CALL(statfs), CALL(fstatfs), CALL(readlink), CALL(readlinkat),
	CALL(getdents64), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(fcntl), CALL(dup),
	CALL(dup2), CALL(dup3), CALL(flock), CALL(fsync), CALL(ftruncate), CALL(fchmod),
	CALL(memfd_create), CALL(name_to_handle_at),
	/* To end what was begun: sockets of ours, the page, pins */
	CALL(unlink), CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2),
	/* Waiting */
	CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6), CALL(epoll_ctl), CALL(epoll_wait),
	CALL(epoll_pwait), CALL(inotify_add_watch), CALL(inotify_rm_watch),
	/* Sockets that are there; a new one is below, and none begins to listen. */
	CALL(connect), CALL(accept), CALL(accept4), CALL(shutdown), CALL(sendto), CALL(sendmsg),
	CALL(sendmmsg), CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg), CALL(getsockname),
	CALL(getpeername), CALL(getsockopt), CALL(setsockopt),
	/* Steps that are silent */
	CALL(process_vm_readv),
};

/* What a C library falls back from: refused, it would give up. */
static const int unknown[] = { CALL(clone3), CALL(openat2), CALL(futex_waitv), CALL(close_range) };

static const int deadly[] = {
	CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(ptrace), CALL(process_vm_writev),
	CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load),
	CALL(kexec_file_load), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot),
	CALL(move_mount), CALL(open_tree), CALL(fsopen), CALL(setns), CALL(reboot),
	CALL(swapon), CALL(swapoff), CALL(setuid), CALL(setreuid), CALL(setresuid), CALL(setgid),
	CALL(setregid), CALL(setresgid), CALL(setgroups), CALL(pidfd_getfd), CALL(userfaultfd),
	CALL(io_uring_setup), CALL(add_key), CALL(keyctl), CALL(request_key), CALL(mknod),
	CALL(mknodat), CALL(iopl), CALL(ioperm), CALL(personality),
};
/* clang-format on */

/* Maps, links and what lies in them. No program is loaded any more, and none that others have is got. */
static const uint64_t bpf_commands[] = {
	BPF_MAP_CREATE,       BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,  BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH,
	BPF_LINK_CREATE,      BPF_OBJ_GET_INFO_BY_FD,
};
static const uint64_t bpf_perf[] = { BPF_PROG_LOAD, BPF_BTF_LOAD };
static const uint64_t bpf_pins[] = { BPF_OBJ_PIN, BPF_OBJ_GET };

/* Of terminals, and how much there is to read. Not TIOCSTI, which types. */
static const uint64_t ioctls[] = { TCGETS, TCSETS, TCSETSW,    TCSETSF,   TCSBRK,
				   TCXONC, TCFLSH, TIOCGWINSZ, TIOCGPGRP, FIONREAD };
static const uint64_t perf_ioctls[] = { PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_ENABLE,
					PERF_EVENT_IOC_DISABLE };

static const uint64_t families[] = { AF_UNIX, AF_INET, AF_INET6 };

/* Adds up to 0 as long as all goes well. */
struct building {
	scmp_filter_ctx filter;
	int err;
};

static void add(struct building *b, uint32_t action, int call, unsigned int count,
		const struct scmp_arg_cmp *conditions)
{
	int err;

	if (b->err || call < 0)
		return;
	err = seccomp_rule_add_array(b->filter, action, call, count, conditions);
	/* This machine's kernel has none of that name, or it is what happens anyway. */
	if (err != -EDOM && err != -EACCES && err != -EEXIST)
		b->err = err;
}

static void add_each(struct building *b, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(b, action, calls[i], 0, NULL);
}

/* With one of these values as that argument. */
static void add_values(struct building *b, int call, unsigned int argument, const uint64_t *values,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* Only its lower half: what the kernel makes of an int. */
		struct scmp_arg_cmp is =
			SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, values[i]);

		add(b, SCMP_ACT_ALLOW, call, 1, &is);
	}
}

/* With these bits of that argument as they are in `value`. */
static void add_bits(struct building *b, int call, unsigned int argument, uint64_t bits,
		     uint64_t value)
{
	struct scmp_arg_cmp is = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, bits, value);

	add(b, SCMP_ACT_ALLOW, call, 1, &is);
}

/* To read only. What is written to was opened before. */
static void add_opens(struct building *b)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;

	add_bits(b, CALL(open), 1, writing, O_RDONLY);
	add_bits(b, CALL(openat), 2, writing, O_RDONLY);
	add_bits(b, CALL(open_by_handle_at), 2, writing, O_RDONLY);
}

/* Nothing that can be written to can be run. A library that the resolver loads is mapped to be run. */
static void add_maps(struct building *b)
{
	const int calls[] = { CALL(mmap), CALL(mprotect) };

	for (size_t i = 0; i < COUNT(calls); i++) {
		add_bits(b, calls[i], 2, PROT_EXEC, 0);
		add_bits(b, calls[i], 2, PROT_EXEC | PROT_WRITE, PROT_EXEC);
	}
}

static void add_processes(struct building *b)
{
	const uint64_t others = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	struct scmp_arg_cmp ours = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, 0);
	struct scmp_arg_cmp files = SCMP_A0(SCMP_CMP_EQ, CLONE_FILES);
	struct scmp_arg_cmp no_files = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_FILES, 0);
	struct scmp_arg_cmp with_us = SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG);

	/* Threads and processes, which are no other program, and the filter is on them. */
	add_bits(b, CALL(clone), 0, others, 0);
	add(b, SCMP_ACT_ALLOW, CALL(unshare), 1, &files);
	add(b, SCMP_ACT_KILL_PROCESS, CALL(unshare), 1, &no_files);
	add(b, SCMP_ACT_ALLOW, CALL(wait4), 0, NULL);
	add(b, SCMP_ACT_ALLOW, CALL(prctl), 1, &with_us);
	/* To ourselves, as abort() does. */
	add(b, SCMP_ACT_ALLOW, CALL(tgkill), 1, &ours);
	/* Only root may raise what is the most. */
	add(b, SCMP_ACT_ALLOW, CALL(prlimit64), 1, &own);
}

/* Probes that somebody has set in us, in their libraries, call these where our code had something else. */
static void add_probed(struct building *b)
{
#ifdef __x86_64__
	enum { URETPROBE = 335, UPROBE = 336 };

	add(b, SCMP_ACT_ALLOW, URETPROBE, 0, NULL);
	add(b, SCMP_ACT_ALLOW, UPROBE, 0, NULL);
#else
	(void)b;
#endif
}

static void build(struct building *b, const struct syscall_filter_options *options)
{
	add_each(b, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
	add_each(b, SCMP_ACT_ERRNO(ENOSYS), unknown, COUNT(unknown));
	add_each(b, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
	add_opens(b);
	add_maps(b);
	add_processes(b);
	add_probed(b);
	add_values(b, CALL(bpf), 0, bpf_commands, COUNT(bpf_commands));
	add_values(b, CALL(ioctl), 1, ioctls, COUNT(ioctls));
	add_values(b, CALL(socket), 0, families, COUNT(families));
	if (options->pins)
		add_values(b, CALL(bpf), 0, bpf_pins, COUNT(bpf_pins));
	if (!options->perf)
		return;
	add(b, SCMP_ACT_ALLOW, CALL(perf_event_open), 0, NULL);
	add_values(b, CALL(bpf), 0, bpf_perf, COUNT(bpf_perf));
	add_values(b, CALL(ioctl), 1, perf_ioctls, COUNT(perf_ioctls));
}

/* A build for sanitizers or valgrind has none: they make calls of their own, which are many. */
#ifdef NO_SYSCALL_FILTER
#define HAS_FILTER false
#else
#define HAS_FILTER true
#endif

int syscall_filter_install(const struct syscall_filter_options *options)
{
	struct building b = { .filter = NULL };
	int err;

	if (!HAS_FILTER)
		return 1;
	b.filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!b.filter)
		return -ENOMEM;
	err = seccomp_attr_set(b.filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* A tree: the list is long, and some of these calls are made often. */
	if (!err)
		err = seccomp_attr_set(b.filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	b.err = err;
	build(&b, options);
	err = b.err ? b.err : seccomp_load(b.filter);
	seccomp_release(b.filter);
	return err;
}
