/* SPDX-License-Identifier: MIT */
#include "doctor_host.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "denied.h"
#include "doctor_judge.h"
#include "doctor_own.h"
#include "doctor_read.h"
#include "doctor_redzone.h"
#include "doctor_self.h"
#include "kernel_lacks.h"
#include "namespaces.h"

#define BPFFS_PATH  "/sys/fs/bpf"
#define BPFFS_MAGIC 0xcafe4a11

#if defined(__x86_64__)
#define MACHINE "x86_64"
#else
#define MACHINE "aarch64"
#endif

/* What several checks look at. */
struct host {
	bool no_multi;
	uint64_t effective;
	int perf; /* 0, or the -errno of an attempt */
	int multi;
};

static void check_kernel(const struct host *h, struct finding *f)
{
	struct utsname kernel;

	(void)h;
	if (uname(&kernel)) {
		finding_warn(f, "it does not say (%s)", strerror(errno));
	} else if (strcmp(kernel.machine, MACHINE)) {
		finding_fail(f, "%s %s, %s, but this is a program for " MACHINE, kernel.sysname,
			     kernel.release, kernel.machine);
		finding_advise(f, "use the one for this machine");
	} else {
		finding_ok(f, "%s %s, %s", kernel.sysname, kernel.release, kernel.machine);
	}
}

static void check_btf(const struct host *h, struct finding *f)
{
	struct btf *btf;

	(void)h;
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		finding_fail(f, "/sys/kernel/btf/vmlinux: %s", strerror(errno));
		finding_advise(f, "use a kernel built with CONFIG_DEBUG_INFO_BTF; in a container, "
				  "mount /sys");
		return;
	}
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		finding_fail(f, "/sys/kernel/btf/vmlinux cannot be read (%s)", strerror(errno));
		finding_advise(f, "use a libbpf that is as new as the kernel");
		return;
	}
	finding_ok(f, "/sys/kernel/btf/vmlinux, %u types", btf__type_cnt(btf));
	btf__free(btf);
}

static void check_bpf(const struct host *h, struct finding *f)
{
	char lacks[KERNEL_LACKS_SIZE], more[KERNEL_LACKS_SIZE];
	int missing = kernel_lacks(false, lacks), all = kernel_lacks(true, more);

	(void)h;
	if (missing < 0 || all < 0) {
		finding_warn(f, "what our programs use cannot be tried (%s)", strerror(-missing));
		finding_advise(f, "run as root, or with CAP_BPF and CAP_PERFMON");
	} else if (missing) {
		finding_fail(f, "this kernel lacks %s", lacks);
		finding_advise(f, "use one that has %s", missing > 1 ? "them" : "it");
	} else if (all) {
		finding_warn(f, "this kernel lacks %s, which only recipes need", more);
		finding_advise(f, "nothing, if you use none");
	} else {
		finding_ok(f, "has all that our programs use");
	}
}

static void check_uprobes(const struct host *h, struct finding *f)
{
	doctor_judge_uprobes(f, h->perf, h->multi);
}

static void check_multi(const struct host *h, struct finding *f)
{
	if (h->no_multi)
		finding_ok(f, "left out, as asked for");
	else
		doctor_judge_multi(f, h->perf, h->multi);
}

static void check_capabilities(const struct host *h, struct finding *f)
{
	doctor_judge_capabilities(f, h->effective, !h->multi, namespaces_user_is_host());
}

static void check_pid_namespace(const struct host *h, struct finding *f)
{
	(void)h;
	if (namespaces_pid_is_host()) {
		finding_ok(f, "the host's");
		return;
	}
	finding_fail(f, "one of its own: the kernel's process numbers are others");
	finding_advise(f, "start the container with those of the host (--pid=host, or hostPID: "
			  "true)");
}

static void check_lockdown(const struct host *h, struct finding *f)
{
	enum lockdown lockdown;
	char text[128];

	(void)h;
	if (doctor_read_text("/sys/kernel/security/lockdown", text, sizeof(text)))
		finding_ok(f, "not there");
	else if (doctor_parse_lockdown(text, &lockdown))
		finding_warn(f, "'%.*s' is not known", (int)strcspn(text, "\n"), text);
	else
		doctor_judge_lockdown(f, lockdown);
}

static void check_paranoid(const struct host *h, struct finding *f)
{
	long paranoid;
	int err = doctor_read_number("/proc/sys/kernel/perf_event_paranoid", &paranoid);

	if (err) {
		finding_warn(f, "there are no perf events (%s)", strerror(-err));
		finding_advise(f, "nothing where uprobe_multi works");
	} else {
		doctor_judge_paranoid(f, paranoid, h->effective);
	}
}

