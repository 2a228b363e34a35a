/* SPDX-License-Identifier: MIT */
/* Places of a file in memory: where they are, and how much of a process that maps it often is read */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "doctor_site.h"
#include "file_mappings.h"
#include "pushback.h"
#include "reader_ends.h"
#include "recipe_armed.h"

#define PAGE  4096
#define PAGES 4 /* of the file; there is a place in the second one and in the last */
#define MANY  3000
#define COUNT 2
#define CODE  (PROT_READ | PROT_EXEC)

static int fd;
static struct file_id id;
static const uint64_t offsets[COUNT] = { 3 * PAGE + 64, PAGE + 16 };
/* Where all mappings are made, in this order. */
static char *room;
static size_t used;

static int make_file(void **state)
{
	const pushback_instruction nop = PUSHBACK_NOP_CODE;
	struct stat st;

	(void)state;
	fd = memfd_create("mappings", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, PAGES * PAGE) || fstat(fd, &st))
		return -1;
	for (size_t i = 0; i < COUNT; i++)
		if (pwrite(fd, &nop, sizeof(nop), (off_t)offsets[i]) != sizeof(nop))
			return -1;
	id = (struct file_id){ st.st_dev, st.st_ino };
	return 0;
}

static int make_room(void **state)
{
	(void)state;
	used = 0;
	room = mmap(NULL, 2 * MANY * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return room == MAP_FAILED ? -1 : 0;
}

static int leave_room(void **state)
{
	(void)state;
	return munmap(room, 2 * MANY * PAGE);
}

/* One page of the file, so often. */
static void map(size_t page, int rights, size_t times)
{
	while (times--) {
		char *at = room + used++ * PAGE;

		assert_true(used <= 2 * MANY);
		assert_ptr_equal(
			mmap(at, PAGE, rights, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(page * PAGE)),
			at);
	}
}

static size_t seen[COUNT];

static void see(void *arg, uint64_t offset, uint64_t address)
{
	const pushback_instruction nop = PUSHBACK_NOP_CODE;

	assert_ptr_equal(arg, seen);
	for (size_t i = 0; i < COUNT; i++)
		seen[i] += offset == offsets[i];
	assert_memory_equal((const void *)(uintptr_t)address, &nop, sizeof(nop));
}

static int look(pid_t pid, struct file_loss *loss)
{
	struct file_place places[COUNT] = { { .offset = offsets[0] }, { .offset = offsets[1] } };
	struct file_reading reading = { pid, &id, places, COUNT, file_mapping_is_code, see, seen };

	memset(seen, 0, sizeof(seen));
	return file_mappings_read(&reading, loss);
}

static void expect(size_t first, size_t second, size_t mappings, size_t places)
{
	struct file_loss loss;

	assert_int_equal(look(getpid(), &loss), 0);
	assert_int_equal(seen[0], first);
	assert_int_equal(seen[1], second);
	assert_int_equal(loss.mappings, mappings);
	assert_int_equal(loss.places, places);
}

static void test_few(void **state)
{
	struct file_loss loss;

	(void)state;
	expect(0, 0, 0, 0);
	map(1, CODE, 3);
	expect(0, 3, 0, 0);
	map(3, CODE, FILE_MAPPINGS_MOST - 3);
	expect(FILE_MAPPINGS_MOST - 3, 3, 0, 0);
	assert_int_equal(look(INT_MAX, &loss), -ESRCH);
	assert_int_equal(loss.mappings, 0);
}

static void test_many(void **state)
{
	(void)state;
	map(1, CODE, MANY);
	expect(0, FILE_MAPPINGS_MOST, MANY - FILE_MAPPINGS_MOST, 1);
	map(3, CODE, 1);
	expect(0, FILE_MAPPINGS_MOST, MANY + 1 - FILE_MAPPINGS_MOST, 1);
}

/* Those that hold no place, or are no code, keep nothing from being read. */
static void test_others_do_not_count(void **state)
{
	(void)state;
	map(0, CODE, 1000);
	map(2, CODE, 1000);
	map(1, PROT_READ, 1000);
	map(1, CODE, 1);
	map(3, CODE, 1);
	expect(1, 1, 0, 0);
}

/* Both places in one mapping, and behind it what is no place of the file's. */
static void test_whole(void **state)
{
	(void)state;
	used += PAGES;
	assert_ptr_equal(mmap(room, PAGES * PAGE, CODE, MAP_PRIVATE | MAP_FIXED, fd, 0), room);
	expect(1, 1, 0, 0);
	map(1, CODE, MANY);
	expect(1, FILE_MAPPINGS_MOST, MANY + 1 - FILE_MAPPINGS_MOST, 0);
}

static void test_sites_of_notes(void **state)
{
	static const struct elfnote note = {
		.sites_count = COUNT,
		.sites = { { .offset = 3 * PAGE + 64 }, { .offset = PAGE + 16 } },
	};
	struct doctor_sites sites;

	(void)state;
	map(1, CODE, MANY);
	map(3, CODE, 1);
	doctor_sites_read(&sites, getpid(), &id, &note);
	assert_int_equal(sites.err, 0);
	assert_int_equal(sites.nops, FILE_MAPPINGS_MOST);
	assert_int_equal(sites.breakpoints + sites.others, 0);
	assert_int_equal(sites.loss.mappings, MANY + 1 - FILE_MAPPINGS_MOST);
	assert_int_equal(sites.loss.places, 1);
}

static void test_sites_of_a_recipe(void **state)
{
	static struct recipe_sites sites = {
		.sites_count = COUNT,
		.sites = { { .offset = 3 * PAGE + 64 }, { .offset = PAGE + 16 } },
	};
	struct recipe_armed armed;

	(void)state;
	map(1, CODE, MANY);
	map(3, CODE, 1);
	recipe_armed_read(&armed, getpid(), &id, fd, &sites);
	assert_int_equal(armed.err, 0);
	assert_int_equal(armed.plain, FILE_MAPPINGS_MOST);
	assert_int_equal(armed.armed + armed.others, 0);
	assert_int_equal(armed.loss.mappings, MANY + 1 - FILE_MAPPINGS_MOST);
	assert_int_equal(armed.loss.places, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_room, leave_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_few),   TEST(test_many),           TEST(test_others_do_not_count),
		TEST(test_whole), TEST(test_sites_of_notes), TEST(test_sites_of_a_recipe),
	};

	return cmocka_run_group_tests_name("mappings", tests, make_file, reader_ends);
}
