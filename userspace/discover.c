/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "discover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cgroup_path.h"
#include "mapped_open.h"
#include "proc_maps.h"

/* The kernel gives as much of maps at a time as fits a page; stdio would ask for 1 KiB. */
#define MAPS_BUFFER 8192
/* Of one file in /proc: a process can make its environment as long as its memory. */
#define PROC_FILE_MAX (4u << 20)

/* ---- Which files of this process have been seen: a process can map 65,530 of them ---- */

struct id_set {
	struct file_id *slots; /* inode 0: free */
	size_t size;           /* 0 or a power of two */
	size_t used;
	uint64_t factor; /* odd; who chooses inode numbers cannot choose places */
};

static struct file_id *id_set_slot(struct id_set *set, const struct file_id *id)
{
	uint64_t hash = (id->inode ^ id->dev << 32) * set->factor;
	size_t at = hash >> 32 & (set->size - 1);

	while (set->slots[at].inode &&
	       (set->slots[at].inode != id->inode || set->slots[at].dev != id->dev))
		at = (at + 1) & (set->size - 1);
	return &set->slots[at];
}

static int id_set_grow(struct id_set *set)
{
	struct id_set larger = { .size = set->size ? set->size * 2 : 64,
				 .used = set->used,
				 .factor = set->factor };

	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->size; i++)
		if (set->slots[i].inode)
			*id_set_slot(&larger, &set->slots[i]) = set->slots[i];
	free(set->slots);
	*set = larger;
	return 0;
}

/* 1: added; 0: was there. */
static int id_set_add(struct id_set *set, const struct file_id *id)
{
	struct file_id *slot;
	int err;

	if (2 * set->used >= set->size) {
		err = id_set_grow(set);
		if (err)
			return err;
	}
	slot = id_set_slot(set, id);
	if (slot->inode)
		return 0;
	*slot = *id;
	set->used++;
	return 1;
}

/* ---- Files of processes ---- */

struct search {
	bool (*wanted)(const struct file_id *id, void *context);
	mapped_file_fn fn;
	void *context;
	size_t skipped;
	int stop; /* what `fn` returned */
};

/*
 * What follows the command in /proc/PID/stat, which the process chooses and may hold anything; "" where it
 * can't be read.
 */
static int read_stat(pid_t pid, char *line, size_t size, char **after_command)
{
	char path[64], *command_end;
	FILE *file;
	size_t n;

	line[0] = 0;
	*after_command = line;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fread(line, 1, size - 1, file);
	fclose(file);
	line[n] = 0;
	command_end = strrchr(line, ')');
	if (!command_end || command_end[1] != ' ')
		return -ESRCH;
	*after_command = command_end + 2;
	return 0;
}

/* No mappings: a kernel thread, or one that has exited and waits to be reaped? */
static int check_alive(pid_t pid)
{
	char line[1024], *state;
	int err = read_stat(pid, line, sizeof(line), &state);

	if (err)
		return err;
	return *state == 'Z' || *state == 'X' ? -ESRCH : 0;
}

static void visit(struct search *search, pid_t pid, const struct proc_mapping *mapping)
{
	struct mapped_file file = {
		.pid = pid,
		.id = { mapping->dev, mapping->inode },
		.path = mapping->path,
		.fd = mapped_open(pid, mapping),
	};

	if (file.fd < 0) {
		search->skipped++;
		return;
	}
	file.deleted = proc_maps_cut_deleted(mapping->path);
	search->stop = search->fn(&file, search->context);
	if (file.fd >= 0)
		close(file.fd);
}

static int visit_new(struct search *search, pid_t pid, const struct proc_mapping *mapping,
		     struct id_set *seen)
{
	struct file_id id = { mapping->dev, mapping->inode };
	int added;

	if (!mapping->executable || !mapping->inode)
		return 0;
	added = id_set_add(seen, &id);
	if (added <= 0)
		return added;
	if (!search->wanted || search->wanted(&id, search->context))
		visit(search, pid, mapping);
	return 0;
}

static uint64_t any_factor(void)
{
	uint64_t factor = 0x9e3779b97f4a7c15u;

	getrandom(&factor, sizeof(factor), GRND_NONBLOCK);
	return factor | 1;
}

static int search_process(struct search *search, pid_t pid)
{
	char path[64], buffer[MAPS_BUFFER], *line = NULL;
	struct id_set seen = { .factor = any_factor() };
	bool is_empty = true;
	size_t size = 0;
	FILE *maps;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	setvbuf(maps, buffer, _IOFBF, sizeof(buffer));
	while (!err && !search->stop && getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		is_empty = false;
		if (proc_maps_parse(line, &mapping))
			err = visit_new(search, pid, &mapping, &seen);
	}
	free(line);
	free(seen.slots);
	fclose(maps);
	return is_empty ? check_alive(pid) : err;
}

