/* SPDX-License-Identifier: MIT */
/*
 * What debug information says of returned enums, against what functions of the compiler return: each is
 * called for each of its outcomes, and the bytes that come back have to mean just that.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "dwarf_enum.h"
#include "elf_symbols.h"
#include "recipe_names.h"
#include "seed.h"

#define FUNCTIONS_MAX 128

static char directory[] = "/tmp/pushback-enums-XXXXXX";

struct subject {
	int fd;
	struct elf_image image;
	struct dwarf_enums *enums;
	const char *wrong;
	int err;
	void *library;
	struct recipe_names names;
};

/* A shell command, with the temporary directory as $D. Its status. */
static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

static int set_up(void **state)
{
	(void)state;
	return !mkdtemp(directory) || setenv("D", directory, 1) != 0;
}

static int tear_down(void **state)
{
	(void)state;
	return shell("rm -rf \"$D\"");
}

static void open_subject(struct subject *s, const char *name)
{
	char path[128];

	memset(s, 0, sizeof(*s));
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(s->fd >= 0);
	assert_int_equal(elf_image_open(&s->image, s->fd), 0);
	s->err = dwarf_enums_new(&s->image, &s->enums, &s->wrong);
	recipe_names_init(&s->names);
}

static void close_subject(struct subject *s)
{
	recipe_names_free(&s->names);
	dwarf_enums_free(s->enums);
	elf_image_close(&s->image);
	close(s->fd);
}

static bool build_rust(const char *flags)
{
	/* Enums of all kinds with chosen discriminants there are from 1.66 on. */
	if (shell("rustc --version 2>/dev/null | grep -qE ' "
		  "1[.](6[6-9]|[7-9][0-9]|[1-9][0-9]{2})'"))
		return false;
	assert_int_equal(shell("rustc --edition 2021 --crate-type=cdylib %s -o $D/libenums.so "
			       "tests/unit/fixtures/enums.rs",
			       flags),
			 0);
	return true;
}

struct found {
	char names[FUNCTIONS_MAX][32];
	uint64_t addresses[FUNCTIONS_MAX];
	size_t count;
};

static bool take(const struct elf_function *function, void *context)
{
	static const char *const prefixes[] = { "big_",   "small_", "late_", "signed",
						"niche_", "tagged", "many",  "refused_" };
	struct found *found = context;

	for (size_t i = 0; i < 8; i++) {
		if (strncmp(function->name, prefixes[i], strlen(prefixes[i])) != 0)
			continue;
		for (size_t j = 0; j < found->count; j++)
			if (!strcmp(found->names[j], function->name))
				return true;
		assert_true(found->count < FUNCTIONS_MAX);
		snprintf(found->names[found->count], 32, "%s", function->name);
		found->addresses[found->count++] = function->address;
	}
	return true;
}

static int find(struct subject *s, uint64_t address, struct dwarf_enum_result *out, char *why)
{
	struct dwarf_enum_names names = { recipe_names_mean, &s->names, s->names.unnamed };

	return dwarf_enums_find(s->enums, address, &names, out, why, 256);
}

static uint32_t meaning(const struct dwarf_enum_result *result, uint64_t value)
{
	for (uint32_t i = 0; i < result->ranges_count; i++)
		if (value >= result->ranges[i].low && value <= result->ranges[i].high)
			return result->ranges[i].outcome;
	return result->otherwise;
}

/* What is there before is anything: stale bytes mean nothing. */
static uint32_t outcome_of(void *function, const struct dwarf_enum_result *result, uint32_t which,
			   uint8_t stale)
{
	uint8_t memory[512];
	uint64_t value = 0;

	memset(memory, stale, sizeof(memory));
	if (result->source.kind == PB_SOURCE_MEMORY) {
		void (*call)(void *, uint32_t);

		memcpy(&call, &function, sizeof(call));
		call(memory, which);
		memcpy(&value, memory + result->source.offset, result->source.width);
	} else {
		uint64_t (*call)(uint32_t);

		memcpy(&call, &function, sizeof(call));
		value = call(which);
		if (result->source.width < 8)
			value &= (1ull << 8 * result->source.width) - 1;
	}
	return meaning(result, value);
}

