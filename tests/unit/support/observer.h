/* SPDX-License-Identifier: MIT */
/*
 * observer.h - an observer inside the process: raises the semaphore, places real breakpoints
 *
 * What the kernel does to a watched process, done by the process itself: the semaphore counts up,
 * the first instruction of a fire site becomes a breakpoint, and a SIGTRAP handler records the six
 * arguments and a copy of the struct. C and C++, x86-64 and aarch64; of the object that includes
 * it.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "pushback.h"

#define OBSERVER_FIRES 8192
#define OBSERVER_ALL   0xfu

struct observer_fire {
	unsigned int site; /* enum pushback_site */
	unsigned int value;
	struct pushback_step *place;
	const char *name;
	uint64_t yes; /* accepted or forwarded */
	uint64_t no;
	struct pushback_step *next;
	uint64_t at;
	pthread_t thread;
	struct pushback_step step; /* as it was then */
};

static struct observer_fire observer_fires[OBSERVER_FIRES];
static unsigned int observer_count; /* may pass OBSERVER_FIRES: the rest is not recorded */

static __attribute__((unused)) uint64_t observer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uintptr_t observer_site(unsigned int site)
{
	static pushback_fire *const sites[] = {
		pushback_fire_submit_return,
		pushback_fire_forward_return,
		pushback_fire_poll_return,
		pushback_fire_step_end,
	};

	return (uintptr_t)sites[site];
}

static void observer_record(unsigned int site, const uint64_t *arguments)
{
	unsigned int i = __atomic_fetch_add(&observer_count, 1, __ATOMIC_RELAXED);
	struct observer_fire *fire = &observer_fires[i];

	if (i >= OBSERVER_FIRES)
		return;
	fire->site = site;
	fire->place = (struct pushback_step *)arguments[0];
	fire->name = (const char *)arguments[1];
	fire->value = (unsigned int)arguments[2];
	fire->yes = arguments[3];
	fire->no = arguments[4];
	fire->next = (struct pushback_step *)arguments[5];
	fire->at = observer_now();
	fire->thread = pthread_self();
	memcpy(&fire->step, fire->place, sizeof(fire->step));
}

static void observer_trap(int signal, siginfo_t *info, void *context)
{
	mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
	uint64_t arguments[6];
	unsigned int site;
	uintptr_t at;

	(void)signal;
	(void)info;
#if defined(__x86_64__)
	static const int place[6] = { REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9 };
	unsigned int i;

	at = (uintptr_t)m->gregs[REG_RIP] - 1;
	for (i = 0; i < 6; i++)
		arguments[i] = (uint64_t)m->gregs[place[i]];
#else
	at = (uintptr_t)m->pc;
	memcpy(arguments, m->regs, sizeof(arguments));
	m->pc += 4;
#endif
	for (site = 0; site < 4; site++)
		if (observer_site(site) == at)
			break;
	if (site == 4)
		abort();
	observer_record(site, arguments);
}

static void observer_write(uintptr_t at, pushback_instruction instruction)
{
	void *page = (void *)(at & ~(uintptr_t)4095);

	if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		abort();
		/* In assembler: the thread sanitizer has no shadow for code. */
#if defined(__x86_64__)
	__asm__ volatile("movb %1, (%0)" : : "r"(at), "q"(instruction) : "memory");
#else
	__asm__ volatile("str %w1, [%0]" : : "r"(at), "r"(instruction) : "memory");
#endif
	__builtin___clear_cache((char *)at, (char *)at + sizeof(instruction));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0)
		abort();
}

/* What the kernel does first. */
static __attribute__((unused)) void observer_raise(int by)
{
	__atomic_fetch_add(&pushback_semaphore, (uint16_t)by, __ATOMIC_SEQ_CST);
}

/* What it does then: breakpoints at those sites whose bit (1 << enum pushback_site) is set, at no
 * other. */
static __attribute__((unused)) void observer_arm(unsigned int sites)
{
#if defined(__x86_64__)
	const pushback_instruction trap = 0xcc;
#else
	const pushback_instruction trap = 0xd4200000u;
#endif
	struct sigaction action;
	unsigned int i;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = observer_trap;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGTRAP, &action, NULL);
	for (i = 0; i < 4; i++)
		observer_write(observer_site(i),
			       sites >> i & 1 ? trap : (pushback_instruction)PUSHBACK_NOP_CODE);
}

static __attribute__((unused)) void observer_attach(void)
{
	observer_raise(1);
	observer_arm(OBSERVER_ALL);
}

static __attribute__((unused)) void observer_detach(void)
{
	observer_arm(0);
	observer_raise(-1);
}

/* Forgets the fires; not while others fire. */
static __attribute__((unused)) void observer_forget(void)
{
	__atomic_store_n(&observer_count, 0, __ATOMIC_SEQ_CST);
}

#endif /* OBSERVER_H */
