/* SPDX-License-Identifier: MIT */
#include "site_code.h"

#include <errno.h>

#include "peek.h"

#if defined(__x86_64__)
#define BREAKPOINT_CODE 0xccu
#define BREAKPOINT_MASK 0xffu
#else
#define BREAKPOINT_CODE 0xd4200000u
#define BREAKPOINT_MASK 0xffe0001fu /* any brk */
#endif

int site_code_read(pid_t pid, uint64_t address, pushback_instruction *code)
{
	ssize_t n = peek(pid, address, code, sizeof(*code));

	if (n < 0)
		return n == -EPERM ? -EACCES : (int)n;
	return n == sizeof(*code) ? 0 : -EFAULT;
}

bool site_code_is_breakpoint(pushback_instruction code)
{
	return (code & BREAKPOINT_MASK) == BREAKPOINT_CODE;
}