static void check_ptrace_scope(const struct host *h, struct finding *f)
{
	long scope;

	if (doctor_read_number("/proc/sys/kernel/yama/ptrace_scope", &scope))
		finding_ok(f, "no Yama");
	else
		doctor_judge_ptrace_scope(f, scope, h->effective);
}

/* As `pushback list` sees it. */
static void check_denied(struct finding *f)
{
	size_t all, denied;
	int err = denied_count(&all, &denied);

	if (err) {
		finding_warn(f, "cannot be looked through (%s)", strerror(-err));
		finding_advise(f, "mount /proc");
	} else if (denied) {
		finding_warn(f,
			     "shows the processes of others, but %zu of %zu may not be looked "
			     "into, so consumers there are not found",
			     denied, all);
		finding_advise(f, "%s", denied_why());
	} else {
		finding_ok(f, "shows the processes of others");
	}
}

/* The first process is another user's, and always there. */
static void check_proc(const struct host *h, struct finding *f)
{
	struct stat st;

	(void)h;
	if (!stat("/proc/1", &st)) {
		check_denied(f);
		return;
	}
	finding_warn(f, "hides the processes of others (%s), so their consumers are not found",
		     strerror(errno));
	finding_advise(f, "run as root, or mount /proc without hidepid");
}

static void check_bpffs(const struct host *h, struct finding *f)
{
	struct statfs fs;

	(void)h;
	if (!statfs(BPFFS_PATH, &fs) && (unsigned long)fs.f_type == BPFFS_MAGIC) {
		finding_ok(f, "mounted at " BPFFS_PATH);
		return;
	}
	finding_warn(f,
		     "not mounted at " BPFFS_PATH ": only what is to outlive its loader needs it");
	finding_advise(f, "mount -t bpf bpf " BPFFS_PATH ", if you pin");
}

static void check_libbpf(const struct host *h, struct finding *f)
{
	(void)h;
	finding_ok(f, "%s; uprobe_multi links are made without it", libbpf_version_string());
}

static void check_panic(const struct host *h, struct finding *f)
{
	long panic;

	(void)h;
	if (doctor_read_number("/proc/sys/kernel/panic_on_warn", &panic))
		finding_ok(f, "not there");
	else
		doctor_judge_panic(f, panic, doctor_read_config("CONFIG_EXT4_DEBUG"));
}

static void check_redzone(const struct host *h, struct finding *f)
{
	(void)h;
	doctor_redzone_check(f);
}

static void check_self(const struct host *h, struct finding *f)
{
	doctor_self_check(f, h->no_multi);
}

static const struct {
	const char *name;
	void (*check)(const struct host *h, struct finding *f);
} checks[] = {
	{ "kernel", check_kernel },
	{ "btf", check_btf },
	{ "bpf", check_bpf },
	{ "uprobes", check_uprobes },
	{ "uprobe_multi", check_multi },
	{ "capabilities", check_capabilities },
	{ "pid_namespace", check_pid_namespace },
	{ "lockdown", check_lockdown },
	{ "perf_event_paranoid", check_paranoid },
	{ "ptrace_scope", check_ptrace_scope },
	{ "proc", check_proc },
	{ "bpffs", check_bpffs },
	{ "libbpf", check_libbpf },
	{ "panic_on_warn", check_panic },
	{ "red_zone", check_redzone },
	{ "self_test", check_self },
};

/* Closes what was attached: all that counts is that it could be. */
static int outcome_of(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void try_uprobes(struct host *h)
{
	uint64_t offset;
	int err = doctor_own_offset(doctor_redzone_site, &offset);

	h->perf = err ? err : outcome_of(doctor_own_perf(offset, getpid()));
	h->multi = err ? err : outcome_of(doctor_own_multi(offset, getpid()));
	if (h->no_multi)
		h->multi = -ENOTSUP;
}

bool doctor_host(bool no_multi, finding_fn tell, void *context)
{
	struct host h = { .no_multi = no_multi, .effective = doctor_read_capabilities() };
	bool safe = true;
	size_t i;

	try_uprobes(&h);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding f = { .check = checks[i].name };

		checks[i].check(&h, &f);
		safe &= checks[i].check != check_panic || f.level != FINDING_FAILURE;
		tell(&f, context);
	}
	return safe;
}
