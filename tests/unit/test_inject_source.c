/* SPDX-License-Identifier: MIT */
/* The file that is read, and whether it is still the one */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "inject_craft.h"
#include "source.h"

static char path[] = "/tmp/pushback-source-XXXXXX";

static void write_craft(const char *to)
{
	uint8_t *bytes = craft_file();
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, CRAFT_SIZE), CRAFT_SIZE);
	close(fd);
	free(bytes);
}

static void test_a_file_that_is_written_to(void **state)
{
	struct source source;
	struct why why;

	(void)state;
	write_craft(path);
	assert_int_equal(source_open(&source, path, &why), 0);
	assert_int_equal(source.image.size, CRAFT_SIZE);
	assert_true(source_is_current(&source));
	assert_int_equal(truncate(path, CRAFT_SIZE + 1), 0);
	assert_false(source_is_current(&source));
	source_close(&source);
	assert_int_equal(unlink(path), 0);
}

static void test_a_file_that_is_replaced(void **state)
{
	char other[sizeof(path) + 4];
	struct source source;
	struct why why;

	(void)state;
	write_craft(path);
	snprintf(other, sizeof(other), "%s.new", path);
	write_craft(other);
	assert_int_equal(source_open(&source, path, &why), 0);
	assert_int_equal(rename(other, path), 0);
	assert_false(source_is_current(&source));
	assert_int_equal(unlink(path), 0);
	assert_false(source_is_current(&source));
	source_close(&source);
}

static int make_name(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_is_written_to),
		cmocka_unit_test(test_a_file_that_is_replaced),
	};

	return cmocka_run_group_tests(tests, make_name, NULL);
}
