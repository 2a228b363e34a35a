/* SPDX-License-Identifier: MIT */
/* Lines of mountinfo: whom a file system asks, whatever its user calls it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "mount_line.h"

#define MOUNT "36 35 0:41 / /home/u/mnt rw,nosuid,nodev shared:1 master:2 - "

static void kinds_are_told_apart(void **state)
{
	static const struct {
		const char *line;
		enum mount_kind kind;
	} table[] = {
		{ MOUNT "ext4 /dev/vda rw,discard", MOUNT_LOCAL },
		{ MOUNT "tmpfs user_id=1 rw,user_id=1", MOUNT_LOCAL },
		{ MOUNT "overlay overlay rw,lowerdir=/l", MOUNT_OTHER },
		{ MOUNT "overlayish none rw", MOUNT_LOCAL },
		{ MOUNT "fuse own rw,user_id=65534,group_id=0", MOUNT_USERS },
		{ MOUNT "fuse own rw,user_id=65534\n", MOUNT_USERS },
		{ MOUNT "fuse own user_id=1", MOUNT_USERS },
		{ MOUNT "fuse own rw,user_id=0,group_id=0\n", MOUNT_OTHER },
		{ MOUNT "fuseblk /dev/sda1 rw,user_id=0,group_id=0\n", MOUNT_OTHER },
		{ MOUNT "fuse own rw\n", MOUNT_OTHER },
		/* The source and the subtype are the user's. */
		{ MOUNT "fuse user_id=0 rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse x,user_id=0 rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse  rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse.x own rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse.user_id=0 user_id=0, rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse.x\\040y\\040rw,user_id=0 own rw,user_id=65534", MOUNT_USERS },
		{ MOUNT "fuse user_id=1 rw,user_id=0", MOUNT_OTHER },
		{ MOUNT "fuse own rw,not_user_id=0,user_id=65534", MOUNT_USERS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct mount_line mount;

		print_message("%s\n", table[i].line);
		assert_true(mount_line_parse(table[i].line, &mount));
		assert_int_equal(mount.kind, table[i].kind);
		assert_int_equal(mount.id, 36);
		assert_int_equal(mount.dev, makedev(0, 41));
	}
}

static void other_lines_are_none(void **state)
{
	static const char *const table[] = {
		"",
		"\n",
		"36 35 0:41 / / rw",
		"36 35 0 / / rw - ext4 x rw",
		"x 35 0:41 / / rw - ext4 x rw",
	};
	struct mount_line mount;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_false(mount_line_parse(table[i], &mount));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(other_lines_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
