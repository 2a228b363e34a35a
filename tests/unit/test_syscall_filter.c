/* SPDX-License-Identifier: MIT */
/* What the filter lets through, what it refuses, and what ends the process: in children that have it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "syscall_filter.h"

#define LET_THROUGH 0
#define ENDED       255 /* by SIGSYS */

/* 0, or an errno. What the kernel says of wrong arguments is not the filter's. */
typedef int attempt_fn(void);

static int outcome(long result)
{
	return result < 0 ? errno : LET_THROUGH;
}

static int bpf_call(int command)
{
	return outcome(syscall(SYS_bpf, command, NULL, 0));
}

static int read_a_file(void)
{
	return outcome(open("/proc/self/status", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

static int name_a_file(void)
{
	return outcome(open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int write_a_file(void)
{
	return outcome(open("/dev/null", O_WRONLY));
}

static int make_a_file(void)
{
	return outcome(open("/tmp", O_TMPFILE | O_RDWR, 0600));
}

static int open_otherwise(void)
{
	return outcome(syscall(SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0));
}

static int udp_socket(void)
{
	return outcome(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int netlink_socket(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int listen_on_one(void)
{
	return outcome(listen(0, 1));
}

static int map_memory(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : LET_THROUGH;
}

static int map_to_be_run(void)
{
	void *at = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : LET_THROUGH;
}

static void *nothing(void *context)
{
	return context;
}

static int begin_a_thread(void)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, nothing, NULL);

	return err ? err : pthread_join(thread, NULL);
}

static int begin_a_process(void)
{
	return outcome(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0));
}

static int begin_a_namespace(void)
{
	return outcome(syscall(SYS_clone, SIGCHLD | CLONE_NEWNS, NULL, NULL, NULL, 0));
}

static int have_files_of_our_own(void)
{
	return outcome(unshare(CLONE_FILES));
}

static int leave_a_namespace(void)
{
	return outcome(unshare(CLONE_FILES | CLONE_NEWNS));
}

static int leave_a_namespace_alone(void)
{
	return outcome(unshare(CLONE_NEWNS));
}

static int read_a_process(void)
{
	char from = 'x', to;
	struct iovec local = { &to, 1 }, remote = { &from, 1 };

	return outcome(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static int ask_for_a_limit(void)
{
	struct rlimit limit;

	return outcome(getrlimit(RLIMIT_NOFILE, &limit));
}

static int set_a_limit(void)
{
	struct rlimit limit = { 10, 10 };

	return outcome(setrlimit(RLIMIT_NOFILE, &limit));
}

static int limit_another(void)
{
	struct rlimit limit;

	return outcome(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

static int signal_another(void)
{
	return outcome(kill(getppid(), 0));
}

static int type_into_a_terminal(void)
{
	return outcome(ioctl(0, TIOCSTI, "x"));
}

/* Of wrong arguments the kernel says EINVAL, EFAULT or E2BIG: then it was asked. */
static int asked(int err)
{
	return err == EPERM ? EPERM : LET_THROUGH;
}

static int read_a_map(void)
{
	return asked(bpf_call(BPF_MAP_LOOKUP_ELEM));
}

static int load_a_program(void)
{
	return bpf_call(BPF_PROG_LOAD) == EPERM ? EPERM : LET_THROUGH;
}

static int get_a_pin(void)
{
	return bpf_call(BPF_OBJ_GET) == EPERM ? EPERM : LET_THROUGH;
}

static int get_by_number(void)
{
	return bpf_call(BPF_PROG_GET_FD_BY_ID) == EPERM ? EPERM : LET_THROUGH;
}

static int open_perf(void)
{
	return asked(outcome(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)));
}

static int run_a_program(void)
{
	char *const none[] = { NULL };

	return outcome(execve("/bin/true", none, none));
}

static int trace(void)
{
	return outcome(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int change_root(void)
{
	return outcome(chroot("/"));
}

static int become_another(void)
{
	return outcome(setuid(getuid()));
}

/* With it in a process of its own: an errno, LET_THROUGH, or ENDED. */
static int try(attempt_fn *attempt, const struct syscall_filter_options *options)
{
	pid_t child = fork();
	int status;

	if (!child) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(syscall_filter_install(options) ? 254 : attempt());
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return ENDED;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void it_is_as_it_says(void **state)
{
	static const struct {
		const char *what;
		attempt_fn *attempt;
		int result;
	} cases[] = {
		{ "read a file", read_a_file, LET_THROUGH },
		{ "name a file", name_a_file, LET_THROUGH },
		{ "write a file", write_a_file, EPERM },
		{ "make a file", make_a_file, EPERM },
		{ "open otherwise", open_otherwise, ENOSYS },
		{ "udp socket", udp_socket, LET_THROUGH },
		{ "netlink socket", netlink_socket, EPERM },
		{ "listen", listen_on_one, EPERM },
		{ "map memory", map_memory, LET_THROUGH },
		{ "map to be run", map_to_be_run, EPERM },
		{ "begin a thread", begin_a_thread, LET_THROUGH },
		{ "begin a process", begin_a_process, LET_THROUGH },
		{ "begin a namespace", begin_a_namespace, EPERM },
		{ "have files of our own", have_files_of_our_own, LET_THROUGH },
		{ "leave a namespace", leave_a_namespace, EPERM },
		{ "leave a namespace alone", leave_a_namespace_alone, ENDED },
		{ "read a process", read_a_process, LET_THROUGH },
		{ "ask for a limit", ask_for_a_limit, LET_THROUGH },
		{ "set a limit", set_a_limit, LET_THROUGH },
		{ "limit another", limit_another, EPERM },
		{ "signal another", signal_another, EPERM },
		{ "type into a terminal", type_into_a_terminal, EPERM },
		{ "get by number", get_by_number, EPERM },
		{ "run a program", run_a_program, ENDED },
		{ "trace", trace, ENDED },
		{ "change root", change_root, ENDED },
		{ "become another", become_another, ENDED },
	};
	static const struct syscall_filter_options all[] = {
		{ .perf = false },
		{ .perf = true, .pins = true },
	};

	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			print_message("%s\n", cases[i].what);
			assert_int_equal(try(cases[i].attempt, &all[k]), cases[i].result);
		}
}

/* As root these get as far as the kernel's own checks; else EPERM might be its answer. */
static void what_is_asked_for_is_let_through_too(void **state)
{
	const struct syscall_filter_options none = { .perf = false };
	const struct syscall_filter_options perf = { .perf = true }, pins = { .pins = true };

	(void)state;
	assert_int_equal(geteuid(), 0);
	assert_int_equal(try(read_a_map, &none), LET_THROUGH);
	assert_int_equal(try(load_a_program, &none), EPERM);
	assert_int_equal(try(load_a_program, &pins), EPERM);
	assert_int_equal(try(load_a_program, &perf), LET_THROUGH);
	assert_int_equal(try(get_a_pin, &none), EPERM);
	assert_int_equal(try(get_a_pin, &perf), EPERM);
	assert_int_equal(try(get_a_pin, &pins), LET_THROUGH);
	assert_int_equal(try(open_perf, &none), EPERM);
	assert_int_equal(try(open_perf, &perf), LET_THROUGH);
}

static int pipe_fds[2];

static void *wait_and_write(void *context)
{
	char byte;

	(void)context;
	if (read(pipe_fds[0], &byte, 1) != 1)
		return (void *)(intptr_t)-1;
	return (void *)(intptr_t)write_a_file();
}

/* Of one that was there before. */
static int in_another_thread(void)
{
	const struct syscall_filter_options options = { .perf = false };
	pthread_t thread;
	void *result;

	if (pipe(pipe_fds) || pthread_create(&thread, NULL, wait_and_write, NULL) ||
	    syscall_filter_install(&options) || write(pipe_fds[1], "x", 1) != 1 ||
	    pthread_join(thread, &result))
		return 253;
	return (int)(intptr_t)result;
}

static void it_is_for_all_threads(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(in_another_thread());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static bool has_filter(void)
{
	const struct syscall_filter_options options = { .perf = false };
	int status;
	pid_t child = fork();

	if (!child)
		_exit(syscall_filter_install(&options) == 1);
	return waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 1;
}

static void a_build_with_sanitizers_says_so(void **state)
{
	const struct syscall_filter_options options = { .perf = false };

	(void)state;
	assert_int_equal(syscall_filter_install(&options), 1);
	assert_int_equal(write_a_file(), LET_THROUGH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_as_it_says),
		cmocka_unit_test(what_is_asked_for_is_let_through_too),
		cmocka_unit_test(it_is_for_all_threads),
	};
	const struct CMUnitTest sanitized[] = {
		cmocka_unit_test(a_build_with_sanitizers_says_so),
	};

	if (has_filter())
		return cmocka_run_group_tests(tests, NULL, NULL);
	return cmocka_run_group_tests(sanitized, NULL, NULL);
}
