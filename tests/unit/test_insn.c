/* SPDX-License-Identifier: MIT */
/* Functions as compilers make them: where each can be probed, at what cost, and where not at all */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <asm/ptrace.h>
#include <cmocka.h>

#include "insn.h"

#if defined(__x86_64__)

/* A function that nobody calls; `at` in it may be any of its labels. */
#define FUNCTION(name, body)                                                        \
	__asm__(".pushsection .text." #name ",\"ax\"\n" #name ":\n" body "\n" #name \
		"_end:\n\tnop\n.popsection\n");                                     \
	extern const uint8_t name[], name##_end[];
#define CODE(name)                                                 \
	((struct insn_code){ .bytes = name,                        \
			     .address = (uint64_t)(uintptr_t)name, \
			     .size = (uint64_t)(name##_end - name) })

static struct insn_code code_at(const uint8_t *code, const uint8_t *end)
{
	return (struct insn_code){ .bytes = code,
				   .address = 0x1000,
				   .size = (uint64_t)(end - code) };
}

#define RDI offsetof(struct pt_regs, rdi)
#define RSI offsetof(struct pt_regs, rsi)

/* ---- Entries ---- */

FUNCTION(pushes, "push %rbp\n mov %rsp, %rbp\n pop %rbp\n ret")
FUNCTION(endbr, "endbr64\n push %rbx\n pop %rbx\n ret")
FUNCTION(copies, "endbr64\n mov %rdi, %rax\n push %rbx\n pop %rbx\n ret")
FUNCTION(spoils, "mov %rsi, %rdi\n push %rbx\n pop %rbx\n ret")
FUNCTION(spoils_half, "xor %edi, %edi\n push %rbx\n pop %rbx\n ret")
FUNCTION(makes_room, "sub $24, %rsp\n mov %edi, %eax\n push %rbx\n pop %rbx\n add $24, %rsp\n ret")
FUNCTION(stores, "mov %rdi, -8(%rsp)\n push %rbx\n pop %rbx\n ret")
FUNCTION(reads, "mov (%rdi), %rax\n test %rax, %rax\n je 1f\n nop\n1: ret")
FUNCTION(loops, "mov %rdi, %rax\n1: dec %rax\n jne 1b\n ret")
FUNCTION(calls, "mov %rdi, %rax\n call *%rax\n nop\n ret")
FUNCTION(leaf, "mov %edi, %eax\n ret")
FUNCTION(extended, "mov %edi, %eax\n push %r12\n pop %r12\n ret")

static void entries(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *code, *end;
		unsigned int need;
		uint64_t at; /* from the beginning */
		enum insn_cost cost;
		uint32_t below;
	} table[] = {
		{ "pushes", pushes, pushes_end, RDI, 0, INSN_EMULATED, 0 },
		{ "endbr", endbr, endbr_end, RDI, 4, INSN_EMULATED, 0 },
		{ "copies", copies, copies_end, RDI, 7, INSN_EMULATED, 0 },
		{ "spoils, needed", spoils, spoils_end, RDI, 0, INSN_STEPPED, 0 },
		{ "spoils, not needed", spoils, spoils_end, RSI, 3, INSN_EMULATED, 0 },
		{ "spoils half", spoils_half, spoils_half_end, RDI, 0, INSN_STEPPED, 0 },
		{ "makes room", makes_room, makes_room_end, RDI, 6, INSN_EMULATED, 24 },
		{ "stores", stores, stores_end, RDI, 0, INSN_STEPPED, 0 },
		{ "reads", reads, reads_end, RDI, 6, INSN_EMULATED, 0 },
		{ "loops", loops, loops_end, RDI, 0, INSN_STEPPED, 0 },
		{ "calls", calls, calls_end, RDI, 0, INSN_STEPPED, 0 },
		{ "leaf", leaf, leaf_end, RDI, 0, INSN_STEPPED, 0 },
		{ "extended", extended, extended_end, RDI, 2, INSN_EMULATED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct insn_options options = { .needs = { table[i].need }, .needs_count = 1 };
		struct insn_code code = code_at(table[i].code, table[i].end);
		struct insn_function f;
		uint64_t wrong;

		assert_int_equal(insn_function(&code, &options, &f, &wrong), 0);
		if (f.entry.address != 0x1000 + table[i].at || f.entry.cost != table[i].cost ||
		    f.entry.below != table[i].below)
			fail_msg("%s: at %llu, cost %d, below %u", table[i].name,
				 (unsigned long long)f.entry.address - 0x1000, f.entry.cost,
				 f.entry.below);
	}
}

/* ---- Returns ---- */

FUNCTION(three, "test %edi, %edi\n je 1f\n js 2f\n mov $1, %eax\n ret\n"
		"1: xor %eax, %eax\n ret\n2: or $-1, %eax\n rep ret")
FUNCTION(never, "push %rax\n ud2")
FUNCTION(bad, "nop\n .byte 0x06\n ret")

static struct insn_function whole(const struct insn_code *code,
				  bool (*find)(uint64_t, struct insn_code *, void *))
{
	struct insn_options options = { .find = find };
	struct insn_function f;
	uint64_t wrong;

	assert_int_equal(insn_function(code, &options, &f, &wrong), 0);
	return f;
}

static void returns(void **state)
{
	struct insn_function f = whole(&CODE(three), NULL);

	(void)state;
	assert_int_equal(f.returns_count, 3);
	assert_int_equal(f.tail_call, 0);
	for (int i = 0; i < 3; i++) {
		const uint8_t *at = (const uint8_t *)(uintptr_t)f.returns[i].address;

		assert_true(*at == 0xc3 || (*at == 0xf3 && at[1] == 0xc3));
		assert_int_equal(f.returns[i].cost, INSN_STEPPED);
		assert_int_equal(f.returns[i].below, 0);
	}
	f = whole(&CODE(never), NULL);
	assert_int_equal(f.returns_count, 0);
	assert_int_equal(f.tail_call, 0);
}

static void undecodable(void **state)
{
	struct insn_options options = { 0 };
	struct insn_code code = CODE(bad);
	struct insn_function f;
	uint64_t wrong;

	(void)state;
	assert_int_equal(insn_function(&code, &options, &f, &wrong), -EBADMSG);
	assert_int_equal(wrong, code.address + 1);
	/* Cut within its last instruction. */
	code = CODE(makes_room);
	code.size -= 2;
	assert_int_equal(insn_function(&code, &options, &f, &wrong), -EBADMSG);
	assert_int_equal(wrong, code.address + code.size - 3);
}

static void too_many(void **state)
{
	uint8_t bytes[INSN_RETURNS_MAX + 1];
	struct insn_code code = { .bytes = bytes, .size = sizeof(bytes) };
	struct insn_function f;

	(void)state;
	memset(bytes, 0xc3, sizeof(bytes));
	f = whole(&code, NULL);
	assert_true(f.too_many);
	assert_int_equal(f.returns_count, INSN_RETURNS_MAX);
	code.size--;
	f = whole(&code, NULL);
	assert_false(f.too_many);
}

/* ---- Jumps ---- */

#define CASES "1: ret\n2: nop\n ret\n"
/* gcc -O2, as position independent code has it; with -fcf-protection; clang alike. */
FUNCTION(table_gcc, "cmp $5, %edi\n ja 1f\n lea table_gcc(%rip), %rdx\n mov %edi, %edi\n"
		    "movslq (%rdx,%rdi,4), %rax\n add %rdx, %rax\n jmp *%rax\n" CASES)
FUNCTION(table_cet, "endbr64\n cmp $5, %edi\n ja 1f\n lea table_cet(%rip), %rdx\n mov %edi, %edi\n"
		    "movslq (%rdx,%rdi,4), %rax\n add %rdx, %rax\n notrack jmp *%rax\n" CASES)
/* gcc -O0. */
FUNCTION(table_gcc_O0, "push %rbp\n mov %edi, %eax\n lea 0(,%rax,4), %rdx\n"
		       "lea table_gcc_O0(%rip), %rax\n mov (%rdx,%rax,1), %eax\n cltq\n"
		       "lea table_gcc_O0(%rip), %rdx\n add %rdx, %rax\n jmp *%rax\n" CASES)
/* clang -O0 keeps it on the stack in between. */
FUNCTION(table_clang, "lea table_clang(%rip), %rcx\n movslq (%rcx,%rax,4), %rax\n"
		      "add %rcx, %rax\n jmp *%rax\n" CASES)
/* Not position independent. */
FUNCTION(table_plain, "mov %edi, %edi\n jmp *0x402000(,%rdi,8)\n" CASES)
FUNCTION(table_plain_O0, "push %rbp\n mov 0x402000(,%rax,8), %rax\n jmp *%rax\n" CASES)
FUNCTION(by_pointer, "mov 8(%rdi), %rax\n test %rax, %rax\n je 1f\n jmp *%rax\n" CASES)
FUNCTION(by_member, "test %rax, %rax\n je 1f\n jmp *8(%rdi)\n" CASES)
FUNCTION(by_array, "movslq %esi, %rax\n lea by_array(%rip), %rdx\n jmp *(%rdx,%rax,8)\n" CASES)
FUNCTION(by_other, "movslq 4(%rdi), %rsi\n mov (%rdi), %rax\n jmp *%rax\n" CASES)
FUNCTION(by_loaded, "movslq %esi, %rax\n mov (%rdx,%rax,8), %rax\n jmp *%rax\n" CASES)

static void jumps(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *code, *end;
		bool table;
	} table[] = {
		{ "gcc", table_gcc, table_gcc_end, true },
		{ "gcc, CET", table_cet, table_cet_end, true },
		{ "gcc -O0", table_gcc_O0, table_gcc_O0_end, true },
		{ "clang", table_clang, table_clang_end, true },
		{ "no PIE", table_plain, table_plain_end, true },
		{ "no PIE, -O0", table_plain_O0, table_plain_O0_end, true },
		{ "by a pointer", by_pointer, by_pointer_end, false },
		{ "by a member", by_member, by_member_end, false },
		{ "by an array", by_array, by_array_end, false },
		{ "by another one", by_other, by_other_end, false },
		{ "by a loaded one", by_loaded, by_loaded_end, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct insn_code code = code_at(table[i].code, table[i].end);
		struct insn_function f = whole(&code, NULL);

		if (!f.tail_call != table[i].table)
			fail_msg("%s: %s", table[i].name, table[i].table ? "none" : "is one");
		assert_int_equal(f.returns_count, 2);
	}
}

static bool word(uint64_t address, uint64_t *out, void *context)
{
	*out = *(const uint64_t *)context;
	return address == 0x402000 && *out;
}

/* What is in the table decides, where its addresses are known. */
static void tables_of_addresses(void **state)
{
	static const struct {
		uint64_t first;
		bool table;
	} table[] = { { 0x1002, true }, { 0x2000, false }, { 0, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		uint64_t first = table[i].first, wrong;
		struct insn_options options = { .word = word, .context = &first };
		struct insn_code code = code_at(table_plain, table_plain_end);
		struct insn_function f;

		assert_int_equal(insn_function(&code, &options, &f, &wrong), 0);
		assert_int_equal(!f.tail_call, table[i].table);
	}
}

/* Cold parts that only a table leads to: by distances and by addresses; no more than are compared. */
FUNCTION(cases_cold, "mov $7, %eax\n ret")
FUNCTION(cases, "cmp $1, %edi\n ja 1f\n lea 0x2000(%rip), %rdx\n movslq (%rdx,%rdi,4), %rax\n"
		"add %rdx, %rax\n jmp *%rax\n" CASES)
FUNCTION(cases_plain, "cmp $1, %edi\n ja 1f\n jmp *0x402000(,%rdi,8)\n" CASES)

struct cases {
	uint64_t table;
	unsigned int width;
	uint64_t to[3];
	uint64_t most; /* that was asked for */
};

static bool entry_of(uint64_t address, uint64_t *out, void *context)
{
	struct cases *c = context;
	uint64_t i = (address - c->table) / c->width;

	assert_true(i < 3);
	c->most = i > c->most ? i : c->most;
	*out = c->width == 8 ? c->to[i] : c->to[i] - c->table;
	return true;
}

static bool find_cold(uint64_t address, struct insn_code *out, void *context)
{
	(void)context;
	*out = code_at(cases_cold, cases_cold_end);
	out->address = 0x9000;
	out->cold = true;
	return address - out->address < out->size;
}

static void tables_to_cold_parts(void **state)
{
	static const struct {
		const uint8_t *code, *end;
		uint64_t table;
		unsigned int width;
	} table[] = { { cases, cases_end, 0x1000 + 12 + 0x2000, 4 },
		      { cases_plain, cases_plain_end, 0x402000, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (unsigned int at = 0; at < 3; at++) {
			struct cases c = { .table = table[i].table, .width = table[i].width };
			struct insn_options options = { .find = find_cold,
							.word = entry_of,
							.context = &c };
			struct insn_code code = code_at(table[i].code, table[i].end);
			struct insn_function f;
			uint64_t wrong;

			for (unsigned int k = 0; k < 3; k++)
				c.to[k] = k == at ? 0x9000 : code.address;
			assert_int_equal(insn_function(&code, &options, &f, &wrong), 0);
			assert_int_equal(f.tail_call, 0);
			/* The third is another table's. */
			assert_int_equal(f.returns_count, at < 2 ? 3 : 2);
			assert_int_equal(c.most, 1);
		}
}

/* ---- Parts of it elsewhere, and other functions ---- */

FUNCTION(hot, "test %edi, %edi\n je hot_cold\nhot_back:\n nop\n ret")
FUNCTION(hot_cold, "xor %eax, %eax\n jmp hot_back")
FUNCTION(dies, "test %edi, %edi\n je dies_cold\n ret")
FUNCTION(dies_cold, "nop\n ud2")
FUNCTION(passes, "test %edi, %edi\n je leaf\n ret")
FUNCTION(ends, "nop\n jmp leaf")
FUNCTION(splits, "test %edi, %edi\n je splits_cold\n ret")
FUNCTION(splits_cold, "mov $7, %eax\n ret")
FUNCTION(far, "test %edi, %edi\n je far_cold\nfar_back: ret")
FUNCTION(far_cold, "nop\n je far_colder\n jmp far_back")
FUNCTION(far_colder, "nop\n jmp far_back")
FUNCTION(mixed, "test %edi, %edi\n je mixed_cold\nmixed_back: ret")
FUNCTION(mixed_cold, "test %esi, %esi\n je mixed_back\n ret")

FUNCTION(even, "test %edi, %edi\n je 1f\n dec %edi\n jmp odd\n1: ret")
FUNCTION(odd, "test %edi, %edi\n je 1f\n dec %edi\n jmp even\n1: ret")

static bool find(uint64_t address, struct insn_code *out, void *context)
{
	const struct insn_code all[] = { CODE(odd),        CODE(hot_cold),   CODE(dies_cold),
					 CODE(leaf),       CODE(far_cold),   CODE(far_colder),
					 CODE(mixed_cold), CODE(splits_cold) };

	(void)context;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		*out = all[i];
		out->cold = out->bytes == splits_cold;
		if (address - out->address < out->size)
			return true;
	}
	return false;
}

static void parts(void **state)
{
	struct insn_function f;

	(void)state;
	f = whole(&CODE(hot), find);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(f.returns_count, 1);
	f = whole(&CODE(dies), find);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(f.returns_count, 1);
	f = whole(&CODE(far), find);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(f.returns_count, 1);
	/* A cold part may return for itself: one that is called so, or that jumps back as well. */
	f = whole(&CODE(splits), find);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(f.returns_count, 2);
	f = whole(&CODE(mixed), find);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(f.returns_count, 2);
}

static void tail_calls(void **state)
{
	struct insn_function f;

	(void)state;
	f = whole(&CODE(passes), find);
	assert_int_equal(f.tail_call, (uint64_t)(uintptr_t)leaf);
	/* Those of the other are not its own. */
	assert_int_equal(f.returns_count, 1);
	f = whole(&CODE(ends), find);
	assert_int_equal(f.tail_call, (uint64_t)(uintptr_t)leaf);
	assert_int_equal(f.returns_count, 0);
	/* Nor those of one that calls it in its turn. */
	f = whole(&CODE(even), find);
	assert_int_equal(f.tail_call, (uint64_t)(uintptr_t)odd);
	assert_int_equal(f.returns_count, 1);
	/* To somewhere that nothing is known of. */
	f = whole(&CODE(hot), NULL);
	assert_int_equal(f.tail_call, (uint64_t)(uintptr_t)hot_cold);
}

/* ---- One instruction ---- */

FUNCTION(five,
	 ".byte 0x0f, 0x1f, 0x44, 0, 0\n nop\n .byte 0x0f, 0x1f, 0x44, 0, 0\n mov %edi, %eax\n"
	 ".byte 0x0f, 0x1f, 0x44, 0, 0\n ret")
FUNCTION(locked, "lock incl (%rdi)\n jmp 1f\n1: ret")
FUNCTION(six, "mov $1, %eax\n jmp 1f\n nop\n1: je 1b\n push %r15\n call six\n ret")

static void sites(void **state)
{
	static const struct {
		const uint8_t *code, *end;
		uint64_t at;
		const char *why;
		enum insn_cost cost;
	} table[] = {
		{ five, five_end, 0, NULL, INSN_NOP },
		{ five, five_end, 5, NULL, INSN_EMULATED },
		{ five, five_end, 6, "a five-byte nop before something other than a return", 0 },
		{ five, five_end, 13, NULL, INSN_NOP },
		{ five, five_end, 18, NULL, INSN_STEPPED },
		{ five, five_end, 1, "in the middle of an instruction", 0 },
		{ five, five_end, 12, "in the middle of an instruction", 0 },
		{ five, five_end, 19, "not in the function", 0 },
		{ bad, bad_end, 0, NULL, INSN_EMULATED },
		{ bad, bad_end, 2, "cannot be decoded", 0 },
		{ locked, locked_end, 0, "no probe on an instruction with a lock prefix", 0 },
		{ locked, locked_end, 3, NULL, INSN_EMULATED },
		{ six, six_end, 0, NULL, INSN_STEPPED },
		{ six, six_end, 5, NULL, INSN_EMULATED },
		{ six, six_end, 7, NULL, INSN_EMULATED },
		{ six, six_end, 8, NULL, INSN_EMULATED },
		{ six, six_end, 10, NULL, INSN_EMULATED },
		{ six, six_end, 11, "in the middle of an instruction", 0 },
		{ six, six_end, 12, NULL, INSN_EMULATED },
		{ six, six_end, 17, NULL, INSN_STEPPED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct insn_code code = code_at(table[i].code, table[i].end);
		enum insn_cost cost = INSN_STEPPED;
		const char *why = insn_site(&code, 0x1000 + table[i].at, &cost);

		if (!why != !table[i].why || (why && !strstr(why, table[i].why)) ||
		    (!why && cost != table[i].cost))
			fail_msg("%zu: %s, cost %d", i, why ? why : "right", cost);
	}
}

/* As the kernel refuses it, and where the file is not mapped yet nobody would know. */
static void an_entry_that_is_refused(void **state)
{
	struct insn_options options = { .machine = INSN_X86_64 };
	struct insn_code code = CODE(locked);
	struct insn_function f;
	uint64_t wrong;

	(void)state;
	assert_int_equal(insn_function(&code, &options, &f, &wrong), -EACCES);
	assert_int_equal(wrong, code.address);
}

static void texts(void **state)
{
	static const uint8_t five_bytes[] = { 0x0f, 0x1f, 0x44 };
	char text[16];

	(void)state;
	insn_text(pushes, 8, 0, text, sizeof(text));
	assert_string_equal(text, "pushq %rbp");
	insn_text(leaf + 2, 1, 0, text, sizeof(text));
	assert_string_equal(text, "retq");
	insn_text(five_bytes, sizeof(five_bytes), 0, text, sizeof(text));
	assert_string_equal(text, "?");
	insn_text(pushes, 0, 0, text, sizeof(text));
	assert_string_equal(text, "?");
	insn_text(pushes, 8, 0, text, 4);
	assert_string_equal(text, "pus");
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(entries),
		cmocka_unit_test(returns),
		cmocka_unit_test(undecodable),
		cmocka_unit_test(too_many),
		cmocka_unit_test(jumps),
		cmocka_unit_test(tables_of_addresses),
		cmocka_unit_test(tables_to_cold_parts),
		cmocka_unit_test(parts),
		cmocka_unit_test(tail_calls),
		cmocka_unit_test(sites),
		cmocka_unit_test(an_entry_that_is_refused),
		cmocka_unit_test(texts),
#else
		{ 0 },
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
