/* SPDX-License-Identifier: MIT */
/* Lines of /proc/PID/maps, good and bad */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "proc_maps.h"

struct example {
	const char *line;
	uint64_t start, end;
	bool executable;
	unsigned int major, minor;
	uint64_t inode;
	const char *path;
};

static const struct example good[] = {
	{ "5596eaf75000-5596eaf7b000 r-xp 00002000 fe:00 247498                     "
	  "/usr/bin/head\n",
	  0x5596eaf75000, 0x5596eaf7b000, true, 0xfe, 0, 247498, "/usr/bin/head" },
	{ "00400000-00401000 r--p 00000000 103:12f 18446744073709551615 /a b\\012c (deleted)",
	  0x400000, 0x401000, false, 0x103, 0x12f, UINT64_MAX, "/a b\\012c (deleted)" },
	{ "7f2c88d71000-7f2c88d74000 rw-p 00000000 00:00 0 \n", 0x7f2c88d71000, 0x7f2c88d74000,
	  false, 0, 0, 0, "" },
	{ "7f2c88d71000-7f2c88d74000 rw-p 00000000 00:00 0", 0x7f2c88d71000, 0x7f2c88d74000, false,
	  0, 0, 0, "" },
	{ "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
	  0xffffffffff600000, 0xffffffffff601000, true, 0, 0, 0, "[vsyscall]" },
};

static const char *const bad[] = {
	"",
	"\n",
	" ",
	"400000",
	"400000-",
	"400000-401000",
	"-400000-401000 r-xp 0 fe:00 1 /x",
	"400000- 401000 r-xp 0 fe:00 1 /x",
	"400000-401000 r-x 0 fe:00 1 /x",
	"400000-401000 r-xps 0 fe:00 1 /x",
	"400000-401000 ",
	"400000-401000 r",
	"400000-401000 r-xp",
	"400000-401000 r-xp ",
	"400000-401000 r-xp 0 fe00 1 /x",
	"400000-401000 r-xp 0 fe:00",
	"400000-401000 r-xp 0 fe:00 ",
	"400000-401000 r-xp 0 fe:00 x",
	"400000-401000 r-xp 0 fe:00 -1 /x",
	"400000-401000 r-xp 0 fe:00 1/x",
	"g00000-401000 r-xp 0 fe:00 1 /x",
	"11111111111111111-401000 r-xp 0 fe:00 1 /x",
	"400000-401000 r-xp 0 fe:00 18446744073709551616 /x",
};

static void test_good_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct proc_mapping mapping;
		char line[256];

		snprintf(line, sizeof(line), "%s", good[i].line);
		print_message("%s\n", line);
		assert_true(proc_maps_parse(line, &mapping));
		assert_true(mapping.start == good[i].start);
		assert_true(mapping.end == good[i].end);
		assert_int_equal(mapping.executable, good[i].executable);
		assert_true(mapping.dev == makedev(good[i].major, good[i].minor));
		assert_true(mapping.inode == good[i].inode);
		assert_string_equal(mapping.path, good[i].path);
	}
}

static void test_bad_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct proc_mapping mapping;
		char *line = strdup(bad[i]); /* no byte more, for sanitizers */

		assert_non_null(line);
		print_message("%s\n", line);
		assert_false(proc_maps_parse(line, &mapping));
		free(line);
	}
}

static void test_deleted(void **state)
{
	char deleted[] = "/x (deleted)", twice[] = "/x (deleted) (deleted)";
	char not_deleted[] = "/x(deleted)", only[] = " (deleted)", empty[] = "";

	(void)state;
	assert_true(proc_maps_cut_deleted(deleted));
	assert_string_equal(deleted, "/x");
	assert_true(proc_maps_cut_deleted(twice));
	assert_string_equal(twice, "/x (deleted)");
	assert_false(proc_maps_cut_deleted(not_deleted));
	assert_false(proc_maps_cut_deleted(only));
	assert_false(proc_maps_cut_deleted(empty));
}

static void test_unescape(void **state)
{
	char path[] = "/a\\012b\\\\0123\\01\\012";

	(void)state;
	proc_maps_unescape(path);
	assert_string_equal(path, "/a\nb\\\n3\\01\n");
}

static void test_rights(void **state)
{
	char data[] = "7f00-8f00 rw-p 00003000 fe:00 7 /lib.so",
	     shm[] = "7f00-8f00 r--s 0 0:1 7 /s";
	struct proc_mapping mapping;

	(void)state;
	assert_true(proc_maps_parse(data, &mapping));
	assert_true(mapping.writable && !mapping.executable && !mapping.shared);
	assert_true(mapping.offset == 0x3000);
	assert_true(proc_maps_parse(shm, &mapping));
	assert_true(!mapping.writable && !mapping.executable && mapping.shared);
	assert_true(mapping.offset == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines), cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_deleted),    cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