int discover_process(pid_t pid, bool (*wanted)(const struct file_id *id, void *context),
		     mapped_file_fn fn, void *context, size_t *skipped)
{
	struct search search = { .wanted = wanted, .fn = fn, .context = context };
	int err = search_process(&search, pid);

	if (skipped)
		*skipped += search.skipped;
	return search.stop ? search.stop : err;
}

/* 0: the entry of /proc is no process. */
static pid_t pid_by_name(const char *name)
{
	unsigned long pid;
	char *end;

	if (!isdigit((unsigned char)*name))
		return 0;
	errno = 0;
	pid = strtoul(name, &end, 10);
	return *end || errno || pid > INT_MAX ? 0 : (pid_t)pid;
}

int discover_pids(int (*fn)(pid_t pid, void *context), void *context)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int result = 0;

	if (!proc)
		return -errno;
	while (!result && (entry = readdir(proc))) {
		pid_t pid = pid_by_name(entry->d_name);

		if (pid)
			result = fn(pid, context);
	}
	closedir(proc);
	return result;
}

static int search_any(pid_t pid, void *context)
{
	struct search *search = context;
	int err = search_process(search, pid);

	if (search->stop)
		return search->stop;

	if (err == -EACCES || err == -EPERM) {
		search->skipped++;
		return 0;
	}
	return err == -ESRCH ? 0 : err;
}

int discover_all(bool (*wanted)(const struct file_id *id, void *context), mapped_file_fn fn,
		 void *context, size_t *skipped)
{
	struct search search = { .wanted = wanted, .fn = fn, .context = context };
	int err = discover_pids(search_any, &search);

	if (skipped)
		*skipped += search.skipped;
	return err;
}

/* ---- What else /proc knows about a process ---- */

/* Fields of /proc/PID/stat; `at` is at the first of these. */
enum { STAT_STATE = 3, STAT_PARENT, STAT_THREADS = 20, STAT_START_TIME = 22 };

