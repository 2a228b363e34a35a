/* SPDX-License-Identifier: MIT */
/*
 * reader.h - reads the memory of others, and can be given up
 *
 * A page of a process may be filled by a file system of its user's own, which takes as long as it likes, and
 * no signal ends the wait for it, not even SIGKILL. So a process of ours waits that shares our memory and
 * nothing else, and does not keep us from ending. When it has read in one process for half a second it is
 * given up, and another one takes its place; that process is read no more. Nor is any of a user (but root)
 * who holds several, and none at all once too many are held. Where reading has lately taken two seconds more
 * than a tenth of the time, a tenth of that half second is enough. For one caller at a time.
 */
#ifndef READER_H
#define READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is to be read, at the beginning of what there is to know about it; set to {run, release}. */
struct reader_job {
	/* In the reader: calls reader_turn() before each process. Writes nowhere but into its own. */
	void (*run)(struct reader_job *job);
	/* Frees it: once its reader is back, if that was given up. */
	void (*release)(struct reader_job *job);
	/* The rest is the reader's. */
	atomic_int pid;
	atomic_uint turns;
	atomic_int state;
};

/* Has it run to its end. false: it was not, and it is the caller's no more. */
bool reader_run(struct reader_job *job);
/*
 * Neither sanitizers nor valgrind know of a process in the memory of another: there a thread reads, of which is
 * not known whether it waits for somebody or for a CPU.
 */
bool reader_is_thread(void);
/* What they have taken of a CPU: it is not in our process's time. */
uint64_t reader_cpu_ns(void);
/*
 * Before we give up privileges: it has those that there were. The next job has a new one. And before we end;
 * one that was given up does not keep us.
 */
void reader_end(void);
/* Whether that process is to be read now. When not, the next one may be. */
bool reader_turn(struct reader_job *job, pid_t pid);

#endif /* READER_H */
