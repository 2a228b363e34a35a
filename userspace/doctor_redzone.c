/* SPDX-License-Identifier: MIT */
#include "doctor_redzone.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "doctor_child.h"
#include "doctor_own.h"

#define CALLS 1000

/*
 * Returns which bits of `value`, kept at four places of the red zone, came back wrong behind the site.
 * Aligned, so that the nop is within one page.
 */
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
	".balign 64\n"
	".type doctor_redzone_leaf, @function\n"
	"doctor_redzone_leaf:\n"
	"	mov %rdi, -8(%rsp)\n"
	"	mov %rdi, -16(%rsp)\n"
	"	mov %rdi, -32(%rsp)\n"
	"	mov %rdi, -64(%rsp)\n"
	".globl doctor_redzone_site\n"
	".hidden doctor_redzone_site\n"
	"doctor_redzone_site:\n"
	"	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
	"	mov -8(%rsp), %rax\n"
	"	xor %rdi, %rax\n"
	"	mov -16(%rsp), %rdx\n"
	"	xor %rdi, %rdx\n"
	"	or %rdx, %rax\n"
	"	mov -32(%rsp), %rdx\n"
	"	xor %rdi, %rdx\n"
	"	or %rdx, %rax\n"
	"	mov -64(%rsp), %rdx\n"
	"	xor %rdi, %rdx\n"
	"	or %rdx, %rax\n"
	"	ret\n"
	".size doctor_redzone_leaf, . - doctor_redzone_leaf\n"
	".popsection\n");
#define HAS_RED_ZONE 1
#define NOP          0x0f
#else
__asm__(".pushsection .text\n"
	".balign 64\n"
	"doctor_redzone_leaf:\n"
	".globl doctor_redzone_site\n"
	".hidden doctor_redzone_site\n"
	"doctor_redzone_site:\n"
	"	nop\n"
	"	mov x0, xzr\n"
	"	ret\n"
	".popsection\n");
#define HAS_RED_ZONE 0
#define NOP          0x1f
#endif

uint64_t doctor_redzone_leaf(uint64_t value);

struct answer {
	uint32_t wrong; /* of CALLS */
	uint8_t before; /* the site's first byte, before the first and behind the last call */
	uint8_t after;
};

static void call_leaf(char command, void *out)
{
	const volatile uint8_t *site = (const volatile uint8_t *)doctor_redzone_site;
	struct answer *answer = out;
	uint64_t i;

	(void)command;
	*answer = (struct answer){ .before = *site };
	for (i = 0; i < CALLS; i++)
		answer->wrong += doctor_redzone_leaf(i * 0x9e3779b97f4a7c15u) != 0;
	answer->after = *site;
}

static void judge(struct finding *f, int err, const struct answer *answer)
{
	if (err) {
		finding_warn(f, "a function with a probed 5-byte nop did not come back (%s)",
			     strerror(-err));
	} else if (answer->before == NOP) {
		finding_warn(f, "not known: the probe never came into place");
	} else if (answer->wrong) {
		finding_warn(f,
			     "%u of %d calls lost what they kept below the stack pointer: this "
			     "kernel's uprobes on 5-byte nops overwrite the red zone",
			     answer->wrong, CALLS);
	} else {
		finding_ok(f, "kept in %d calls over a probed 5-byte nop (%s)", CALLS,
			   answer->after == 0xcc ? "a breakpoint" : "which became a call");
		return;
	}
	finding_advise(f, "no harm to consumers: pushback's own sites are 1-byte nops before a "
			  "return. Attach nothing else to 5-byte nops within functions");
}

void doctor_redzone_check(struct finding *f)
{
	struct doctor_child child = { 0 };
	struct answer answer = { 0 };
	uint64_t offset;
	int err, fd;

	if (!HAS_RED_ZONE) {
		finding_ok(f, "this machine has no such nops");
		return;
	}
	err = doctor_own_offset(doctor_redzone_site, &offset);
	if (!err)
		err = doctor_child_start(&child, call_leaf, sizeof(answer));
	if (err) {
		finding_warn(f, "not known: cannot start a process to try it on (%s)",
			     strerror(-err));
		return;
	}
	fd = doctor_own_multi(offset, child.pid);
	if (fd < 0)
		fd = doctor_own_perf(offset, child.pid);
	if (fd < 0) {
		finding_warn(f, "not known: no uprobe can be attached (%s)", strerror(-fd));
		finding_advise(f, "see uprobes and uprobe_multi");
	} else {
		judge(f, doctor_child_ask(&child, 'c', &answer), &answer);
		close(fd);
	}
	doctor_child_end(&child);
}
