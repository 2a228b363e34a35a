/* SPDX-License-Identifier: MIT */
#include "agent_start.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "attach.h"
#include "identity.h"
#include "msg.h"
#include "privilege.h"
#include "reader.h"
#include "syscall_filter.h"

enum exit_status agent_start_check(char *why)
{
	if (privilege_check(why, ATTACH_WHY_SIZE))
		return EXIT_HOST;
	identity_prepare();
	return EXIT_DONE;
}

enum exit_status agent_start_recipes(struct recipes **out, const char *const *paths, char *why)
{
	int err = 0;

	*out = NULL;
	if (!paths || !*paths)
		return EXIT_DONE;
	*out = recipes_new();
	if (!*out) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	for (; !err && *paths; paths++)
		err = recipes_read(*out, *paths, why, ATTACH_WHY_SIZE);
	return err == -EINVAL ? EXIT_USAGE : err ? EXIT_FAILED : EXIT_DONE;
}

int agent_start_signals(char *why)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0)
		return fd;
	fd = -errno;
	snprintf(why, ATTACH_WHY_SIZE, "cannot wait for signals: %s", strerror(-fd));
	return fd;
}

void agent_start_tell(void)
{
	char missing[ATTACH_WHY_SIZE];

	if (privilege_missing(missing, sizeof(missing)))
		msg_warn("%s", missing);
}

int agent_start_confine(const struct agent_start_confines *confines, char *why)
{
	const struct syscall_filter_options options = { .perf = !confines->multi,
							.pins = confines->pins };
	int err;

	reader_end();
	err = privilege_drop(!confines->multi, why, ATTACH_WHY_SIZE);
	if (err || confines->no_seccomp)
		return err;
	err = syscall_filter_install(&options);
	/* The capabilities are gone all the same. */
	if (err < 0)
		msg_warn("runs without a filter of system calls: %s", strerror(-err));
	return 0;
}