static void check_function(struct subject *s, const char *name,
			   const struct dwarf_enum_result *result)
{
	static const struct {
		uint32_t which, outcome;
	} cases[] = { { 0, PUSHBACK_ACCEPTED },
		      { 1, PUSHBACK_REJECTED },
		      { 2, PUSHBACK_INVALID },
		      { 11, PUSHBACK_REJECTED },
		      { 12, PUSHBACK_INVALID } };
	void *function = dlsym(s->library, name);

	assert_non_null(function);
	for (int stale = 0; stale < 256; stale++)
		for (size_t i = 0; i < 5; i++) {
			uint32_t outcome =
				outcome_of(function, result, cases[i].which, (uint8_t)stale);

			if (outcome != cases[i].outcome)
				fail_msg("%s(%u) means %u", name, cases[i].which, outcome);
		}
}

/*
 * Those that are refused for where the compiler has put their discriminant, which is not the same
 * everywhere: a register that is not sure, or two places as there was room in none for both.
 */
static bool may_be_refused(const char *name, const char *why)
{
	return strncmp(name, "big_", 4) != 0 &&
	       (strstr(why, "is returned in registers, and which") ||
		strstr(why, "told apart by a second value"));
}

static void check_all(const char *flags, const char *after)
{
	struct found found = { .count = 0 };
	struct dwarf_enum_result result;
	size_t checked = 0, memory = 0;
	struct subject s;
	char path[128], why[256];

	if (!build_rust(flags))
		skip();
	assert_int_equal(shell("%s", after), 0);
	open_subject(&s, "libenums.so");
	if (s.err)
		fail_msg("%s", s.wrong);
	snprintf(path, sizeof(path), "%s/libenums.so", directory);
	s.library = dlopen(path, RTLD_NOW);
	assert_non_null(s.library);
	elf_symbols_each(&s.image, take, &found);
	assert_int_equal(found.count, 25 * 3 + 4 + 8);
	for (size_t i = 0; i < found.count; i++) {
		bool refused = !strncmp(found.names[i], "refused_", 8);
		bool many = !strcmp(found.names[i], "many");
		int err;

		s.names.unnamed = many ? PUSHBACK_INVALID : -1;
		err = find(&s, found.addresses[i], &result, why);
		if (err && !refused && !may_be_refused(found.names[i], why))
			fail_msg("%s: %s", found.names[i], why);
		if (!err && refused && result.met == 7)
			fail_msg("%s is not refused", found.names[i]);
		if (err || refused)
			continue;
		check_function(&s, found.names[i], &result);
		checked++;
		memory += result.source.kind == PB_SOURCE_MEMORY;
	}
	assert_true(checked > 70 && memory > 50 && memory < checked);
	dlclose(s.library);
	close_subject(&s);
}

static void test_release(void **state)
{
	(void)state;
	check_all("-O -g", ":");
}

static void test_debug(void **state)
{
	(void)state;
	check_all("-g", ":");
}

static void test_dwarf_5(void **state)
{
	(void)state;
	check_all("-O -g -C dwarf-version=5", ":");
}

static void test_packed(void **state)
{
	(void)state;
	check_all("-O -g", "objcopy --compress-debug-sections=zlib $D/libenums.so");
}

static void expect_refusal(struct subject *s, const char *name, int expected, const char *part)
{
	struct found found = { .count = 0 };
	struct dwarf_enum_result result;
	char why[256] = "";

	elf_symbols_each(&s->image, take, &found);
	for (size_t i = 0; i < found.count; i++) {
		if (strcmp(found.names[i], name) != 0)
			continue;
		assert_int_equal(find(s, found.addresses[i], &result, why), expected);
		if (!strstr(why, part))
			fail_msg("%s: %s", name, why);
		return;
	}
	fail_msg("%s is not there", name);
}

