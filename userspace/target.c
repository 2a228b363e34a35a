/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "denied.h"

int target_open(const char *path, struct file_id *id, char *why, size_t why_size)
{
	struct stat st;
	/* A fifo or a device must not hold us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err;

	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		snprintf(why, why_size, "cannot open '%s': %s", path, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size,
			 "'%s' is not a regular file: give an executable or a shared library",
			 path);
		close(fd);
		return -EINVAL;
	}
	*id = (struct file_id){ .dev = st.st_dev, .inode = st.st_ino };
	return fd;
}

/* "" where there are none. */
static const char *notes_text(const struct elfnote *note, char text[64])
{
	size_t count = note->dead + note->duplicate + note->malformed + note->unknown;

	text[0] = '\0';
	if (count)
		snprintf(text, 64, " (%zu note%s nowhere)", count,
			 count == 1 ? " that leads" : "s that lead");
	return text;
}

int target_explain(const char *path, int err, const struct elfnote *note, char *why,
		   size_t why_size)
{
	char notes[64];

	switch (err) {
	case -ENOEXEC:
		snprintf(why, why_size,
			 "'%s' is not an ELF file of this machine: give an "
			 "executable or a shared library",
			 path);
		break;
	case -EBADMSG:
		snprintf(why, why_size, "'%s' is truncated or damaged: build or copy it again",
			 path);
		break;
	case 0:
		snprintf(why, why_size,
			 "'%s' has no pushback probes%s: build it with include/pushback.h, or "
			 "else see pushback recipe suggest %s",
			 path, notes_text(note, notes), path);
		return -ENODATA;
	default:
		snprintf(why, why_size, "cannot read '%s': %s", path, strerror(-err));
	}
	return err;
}

int target_explain_process(pid_t pid, int err, char *why, size_t why_size)
{
	switch (err) {
	case -ESRCH:
		snprintf(why, why_size, "no process %d: it has ended, or the number is wrong",
			 (int)pid);
		break;
	case -ENODATA:
		snprintf(why, why_size,
			 "process %d maps no file with pushback probes: build it with "
			 "include/pushback.h, or else see pushback recipe suggest /proc/%d/exe",
			 (int)pid, (int)pid);
		break;
	case -EACCES:
	case -EPERM:
		snprintf(why, why_size, "not allowed to look into process %d: %s", (int)pid,
			 denied_why());
		return -EPERM;
	default:
		snprintf(why, why_size, "cannot look into process %d: %s", (int)pid,
			 strerror(-err));
	}
	return err;
}
