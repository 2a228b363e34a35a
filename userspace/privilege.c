/* SPDX-License-Identifier: MIT */
#include "privilege.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>

static const struct {
	const char *name;
	unsigned int number;
	bool needed;
	const char *without;
} kept[] = {
	{ "CAP_BPF", CAP_BPF, true, "no BPF program can be loaded" },
	{ "CAP_PERFMON", CAP_PERFMON, true, "no probe can be attached" },
	{ "CAP_SYS_PTRACE", CAP_SYS_PTRACE, false,
	  "not all processes of other users are found, and none of their silent steps read" },
	{ "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, false,
	  "files that only others may read are passed over, and --tag-from env: of other users" },
	/* Older kernels do not know it: there it is CAP_SYS_ADMIN, which they need anyway. */
	{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE, false,
	  "libraries that were deleted or replaced while they run are passed over" },
};

#define KEPT (sizeof(kept) / sizeof(kept[0]))

static bool has(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

/* The kernel takes the one for all of these but that for files. */
static bool stands_in(unsigned int capability)
{
	return capability == CAP_BPF || capability == CAP_PERFMON ||
	       capability == CAP_CHECKPOINT_RESTORE;
}

static bool has_or_wider(unsigned int capability)
{
	return has(capability) || (stands_in(capability) && has(CAP_SYS_ADMIN));
}

int privilege_check(char *why, size_t why_size)
{
	if (capng_get_caps_process())
		return 0;
	for (size_t i = 0; i < KEPT; i++) {
		if (!kept[i].needed || has_or_wider(kept[i].number))
			continue;
		snprintf(why, why_size,
			 "not allowed: %s is missing, and without it %s: run as root, or with "
			 "CAP_BPF and CAP_PERFMON",
			 kept[i].name, kept[i].without);
		return -EPERM;
	}
	return 0;
}

bool privilege_missing(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	if (capng_get_caps_process())
		return false;
	for (size_t i = 0; i < KEPT && used < size; i++)
		if (!has_or_wider(kept[i].number))
			used += (size_t)snprintf(text + used, size - used, "%swithout %s %s",
						 used ? "; " : "", kept[i].name, kept[i].without);
	return used;
}

/* What is kept, of what we have now. */
static void choose(bool admin)
{
	bool mine[KEPT], stand_in = false;

	for (size_t i = 0; i < KEPT; i++) {
		mine[i] = has(kept[i].number);
		stand_in |= kept[i].needed && !mine[i];
	}
	admin = (admin || stand_in) && has(CAP_SYS_ADMIN);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < KEPT; i++)
		if (mine[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i].number);
	if (admin)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN);
}

int privilege_drop(bool admin, char *why, size_t why_size)
{
	capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	int err;

	if (capng_get_caps_process()) {
		snprintf(why, why_size, "cannot read our capabilities");
		return -EIO;
	}
	/* Others may not: of what is in theirs no_new_privs lets nothing out. */
	if (has(CAP_SETPCAP))
		sets |= CAPNG_SELECT_BOUNDS;
	choose(admin);
	err = capng_apply(sets);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -1;
	if (!err)
		return 0;
	err = errno ? -errno : -EPERM;
	snprintf(why, why_size, "cannot give up capabilities: %s", strerror(-err));
	return err;
}
