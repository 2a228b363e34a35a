/* SPDX-License-Identifier: MIT */
/* denied.h - why a process that is there may not be looked into, and what would help */
#ifndef DENIED_H
#define DENIED_H

#include <stdbool.h>
#include <stddef.h>

/* Who asks. */
struct denied_asker {
	bool root;
	bool ptrace; /* has CAP_SYS_PTRACE, by which all may be looked into ... */
	bool host;   /* ... where it is that of the host's user namespace */
};

/* The end of a sentence that began with "not allowed to ...: ". Pure. */
const char *denied_advice(const struct denied_asker *asker);
/* The same of this program as it runs. */
const char *denied_why(void);

/* How many processes /proc shows, and how many of them may not be looked into. 0 or -errno. */
int denied_count(size_t *all, size_t *denied);

#endif /* DENIED_H */