static uint64_t stat_number(const char *at, int field)
{
	for (int i = STAT_STATE; at && i < field; i++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at ? strtoull(at, NULL, 10) : 0;
}

uint64_t discover_start_time(pid_t pid)
{
	char line[1024], *at;

	return read_stat(pid, line, sizeof(line), &at) ? 0 : stat_number(at, STAT_START_TIME);
}

pid_t discover_parent(pid_t pid)
{
	char line[1024], *at;

	return read_stat(pid, line, sizeof(line), &at) ? 0 : (pid_t)stat_number(at, STAT_PARENT);
}

bool discover_is_running(pid_t pid, uint64_t start_time)
{
	char line[1024], *at;

	if (read_stat(pid, line, sizeof(line), &at) || !start_time ||
	    stat_number(at, STAT_START_TIME) != start_time)
		return false;
	/* Its first thread may have exited before the others. */
	return (*at != 'Z' && *at != 'X') || stat_number(at, STAT_THREADS) > 1;
}

/* Reads all of `fd`, up to PROC_FILE_MAX, into *data; freed by the caller, also on failure. */
static int read_all(int fd, char **data, size_t *size)
{
	size_t room = 0;

	*data = NULL;
	*size = 0;
	for (;;) {
		ssize_t n;

		if (*size == room) {
			char *larger = realloc(*data, room ? room * 2 : 4096);

			if (!larger)
				return -ENOMEM;
			*data = larger;
			room = room ? room * 2 : 4096;
		}
		n = read(fd, *data + *size, room - *size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*size += (size_t)n;
		if (n == 0 || *size >= PROC_FILE_MAX)
			return 0;
	}
}

static int read_proc(pid_t pid, const char *name, char **data, size_t *size)
{
	char path[64];
	int fd, err;

	*data = NULL;
	*size = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_all(fd, data, size);
	close(fd);
	return err;
}

int discover_name(pid_t pid, char *value, size_t size)
{
	size_t length;
	char *data;
	int err;

	if (!size)
		return -EINVAL;
	err = read_proc(pid, "comm", &data, &length);
	/* A name may have newlines of its own: only the last one is /proc's. */
	if (!err && length && data[length - 1] == '\n')
		length--;
	if (!err) {
		length = length < size ? length : size - 1;
		memcpy(value, data, length);
		value[length] = 0;
	}
	free(data);
	return err;
}

int discover_executable(pid_t pid, char *value, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, value, size);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if ((size_t)n == size)
		return -ERANGE;
	value[n] = 0;
	proc_maps_cut_deleted(value);
	return 0;
}

int discover_user(pid_t pid, uid_t *user)
{
	static const char line[] = "\nUid:\t";
	size_t size;
	char *data, *at;
	int err = read_proc(pid, "status", &data, &size);

	at = err ? NULL : memmem(data, size, line, sizeof(line) - 1);
	if (at)
		*user = (uid_t)strtoul(at + sizeof(line) - 1, NULL, 10);
	free(data);
	return at ? 0 : err ? err : -ESRCH;
}

/* The next NUL-terminated string at *at; the last one's NUL may be missing. */
static const char *take_entry(const char **at, const char *end, size_t *length)
{
	const char *entry = *at;

	if (entry >= end)
		return NULL;
	*length = strnlen(entry, (size_t)(end - entry));
	*at = entry + *length;
	if (*at < end)
		(*at)++;
	return entry;
}

static int give(const char *from, size_t length, char *value, size_t size)
{
	if (length >= size)
		length = size - 1;
	memcpy(value, from, length);
	value[length] = 0;
	return 0;
}

/* Looks for "name=value" among `size` bytes of strings. */
static int find_environment(const char *data, size_t size, const char *name, char *value,
			    size_t value_size)
{
	const char *at = data, *end = data + size, *entry;
	size_t length, name_length = strlen(name);

	while ((entry = take_entry(&at, end, &length)))
		if (length > name_length && entry[name_length] == '=' &&
		    memcmp(entry, name, name_length) == 0)
			return give(entry + name_length + 1, length - name_length - 1, value,
				    value_size);
	return -ENOENT;
}

/* "--option=value", or "--option" and the next argument. The first one is the program's name. */
static int find_argument(const char *data, size_t size, const char *option, char *value,
			 size_t value_size)
{
	const char *at = data, *end = data + size, *argument;
	size_t length, option_length = strlen(option);

	take_entry(&at, end, &length);
	while ((argument = take_entry(&at, end, &length))) {
		if (length < option_length || memcmp(argument, option, option_length) != 0)
			continue;
		if (length == option_length) {
			argument = take_entry(&at, end, &length);
			return argument ? give(argument, length, value, value_size) : -ENOENT;
		}
		if (argument[option_length] == '=')
			return give(argument + option_length + 1, length - option_length - 1, value,
				    value_size);
	}
	return -ENOENT;
}

int discover_environment(pid_t pid, const char *name, char *value, size_t size)
{
	size_t data_size;
	char *data;
	int err;

	if (!*name || !size)
		return -EINVAL;
	err = read_proc(pid, "environ", &data, &data_size);
	if (!err)
		err = find_environment(data, data_size, name, value, size);
	free(data);
	return err;
}

int discover_argument(pid_t pid, const char *option, char *value, size_t size)
{
	size_t data_size;
	char *data;
	int err;

	if (!*option || !size)
		return -EINVAL;
	err = read_proc(pid, "cmdline", &data, &data_size);
	if (!err)
		err = find_argument(data, data_size, option, value, size);
	free(data);
	return err;
}

/* What follows the second colon of a line, and is NULL where there is none. */
static char *path_of_line(char *line)
{
	char *colon = strchr(line, ':');

	colon = colon ? strchr(colon + 1, ':') : NULL;
	return colon ? colon + 1 : NULL;
}

int discover_cgroups(pid_t pid, int (*fn)(const char *path, void *context), void *context)
{
	char *data, *text, *line, *rest;
	size_t size;
	int result = read_proc(pid, "cgroup", &data, &size);

	text = result ? NULL : strndup(data ? data : "", size);
	if (!result && !text)
		result = -ENOMEM;
	for (rest = text; !result && rest && (line = strsep(&rest, "\n"));) {
		char *path = path_of_line(line);

		if (path)
			result = fn(path, context);
	}
	free(text);
	free(data);
	return result;
}

static int from_cgroup(pid_t pid, int (*parse)(const char *, size_t, char *, size_t), char *value,
		       size_t size)
{
	size_t data_size;
	char *data;
	int err;

	err = read_proc(pid, "cgroup", &data, &data_size);
	if (!err)
		err = parse(data, data_size, value, size);
	free(data);
	return err;
}

int discover_container_id(pid_t pid, char *value, size_t size)
{
	return from_cgroup(pid, cgroup_container_id, value, size);
}

int discover_pod_uid(pid_t pid, char *value, size_t size)
{
	return from_cgroup(pid, cgroup_pod_uid, value, size);
}