static void test_reasons(void **state)
{
	struct subject s;

	(void)state;
	if (!build_rust("-O -g"))
		skip();
	open_subject(&s, "libenums.so");
	expect_refusal(&s, "refused_wrapped", -EINVAL, "what the variant Err means");
	expect_refusal(&s, "refused_boxed", -EINVAL, "what the variant Err means");
	expect_refusal(&s, "refused_number", -EINVAL, "what it returns (u64) is no enum");
	expect_refusal(&s, "refused_nothing", -ENODATA, "does not say what the function returns");
	expect_refusal(&s, "refused_wide", -EINVAL, "16-byte numbers");
	expect_refusal(&s, "refused_tag", -EINVAL, "told apart by 16 bytes");
	expect_refusal(&s, "refused_behind", -EINVAL, "is returned in registers, and which");
	expect_refusal(&s, "many", -EINVAL, "what the variant A means");
	close_subject(&s);
}

static void test_nothing_is_there(void **state)
{
	struct subject s;

	(void)state;
	if (!build_rust("-O"))
		skip();
	assert_int_equal(shell("strip -g $D/libenums.so"), 0);
	open_subject(&s, "libenums.so");
	assert_int_equal(s.err, -ENODATA);
	close_subject(&s);
	assert_true(build_rust("-O -C debuginfo=1"));
	open_subject(&s, "libenums.so");
	expect_refusal(&s, "big_u64", -ENODATA, "does not say what the function returns");
	close_subject(&s);
	assert_true(build_rust("-O -g -C split-debuginfo=unpacked -C dwarf-version=5"));
	open_subject(&s, "libenums.so");
	expect_refusal(&s, "big_u64", -ENODATA, "it is in files of its own (split)");
	close_subject(&s);
}

/* C's enums, by gcc; and a value that is none of them. */
static void test_c(void **state)
{
	struct dwarf_enum_result result;
	struct found found = { .count = 0 };
	char why[256], rest[64];
	struct subject s;

	(void)state;
	assert_int_equal(shell("printf 'enum answer { TAKEN = -3, FULL = 5, BAD = 6, WORSE };\\n"
			       "typedef const enum answer verdict;\\n"
			       "verdict many(int i) { return (enum answer)i; }\\n"
			       "int refused_int(int i) { return i; }\\n' >$D/c.c && "
			       "gcc -g -O2 -shared -fPIC -w $D/c.c -o $D/c.so"),
			 0);
	open_subject(&s, "c.so");
	assert_int_equal(s.err, 0);
	assert_null(recipe_names_take(&s.names, "TAKEN", PUSHBACK_ACCEPTED, rest));
	assert_null(recipe_names_take(&s.names, "FULL", PUSHBACK_REJECTED, rest));
	assert_null(recipe_names_take(&s.names, "other", PUSHBACK_INVALID, rest));
	elf_symbols_each(&s.image, take, &found);
	for (size_t i = 0; i < found.count; i++)
		if (!strcmp(found.names[i], "many"))
			assert_int_equal(find(&s, found.addresses[i], &result, why), 0);
	assert_int_equal(result.source.kind, PB_SOURCE_REGISTER);
	assert_int_equal(result.source.width, 4);
	assert_int_equal(meaning(&result, (uint32_t)-3), PUSHBACK_ACCEPTED);
	assert_int_equal(meaning(&result, 5), PUSHBACK_REJECTED);
	assert_int_equal(meaning(&result, 7), PUSHBACK_INVALID);
	assert_int_equal(meaning(&result, 8), PB_OUTCOME_UNKNOWN);
	expect_refusal(&s, "refused_int", -EINVAL, "is no enum");
	close_subject(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release), cmocka_unit_test(test_debug),
		cmocka_unit_test(test_dwarf_5), cmocka_unit_test(test_packed),
		cmocka_unit_test(test_reasons), cmocka_unit_test(test_nothing_is_there),
		cmocka_unit_test(test_c),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
