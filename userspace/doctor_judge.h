/* SPDX-License-Identifier: MIT */
/*
 * doctor_judge.h - what a host's settings mean for us
 *
 * Pure: values in, a finding out (its name stays).
 */
#ifndef DOCTOR_JUDGE_H
#define DOCTOR_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor_parse.h"
#include "finding.h"

/* Numbers of <linux/capability.h>, the newer of which are missing in some. */
#define DOCTOR_CAP_DAC_READ_SEARCH    2
#define DOCTOR_CAP_SYS_PTRACE         19
#define DOCTOR_CAP_SYS_ADMIN          21
#define DOCTOR_CAP_PERFMON            38
#define DOCTOR_CAP_BPF                39
#define DOCTOR_CAP_CHECKPOINT_RESTORE 40

/*
 * `effective`: a bit each. `multi`: there are uprobe_multi links, which take no CAP_SYS_ADMIN. `host`: in
 * the user namespace of the host, the only one where they count.
 */
void doctor_judge_capabilities(struct finding *f, uint64_t effective, bool multi, bool host);

void doctor_judge_lockdown(struct finding *f, enum lockdown lockdown);

/* kernel.perf_event_paranoid. Levels above 2 are distributions' own. */
void doctor_judge_paranoid(struct finding *f, long paranoid, uint64_t effective);

/* kernel.yama.ptrace_scope */
void doctor_judge_ptrace_scope(struct finding *f, long scope, uint64_t effective);

/*
 * kernel.panic_on_warn; `ext4_debug` is CONFIG_EXT4_DEBUG, 'y', 'n' or 0 unknown. With both, the exec of
 * a file with a probe in it, whose page is not in memory, stops the host: ext4 warns then.
 */
void doctor_judge_panic(struct finding *f, long panic_on_warn, char ext4_debug);

/* Perf uprobes and uprobe_multi links: 0, or the -errno that an attempt met. */
void doctor_judge_uprobes(struct finding *f, int perf, int multi);
void doctor_judge_multi(struct finding *f, int perf, int multi);

#endif /* DOCTOR_JUDGE_H */
