/* SPDX-License-Identifier: MIT */
#include "doctor_judge.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static bool has(uint64_t effective, unsigned int capability)
{
	return effective >> capability & 1;
}

/* What we use, the wider ones that hold it as well, and what does not work without. */
static const struct {
	const char *name;
	unsigned int capability, wider;
	bool needed;
	const char *without;
} wanted[] = {
	{ "CAP_BPF", DOCTOR_CAP_BPF, DOCTOR_CAP_SYS_ADMIN, true, "no BPF program can be loaded" },
	{ "CAP_PERFMON", DOCTOR_CAP_PERFMON, DOCTOR_CAP_SYS_ADMIN, true,
	  "no probe can be attached" },
	{ "CAP_SYS_PTRACE", DOCTOR_CAP_SYS_PTRACE, DOCTOR_CAP_SYS_PTRACE, false,
	  "processes of other users are not looked into, and their silent steps not read" },
	{ "CAP_DAC_READ_SEARCH", DOCTOR_CAP_DAC_READ_SEARCH, DOCTOR_CAP_DAC_READ_SEARCH, false,
	  "files that only others may read are passed over" },
	{ "CAP_CHECKPOINT_RESTORE", DOCTOR_CAP_CHECKPOINT_RESTORE, DOCTOR_CAP_SYS_ADMIN, false,
	  "libraries that were deleted while they run are passed over" },
	/* The last one: not where there is something better. */
	{ "CAP_SYS_ADMIN", DOCTOR_CAP_SYS_ADMIN, DOCTOR_CAP_SYS_ADMIN, false, "no perf uprobes" },
};

#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

void doctor_judge_capabilities(struct finding *f, uint64_t effective, bool multi, bool host)
{
	const size_t count = WANTED - multi;
	bool fails = false;
	size_t i, missing = 0;

	if (!host) {
		finding_fail(f, "this is a user namespace of its own, whose capabilities do not "
				"count for probes");
		finding_advise(f, "run it in the user namespace of the host");
		return;
	}
	finding_warn(f, "missing: ");
	for (i = 0; i < count; i++) {
		if (has(effective, wanted[i].capability) || has(effective, wanted[i].wider))
			continue;
		finding_add(f, "%s%s (%s)", missing++ ? ", " : "", wanted[i].name,
			    wanted[i].without);
		fails |= wanted[i].needed;
	}
	if (!missing) {
		finding_ok(f, "all that is used: ");
		for (i = 0; i < count; i++)
			finding_add(f, "%s%s", i ? ", " : "", wanted[i].name);
		return;
	}
	if (fails)
		f->level = FINDING_FAILURE;
	finding_advise(f, "run as root, or with what is missing");
}

void doctor_judge_lockdown(struct finding *f, enum lockdown lockdown)
{
	switch (lockdown) {
	case LOCKDOWN_NONE:
		finding_ok(f, "none");
		break;
	case LOCKDOWN_INTEGRITY:
		finding_ok(f, "integrity, which lets BPF read");
		break;
	case LOCKDOWN_CONFIDENTIALITY:
		finding_fail(f, "confidentiality: BPF may not read the kernel's memory");
		finding_advise(f, "boot with lockdown=integrity at most");
		break;
	}
}

void doctor_judge_paranoid(struct finding *f, long paranoid, uint64_t effective)
{
	if (paranoid <= 2 || has(effective, DOCTOR_CAP_SYS_ADMIN)) {
		finding_ok(f, "%ld", paranoid);
		return;
	}
	finding_warn(f, "%ld: without CAP_SYS_ADMIN no perf event, and so no perf uprobe",
		     paranoid);
	finding_advise(f, "nothing where uprobe_multi works; else run as root, or set "
			  "kernel.perf_event_paranoid to 2");
}

void doctor_judge_ptrace_scope(struct finding *f, long scope, uint64_t effective)
{
	if (scope >= 3) {
		finding_warn(f,
			     "%ld: nobody may read another process's memory, so silent steps stay "
			     "at their last event",
			     scope);
		finding_advise(f, "boot with kernel.yama.ptrace_scope below 3");
	} else if (scope >= 1 && !has(effective, DOCTOR_CAP_SYS_PTRACE)) {
		finding_warn(f,
			     "%ld: without CAP_SYS_PTRACE the memory of other processes cannot be "
			     "read, so silent steps stay at their last event",
			     scope);
		finding_advise(f, "run as root, or with CAP_SYS_PTRACE");
	} else {
		finding_ok(f, "%ld", scope);
	}
}

void doctor_judge_panic(struct finding *f, long panic_on_warn, char ext4_debug)
{
	if (!panic_on_warn) {
		finding_ok(f, "0");
	} else if (ext4_debug == 'n') {
		finding_ok(f, "%ld, without CONFIG_EXT4_DEBUG", panic_on_warn);
	} else if (ext4_debug) {
		finding_fail(f,
			     "%ld, with CONFIG_EXT4_DEBUG: starting a program with a probe in it "
			     "can stop this host, by a warning of ext4's",
			     panic_on_warn);
		finding_advise(f, "set kernel.panic_on_warn to 0 before you attach anything");
	} else {
		finding_warn(
			f,
			"%ld, and whether this kernel has CONFIG_EXT4_DEBUG is not known: with "
			"it, starting a program with a probe in it can stop this host",
			panic_on_warn);
		finding_advise(f, "look into the kernel's configuration, or set "
				  "kernel.panic_on_warn to 0");
	}
}

static bool is_denied(int err)
{
	return err == -EPERM || err == -EACCES;
}

void doctor_judge_uprobes(struct finding *f, int perf, int multi)
{
	if (!perf) {
		finding_ok(f, "a perf uprobe was attached to ourselves and let go");
	} else if (!multi) {
		finding_ok(f, "no perf uprobe (%s), which uprobe_multi makes up for",
			   strerror(-perf));
	} else if (is_denied(perf)) {
		finding_fail(f, "not allowed to attach a perf uprobe");
		finding_advise(f, "run as root, or with CAP_SYS_ADMIN");
	} else {
		finding_fail(f, "this kernel attaches no uprobe (%s)", strerror(-perf));
		finding_advise(f, "use one built with CONFIG_UPROBE_EVENTS");
	}
}

void doctor_judge_multi(struct finding *f, int perf, int multi)
{
	if (!multi) {
		finding_ok(f, "a link was attached to ourselves and let go");
	} else if (is_denied(multi)) {
		finding_fail(f, "not allowed to attach a link");
		finding_advise(f, "run as root, or with CAP_BPF and CAP_PERFMON");
	} else if (!perf) {
		finding_warn(f,
			     "this kernel has no such links (%s): it takes one perf uprobe per "
			     "site, which needs CAP_SYS_ADMIN",
			     strerror(-multi));
		finding_advise(f, "nothing, or Linux 6.6");
	} else {
		finding_fail(f, "this kernel has no such links (%s)", strerror(-multi));
		finding_advise(f, "see uprobes");
	}
}
