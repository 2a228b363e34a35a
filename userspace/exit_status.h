/* SPDX-License-Identifier: MIT */
/* exit_status.h - what the process says to its caller; part of the user interface */
#ifndef EXIT_STATUS_H
#define EXIT_STATUS_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* unreadable path, not ELF, no probes, dead pid */
	EXIT_USAGE = 2,  /* option, interval, address syntax */
	EXIT_HOST = 3,   /* this host cannot do it: permission, BTF, uprobes */
	EXIT_BROKEN = 4, /* of `check`: all went well, and a limit is broken */
};

#endif /* EXIT_STATUS_H */
