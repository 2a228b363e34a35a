/* SPDX-License-Identifier: MIT */
/* Which sections of a file are taken for debug information, as libdw does: what it opens or unpacks is known before. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "dwarf_enum.h"
#include "scratch.h"

static void write_file(const char *name, const void *bytes, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static int look(int fd)
{
	struct dwarf_enums *enums;
	struct elf_image image;
	const char *why;
	int err = elf_image_open(&image, fd);

	assert_int_equal(err, 0);
	err = dwarf_enums_new(&image, &enums, &why);
	if (!err)
		dwarf_enums_free(enums);
	elf_image_close(&image);
	return err;
}

/* A library with one more section, that of a file with these bytes. */
static int open_with(const char *name, const void *bytes, size_t size)
{
	char command[1024], path[128];
	int fd;

	write_file("bytes", bytes, size);
	snprintf(command, sizeof(command),
		 "objcopy --add-section %s=%s/bytes %s/good.so %s/more.so", name, directory,
		 directory, directory);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/more.so", directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int look_with(const char *name, const void *bytes, size_t size)
{
	int fd = open_with(name, bytes, size), err = look(fd);

	close(fd);
	return err;
}

/* A path, and what the file there is to be; libdw would open it as whoever runs us, a fifo for ever. */
static void no_link_to_another_file(void **state)
{
	static const char link[] = "/proc/self/no\0such file's build id";
	static const char *const names[] = { ".gnu_debugaltlink", ".zgnu_debugaltlink",
					     ".gnu_debugaltlink.dwo", ".zgnu_debugaltlink.dwo",
					     ".gnu.debuglto_.gnu_debugaltlink" };

	(void)state;
	assert_int_equal(look_with(".another", link, sizeof(link)), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(look_with(names[i], link, sizeof(link)), -ENODATA);
}

/* It would be unpacked to the size that it says, if that were taken for one. */
static void each_is_counted(void **state)
{
	static const uint8_t huge[] = { 'Z', 'L', 'I', 'B', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };

	(void)state;
	assert_int_equal(look_with(".another", huge, sizeof(huge)), 0);
	assert_int_equal(look_with(".debug_macro", huge, sizeof(huge)), -EFBIG);
	assert_int_equal(look_with(".zdebug_macro", huge, sizeof(huge)), -EFBIG);
	assert_int_equal(look_with(".gnu.debuglto_.debug_macro", huge, sizeof(huge)), -EFBIG);
}

/* Each of 65,000 may have the same one, of 16 MiB. */
static void names_are_short(void **state)
{
	char name[257];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(look_with(name, "", 1), -EBADMSG);
	name[255] = '\0';
	assert_int_equal(look_with(name, "", 1), 0);
}

/*
 * For the end of one it is looked from the end of all of them backwards. These end with the first header, which is
 * nobody's.
 */
static void names_end_with_the_last(void **state)
{
	int fd = open_with(".another", "", 1);
	Elf64_Ehdr header;
	Elf64_Shdr names;
	uint64_t at, last;

	(void)state;
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	at = header.e_shoff + header.e_shstrndx * sizeof(names);
	last = header.e_shoff + offsetof(Elf64_Shdr, sh_link);
	assert_int_equal(pread(fd, &names, sizeof(names), (off_t)at), sizeof(names));
	names.sh_size = last + 1 - names.sh_offset;
	assert_int_equal(pwrite(fd, &names, sizeof(names), (off_t)at), sizeof(names));
	assert_int_equal(look(fd), 0);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)last), 1);
	assert_int_equal(look(fd), -EBADMSG);
	close(fd);
}

static int set_up(void **state)
{
	char command[512];

	if (scratch_make(state))
		return -1;
	snprintf(command, sizeof(command),
		 "echo 'enum e { A, B }; enum e f(int i) { return i ? A : B; }' >%s/good.c && "
		 "gcc -g -shared -fPIC -o %s/good.so %s/good.c",
		 directory, directory, directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_link_to_another_file),
		cmocka_unit_test(each_is_counted),
		cmocka_unit_test(names_are_short),
		cmocka_unit_test(names_end_with_the_last),
	};

	return cmocka_run_group_tests(tests, set_up, scratch_remove);
}
