/* SPDX-License-Identifier: MIT */
/*
 * site - what a fire site of one nop costs, and of the five-byte one that new kernels make a call
 *
 *	site HITS
 *
 * Says the ns of a hit at each, in CPU time, and how a forked child ends that comes by: at the site of
 * five bytes the kernel has put a call to a page that a child does not inherit (Linux 6.18).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef void site(void);

#define SITE(name, nop)                                          \
	__asm__(".pushsection .text." name ",\"ax\",%progbits\n" \
		".balign 16\n"                                   \
		".type " name ", STT_FUNC\n" name ":\n"          \
		"\t" nop "\n"                                    \
		"\tret\n"                                        \
		".size " name ", . - " name "\n"                 \
		".popsection\n")

#if defined(__x86_64__)
#define NOP5 ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00"
#else
#define NOP5 "nop" /* there is one size only */
#endif

SITE("site_nop", "nop");
SITE("site_nop5", NOP5);
extern site site_nop, site_nop5;

static uint64_t worked_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double hit(site *fn, long hits)
{
	uint64_t began = worked_ns();
	long i;

	for (i = 0; i < hits; i++)
		fn();
	return (double)(worked_ns() - began) / (double)hits;
}

/* 0, or the signal that has ended a child that came by once. */
static int child_ends(site *fn)
{
	const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(1);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int main(int argc, char **argv)
{
	long hits = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	double nop, nop5;

	if (hits <= 0)
		return 2;
	nop = hit(site_nop, hits);
	nop5 = hit(site_nop5, hits);
	printf("%.1f %.1f %d %d\n", nop, nop5, child_ends(site_nop), child_ends(site_nop5));
	return 0;
}
