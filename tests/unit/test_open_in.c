/* SPDX-License-Identifier: MIT */
/* A path within a root that is another's: nothing in it leads out */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "open_in.h"

struct tree {
	char path[64];
	int root; /* PATH/root, an open directory */
};

static void at(const struct tree *t, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", t->path, name);
}

static void make(const struct tree *t, const char *name)
{
	char path[128];
	int fd;

	at(t, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	close(fd);
}

static void make_folder(const struct tree *t, const char *name)
{
	char path[128];

	at(t, name, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const struct tree *t, const char *name, const char *to)
{
	char path[128];

	at(t, name, path);
	assert_int_equal(symlink(to, path), 0);
}

static int make_tree(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	char path[128];

	assert_non_null(t);
	strcpy(t->path, "/tmp/pushback-open-in-XXXXXX");
	assert_non_null(mkdtemp(t->path));
	make(t, "outside");
	make_folder(t, "root");
	make_folder(t, "root/a");
	make_folder(t, "root/a/b");
	make(t, "root/file");
	make(t, "root/outside");
	make(t, "root/a/b/file");
	at(t, "root", path);
	t->root = open(path, O_PATH | O_DIRECTORY);
	*state = t;
	return t->root < 0;
}

static int remove_tree(void **state)
{
	struct tree *t = *state;
	char command[128];

	close(t->root);
	snprintf(command, sizeof(command), "rm -r %s", t->path);
	free(t);
	return system(command);
}

/* What it leads to is called by the name that is written in it, or an error. */
static void expect(const struct tree *t, const char *path, bool links, const char *name, int err)
{
	int fd = open_in(t->root, path, links, NULL), file;
	char text[64] = "", link[64];

	print_message("%.60s\n", path);
	if (!name) {
		assert_int_equal(fd, err);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	file = open(link, O_RDONLY);
	assert_true(read(file, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, name);
	close(file);
	close(fd);
}

static void paths_are_walked(void **state)
{
	const struct tree *t = *state;

	for (int links = 0; links < 2; links++) {
		expect(t, "file", links, "root/file", 0);
		expect(t, "/file", links, "root/file", 0);
		expect(t, "//a/./b//file", links, "root/a/b/file", 0);
		expect(t, "/a/b/../../file", links, "root/file", 0);
		expect(t, "/a/missing/file", links, NULL, -ENOENT);
		expect(t, "/file/file", links, NULL, -ENOTDIR);
	}
}

static void nothing_leads_out(void **state)
{
	const struct tree *t = *state;

	expect(t, "/../outside", true, "root/outside", 0);
	expect(t, "../../../../outside", false, "root/outside", 0);
	make_link(t, "root/up", "../outside");
	make_link(t, "root/a/up", "../../../../outside");
	make_link(t, "root/a/absolute", "/outside");
	expect(t, "/up", true, "root/outside", 0);
	expect(t, "/a/up", true, "root/outside", 0);
	expect(t, "/a/absolute", true, "root/outside", 0);
}

static void links_lead_on_or_are_refused(void **state)
{
	const struct tree *t = *state;

	make_link(t, "root/to_b", "a/b");
	make_link(t, "root/a/back", "/to_b");
	make_link(t, "root/loop", "loop");
	make_link(t, "root/broken", "nowhere");
	expect(t, "/to_b/file", true, "root/a/b/file", 0);
	expect(t, "/a/back/file", true, "root/a/b/file", 0);
	expect(t, "/a/back/../b/file", true, "root/a/b/file", 0);
	expect(t, "/loop", true, NULL, -ELOOP);
	expect(t, "/broken", true, NULL, -ENOENT);
	expect(t, "/to_b/file", false, NULL, -ELOOP);
	expect(t, "/broken", false, NULL, -ELOOP);
}

/* As a guard saw them: what is at the end of the link in /proc, without the tree's own path. */
struct seen {
	const struct tree *tree;
	const char *held; /* by this one */
	char names[256];
};

static void name_of(const struct tree *t, int fd, char *name, size_t size)
{
	char link[64], full[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, full, sizeof(full) - 1);
	assert_true(length > 0);
	full[length] = '\0';
	assert_int_equal(strncmp(full, t->path, strlen(t->path)), 0);
	snprintf(name, size, "%s", full + strlen(t->path));
}

static bool see(int fd, int from, void *context)
{
	struct seen *seen = context;
	char name[64], from_name[64] = "-";
	size_t used = strlen(seen->names);

	name_of(seen->tree, fd, name, sizeof(name));
	if (from >= 0)
		name_of(seen->tree, from, from_name, sizeof(from_name));
	snprintf(seen->names + used, sizeof(seen->names) - used, "%s>%s ", from_name, name);
	return seen->held && !strcmp(seen->held, name);
}

static void expect_seen(const struct tree *t, const char *path, const char *held, const char *names)
{
	struct seen seen = { .tree = t, .held = held };
	const struct open_in_guard guard = { .holds = see, .context = &seen };
	int before = dup(t->root), fd, after;

	close(before);
	fd = open_in(t->root, path, true, &guard);
	assert_string_equal(seen.names, names);
	if (held)
		assert_int_equal(fd, -EPERM);
	else
		assert_int_equal(close(fd), 0);
	after = dup(t->root);
	assert_int_equal(after, before);
	close(after);
}

static void all_are_shown_to_a_guard(void **state)
{
	const struct tree *t = *state;

	make_link(t, "root/to_b", "a/b");
	expect_seen(t, "/", NULL, "->/root ");
	expect_seen(t, "/a/../file", NULL, "->/root /root>/root/a /root>/root/file ");
	expect_seen(t, "/to_b/file", NULL,
		    "->/root /root>/root/to_b /root>/root/a /root/a>/root/a/b "
		    "/root/a/b>/root/a/b/file ");
	expect_seen(t, "/a/missing", "/root", "->/root ");
	expect_seen(t, "/a/missing", "/root/a", "->/root /root>/root/a ");
	expect_seen(t, "/to_b/missing", "/root/to_b", "->/root /root>/root/to_b ");
	expect_seen(t, "/file", "/root/file", "->/root /root>/root/file ");
}

/* So many descriptors before as after, however it ends. */
static void bounds_hold(void **state)
{
	const struct tree *t = *state;
	int before = dup(t->root), after;
	char path[2 * PATH_MAX];

	memset(path, 'x', sizeof(path));
	path[NAME_MAX + 1] = '\0';
	expect(t, path, true, NULL, -ENAMETOOLONG);
	path[NAME_MAX + 1] = 'x';
	path[sizeof(path) - 1] = '\0';
	expect(t, path, true, NULL, -ENAMETOOLONG);
	/* Down and up again, more often than it may be deep. */
	path[0] = '\0';
	for (int i = 0; i < 400; i++)
		strcat(path, "a/../");
	strcat(path, "file");
	expect(t, path, true, "root/file", 0);
	close(before);
	after = dup(t->root);
	assert_int_equal(after, before);
	close(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_are_walked, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(nothing_leads_out, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(links_lead_on_or_are_refused, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(all_are_shown_to_a_guard, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(bounds_hold, make_tree, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
