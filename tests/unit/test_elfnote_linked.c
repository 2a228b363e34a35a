/* SPDX-License-Identifier: MIT */
/*
 * The note reader against what compilers and linkers make of pushback.h. Where a site and the
 * semaphore are in the file, nm and the mappings of the loaded library tell independently.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf_check.h"

static char directory[] = "/tmp/pushback-linked-XXXXXX";

static const char source[] = "#include <pushback.h>\n"
			     "static struct pushback_step step = PUSHBACK_STEP_INIT(\"linked\");\n"
			     "int drive(unsigned int outcome);\n"
			     "int drive(unsigned int outcome)\n"
			     "{\n"
			     "	pushback_forward_return(&step, outcome);\n"
			     "	pushback_submit_return(&step, outcome);\n"
			     "	pushback_poll_return(&step, 1);\n"
			     "	pushback_step_end(&step);\n"
			     "	return 0;\n"
			     "}\n";

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
	char path[128];
	FILE *file;
	bool written;

	(void)state;
	if (!mkdtemp(directory) || setenv("D", directory, 1) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/a.c", directory);
	file = fopen(path, "we");
	written = file && fputs(source, file) >= 0;
	if (!file || fclose(file) != 0 || !written)
		return -1;
	return shell("echo 'int drive(unsigned);int other(unsigned);"
		     "int main(void){return drive(0)+other(1);}' >$D/main.c");
}

static int tear_down(void **state)
{
	(void)state;
	return shell("rm -rf \"$D\"");
}

static int read_file(const char *name, struct elfnote *out)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	err = elfnote_read(fd, out);
	close(fd);
	return err;
}

/* The value of a symbol, as nm says. */
static uint64_t symbol(const char *name, const char *symbol_name)
{
	char command[256];
	uint64_t value;
	FILE *pipe;

	snprintf(command, sizeof(command), "nm '%s/%s' | awk '$3 == \"%s\" { print $1 }'",
		 directory, name, symbol_name);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%" SCNx64, &value), 1);
	assert_int_equal(pclose(pipe), 0);
	return value;
}

/* Where in its file an address of this process is, as /proc/self/maps says. */
static uint64_t offset_of(uint64_t address)
{
	uint64_t start, end, offset, found = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) ==
			    3 &&
		    start <= address && address < end)
			found = address - start + offset;
	fclose(maps);
	return found;
}

static uint64_t load_address(const char *name, void **handle)
{
	Dl_info info;
	char path[128];
	void *drive;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	*handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(*handle);
	drive = dlsym(*handle, "drive");
	assert_non_null(drive);
	assert_true(dladdr(drive, &info) != 0);
	return (uint64_t)(uintptr_t)info.dli_fbase;
}

static void check_library(const char *name)
{
	static const char *const sites[PB_PROBES] = {
		"pushback_fire_submit_return",
		"pushback_fire_forward_return",
		"pushback_fire_poll_return",
		"pushback_fire_step_end",
	};
	unsigned int seen = 0;
	struct elfnote out;
	uint64_t base;
	void *handle;

	assert_int_equal(read_file(name, &out), 0);
	assert_int_equal(out.sites_count, PB_PROBES);
	assert_int_equal(out.malformed + out.unknown + out.too_many, 0);
	base = load_address(name, &handle);
	for (size_t i = 0; i < out.sites_count; i++) {
		const struct elfnote_site *site = &out.sites[i];

		seen |= 1u << site->probe;
		assert_int_equal(site->offset, offset_of(base + symbol(name, sites[site->probe])));
		assert_int_equal(site->semaphore,
				 offset_of(base + symbol(name, "pushback_semaphore")));
	}
	assert_int_equal(seen, 0xf);
	dlclose(handle);
}

/* Not every linker is everywhere; which one was used is printed. */
static void test_libraries(void **state)
{
	static const char *const ways[] = {
		"-O0",
		"-O2 -Wl,-z,relro,-z,now",
		"-O2 -Wl,-z,noseparate-code",
		"-O2 -fuse-ld=gold -Wl,--gc-sections",
		"-O2 -fuse-ld=lld -Wl,--gc-sections -Wl,-z,now",
		"-O2 -fuse-ld=mold -Wl,--gc-sections -Wl,-z,now",
		"-O3 -flto -Wl,-z,now",
	};
	size_t done = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		char name[32];

		if (shell("echo 'int x;' | gcc %s -fPIC -shared -x c - -o $D/try.so 2>/dev/null",
			  ways[i]) != 0)
			continue;
		print_message("gcc %s\n", ways[i]);
		snprintf(name, sizeof(name), "a%zu.so", i);
		assert_int_equal(
			shell("gcc -Iinclude -fPIC -shared %s $D/a.c -o $D/%s", ways[i], name), 0);
		check_library(name);
		done++;
	}
	assert_true(done >= 3);
}

/* Several translation units: still one site for each probe. What strip leaves is enough. */
static void test_executables(void **state)
{
	static const char *const ways[] = { "-pie", "-no-pie", "-no-pie -static" };

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct elfnote out, stripped;

		assert_int_equal(shell("gcc -O1 -Iinclude -Wl,--build-id %s $D/a.c -Ddrive=other "
				       "-c -o $D/b.o && gcc -O1 -Iinclude -Wl,--build-id %s "
				       "$D/main.c $D/a.c $D/b.o -o $D/exe && "
				       "strip -o $D/stripped $D/exe",
				       i ? "" : "-fPIE", ways[i]),
				 0);
		assert_int_equal(read_file("exe", &out), 0);
		assert_int_equal(out.sites_count, 4);
		assert_int_equal(out.dead + out.malformed + out.unknown + out.too_many, 0);
		assert_int_equal(out.build_id_size, 20);
		assert_int_equal(read_file("stripped", &stripped), 0);
		assert_memory_equal(&stripped, &out, sizeof(out));
	}
}

/* The same file made into what it is not for. */
static void test_not_linked(void **state)
{
	struct elfnote out;
	Dl_info libc;

	(void)state;
	assert_int_equal(shell("gcc -O1 -Iinclude -c $D/a.c -o $D/a.o && "
			       "gcc -nostdlib -shared -fPIC -x c /dev/null -o $D/none.so"),
			 0);
	/* An object file has no segments: notes, but nowhere to attach. */
	assert_int_equal(read_file("a.o", &out), 0);
	assert_int_equal(out.sites_count, 0);
	assert_int_equal(out.dead, 4);
	assert_int_equal(read_file("none.so", &out), 0);
	assert_int_equal(out.sites_count + out.dead, 0);
	/* Notes of another provider: libc has many. */
	assert_true(dladdr((void *)(uintptr_t)gnu_get_libc_version, &libc) != 0);
	assert_int_equal(shell("cp '%s' $D/libc.so", libc.dli_fname), 0);
	assert_int_equal(read_file("libc.so", &out), 0);
	assert_int_equal(out.sites_count + out.dead + out.malformed + out.unknown, 0);
	assert_int_equal(out.build_id_size, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_executables),
		cmocka_unit_test(test_not_linked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
