/* SPDX-License-Identifier: MIT */
/*
 * blocking - a consumer that holds whoever reads its memory, or opens its file
 *
 *	blocking memory DIRECTORY UID
 *	blocking file DIRECTORY UID DEVICE
 *
 * Has a FUSE file system of its own, as that user. Prints "ready", waits for a line on stdin, makes a few
 * returns, then does what it is for, prints "done", and waits for the end of its standard input.
 *
 * memory: mounts it at DIRECTORY as fusermount does for any user. Its one file is never read to the end, and
 *	is put where the step was. A reader of the step waits.
 * file: mounts it in a user namespace at DIRECTORY/lower, by a DEVICE that the user may open, and at
 *	DIRECTORY/merged an overlay of that and DIRECTORY/empty. Maps the file there to be run. From then on
 *	nothing that is asked about what is there, or whether anything is, has an answer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
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

/* Shared with the server: it answers no more. */
static bool *silent;

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
	/* Valid for no time: the kernel asks again each time. */
	struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
	struct fuse_entry_out entry = { .nodeid = FILE_ID, .attr = attributes(FILE_ID) };
	struct fuse_open_out opened = { .fh = 1 };
	struct fuse_statfs_out fs = { .st = { .bsize = PAGE, .frsize = PAGE, .namelen = 255 } };

	/* What its own end asks has an answer. */
	if (__atomic_load_n(silent, __ATOMIC_SEQ_CST) && in->opcode != FUSE_FLUSH)
		return;
	switch (in->opcode) {
	case FUSE_STATFS:
		answer(fd, in, &fs, sizeof(fs), 0);
		break;
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
	case FUSE_OPENDIR:
		answer(fd, in, &opened, sizeof(opened), 0);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
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

static void begin_server(int fd)
{
	pid_t server;

	silent = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (silent == MAP_FAILED)
		give_up("no memory");
	server = fork();
	if (server < 0)
		give_up("cannot fork");
	if (!server)
		serve(fd);
	close(fd);
}

static void mount_fuse(int fd, const char *directory, unsigned int user)
{
	char options[96];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fd, user,
		 user);
	if (mount("own", directory, "fuse", MS_NOSUID | MS_NODEV, options))
		give_up("cannot mount");
}

/* Nobody else sees it, and it goes with us. */
static void mount_as_root(const char *directory, unsigned int uid)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up("/dev/fuse");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL))
		give_up("cannot have mounts of our own");
	mount_fuse(fd, directory, uid);
	if (setgid(uid) || setuid(uid))
		give_up("cannot become another user");
	begin_server(fd);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		give_up(path);
	close(fd);
}

/* In namespaces of our own, which any user may have. */
static void enter_namespaces(unsigned int uid)
{
	char map[32];

	if (setgid(uid) || setuid(uid) || unshare(CLONE_NEWUSER | CLONE_NEWNS))
		give_up("cannot have namespaces of our own");
	/* Of a process that has changed its user /proc/self is root's. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/gid_map", map);
}

static void mount_as_user(const char *device)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up(device);
	mount_fuse(fd, "lower", 0);
	begin_server(fd);
	if (mount("own", "merged", "overlay", 0, "lowerdir=lower:empty"))
		give_up("cannot mount an overlay");
}

/* ---- The consumer ---- */

static void tell(const char *word)
{
	puts(word);
	fflush(stdout);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		give_up(path);
	return fd;
}

static void map_file(void *place, int protection, int flags, int fd)
{
	if (mmap(place, PAGE, protection, MAP_PRIVATE | flags, fd, 0) == MAP_FAILED)
		give_up("cannot map");
}

int main(int argc, char **argv)
{
	struct pushback_step *step =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool of_memory = argc == 4 && !strcmp(argv[1], "memory");
	char line[64];
	int fd;

	if ((!of_memory && argc != 5) || step == MAP_FAILED || chdir(argv[2]))
		return 2;
	if (of_memory) {
		mount_as_root(argv[2], (unsigned int)strtoul(argv[3], NULL, 10));
	} else {
		enter_namespaces((unsigned int)strtoul(argv[3], NULL, 10));
		mount_as_user(argv[4]);
	}
	/* By its path: where we are is beneath what was mounted. */
	if (chdir(argv[2]))
		return 2;
	fd = open_file(of_memory ? "file" : "merged/file");
	pushback_step_init(step, "blocking");
	tell("ready");
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	pushback_submit_return(step, PUSHBACK_REJECTED);
	pushback_submit_return(step, PUSHBACK_ACCEPTED);
	if (of_memory)
		map_file(step, PROT_READ, MAP_FIXED, fd);
	else
		map_file(NULL, PROT_READ | PROT_EXEC, 0, fd);
	__atomic_store_n(silent, true, __ATOMIC_SEQ_CST);
	tell("done");
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
