/* SPDX-License-Identifier: MIT */
/*
 * blocking - a consumer whose memory holds whoever reads it
 *
 *	blocking DIRECTORY UID
 *
 * Mounts a file system of its own there, as fusermount does for any user, and is that user from then on.
 * The one file in it is never read to the end. Prints "ready", waits for a line on stdin, makes a few
 * returns, then puts the file where its step is, prints "done", and waits for another line: from then on
 * it answers. A reader of the step waits with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <pushback.h>

#define PAGE    4096u
#define FILE_ID 2
#define REQUEST (1u << 17) /* what a server must have room for */

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- The file system ---- */

static void answer(int fd, const struct fuse_in_header *in, const void *what, size_t size,
		   int error)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + size),
				       .error = error,
				       .unique = in->unique };
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)(uintptr_t)what, size } };

	if (writev(fd, parts, 2) < 0)
		give_up("cannot answer");
}

static struct fuse_attr attributes(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .nlink = 1, .blksize = PAGE };

	a.mode = node == FILE_ID ? S_IFREG | 0755 : S_IFDIR | 0755;
	a.size = node == FILE_ID ? PAGE : 0;
	return a;
}

static void serve_one(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = FUSE_KERNEL_MINOR_VERSION,
				      .max_write = PAGE };
	struct fuse_attr_out attr = { .attr_valid = 1000, .attr = attributes(in->nodeid) };
	struct fuse_entry_out entry = { .nodeid = FILE_ID,
					.attr_valid = 1000,
					.entry_valid = 1000,
					.attr = attributes(FILE_ID) };
	struct fuse_open_out opened = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer(fd, in, &init, sizeof(init), 0);
		break;
	case FUSE_GETATTR:
		answer(fd, in, &attr, sizeof(attr), 0);
		break;
	case FUSE_LOOKUP:
		answer(fd, in, &entry, sizeof(entry), 0);
		break;
	case FUSE_OPEN:
		answer(fd, in, &opened, sizeof(opened), 0);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(fd, in, NULL, 0, 0);
		break;
	case FUSE_READ: /* never */
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		answer(fd, in, NULL, 0, -38);
		break;
	}
}

/* Ends with the consumer, and the file system with it. */
static void serve(int fd)
{
	static char request[REQUEST] __attribute__((aligned(8)));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, request, sizeof(request)) > 0)
		serve_one(fd, (struct fuse_in_header *)request);
	_exit(0);
}

/* Nobody else sees it, and it goes with us. */
static void mount_own(const char *directory, unsigned int uid)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];
	pid_t server;

	if (fd < 0)
		give_up("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fd, uid,
		 uid);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) ||
	    mount("own", directory, "fuse", MS_NOSUID | MS_NODEV, options))
		give_up("cannot mount");
	if (setgid(uid) || setuid(uid))
		give_up("cannot become another user");
	server = fork();
	if (server < 0)
		give_up("cannot fork");
	if (!server)
		serve(fd);
	close(fd);
}

/* ---- The consumer ---- */

static void tell(const char *word)
{
	puts(word);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pushback_step *step =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[64], path[4096];
	int fd;

	if (argc != 3 || step == MAP_FAILED)
		return 2;
	mount_own(argv[1], (unsigned int)strtoul(argv[2], NULL, 10));
	snprintf(path, sizeof(path), "%s/file", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	pushback_step_init(step, "blocking");
	tell("ready");
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	pushback_submit_return(step, PUSHBACK_REJECTED);
	pushback_submit_return(step, PUSHBACK_ACCEPTED);
	if (mmap(step, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		give_up("cannot map");
	tell("done");
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
