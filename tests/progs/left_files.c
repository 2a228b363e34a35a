/* SPDX-License-Identifier: MIT */
/*
 * left_files - what an attach with a state finds of its files, without an agent
 *
 *	left_files DIR FILE...	attaches the files, leaves them in DIR
 *	left_files DIR		says how many there are, lets go of those that have no name, and says it again
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "attach.h"
#include "target.h"

static int attach(struct attach *a, const char *path, char *why)
{
	struct elfnote note;
	struct file_id id;
	int fd = target_open(path, &id, why, ATTACH_WHY_SIZE), err;

	if (fd < 0)
		return fd;
	err = elfnote_read(fd, &note);
	if (!err)
		err = attach_file(a, fd, &id, &note, NULL, why);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	struct attach_options options = { .tell_execs = true, .pin_dir = argv[argc > 1] };
	char why[ATTACH_WHY_SIZE] = "";
	struct attach *a;
	int err = attach_new(&a, &options, why);

	if (err) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (int i = 2; !err && i < argc; i++)
		err = attach(a, argv[i], why);
	if (argc == 2) {
		printf("%zu files, %zu sites\n", attach_unasked(a), attach_sites(a));
		attach_let_go(a, false, NULL, NULL);
		printf("%zu files, %zu sites\n", attach_unasked(a), attach_sites(a));
	}
	attach_free(a);
	fprintf(stderr, "%s", why);
	return err ? 1 : 0;
}
