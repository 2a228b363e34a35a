/* SPDX-License-Identifier: MIT */
#include "sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "discover.h"
#include "opts.h"

struct process {
	struct pb_process_key key;
	int side;
	UT_hash_handle hh;
};

struct sides {
	bool by_pid;
	int pids[SIDES];
	struct file_id files[SIDES]; /* as stat says */
	struct process *processes;
	size_t count[SIDES];
	char names[SIDES][16];
	struct sides_left_out left_out;
};

bool sides_is_pid(const char *operand)
{
	return *operand && strspn(operand, "0123456789") == strlen(operand);
}

/* ---- The operands ---- */

static int refuse(int err, char *why, size_t why_size, const char *text, const char *operand)
{
	snprintf(why, why_size, text, operand);
	return err;
}

static int set_pids(struct sides *s, const char *const operands[SIDES], char *why, size_t why_size)
{
	for (int side = 0; side < SIDES; side++)
		if (opts_pid(operands[side], &s->pids[side]))
			return refuse(-EINVAL, why, why_size, "'%s' is not the number of a process",
				      operands[side]);
	if (s->pids[0] == s->pids[1])
		return refuse(-EINVAL, why, why_size,
			      "both sides are process %s: give two, or two files", operands[0]);
	return 0;
}

static int set_files(struct sides *s, const char *const operands[SIDES], char *why, size_t why_size)
{
	for (int side = 0; side < SIDES; side++) {
		struct stat st;

		if (stat(operands[side], &st)) {
			int err = -errno;

			snprintf(why, why_size, "cannot look at '%s': %s", operands[side],
				 strerror(-err));
			return err;
		}
		s->files[side] = (struct file_id){ st.st_dev, st.st_ino };
	}
	if (!memcmp(&s->files[0], &s->files[1], sizeof(s->files[0])))
		return refuse(
			-EINVAL, why, why_size,
			"both sides are the same file '%s': to compare two processes that run "
			"it give their PIDs",
			operands[0]);
	return 0;
}

int sides_new(struct sides **out, const char *const operands[SIDES], char *why, size_t why_size)
{
	bool by_pid = sides_is_pid(operands[0]);
	struct sides *s = calloc(1, sizeof(*s));
	int err;

	*out = s;
	if (!s)
		return refuse(-ENOMEM, why, why_size, "%s", "out of memory");
	s->by_pid = by_pid;
	if (by_pid != sides_is_pid(operands[1]))
		err = refuse(-EINVAL, why, why_size,
			     "%s: a process and a file cannot be told apart: give two PIDs or two "
			     "files",
			     operands[by_pid ? 1 : 0]);
	else
		err = by_pid ? set_pids(s, operands, why, why_size)
			     : set_files(s, operands, why, why_size);
	if (!err)
		return 0;
	sides_free(s);
	*out = NULL;
	return err;
}

void sides_free(struct sides *s)
{
	struct process *process, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->processes, process, next) {
		HASH_DEL(s->processes, process);
		free(process);
	}
	free(s);
}

/* ---- Processes ---- */

struct search {
	const struct sides *sides;
	bool found[SIDES];
};

/* The file as its process has it, so that another one in its place is not taken for it. */
static int compare_file(struct mapped_file *file, void *context)
{
	struct search *search = context;
	struct stat st;

	for (int side = 0; !fstat(file->fd, &st) && side < SIDES; side++)
		search->found[side] |= st.st_dev == search->sides->files[side].dev &&
				       st.st_ino == search->sides->files[side].inode;
	return 0;
}

static int side_by_file(struct sides *s, pid_t pid)
{
	struct search search = { .sides = s };
	int err = discover_process(pid, NULL, compare_file, &search, NULL);

	if (search.found[0] != search.found[1])
		return search.found[1];
	if (search.found[0])
		s->left_out.both++;
	else if (err)
		s->left_out.undecided++;
	else
		s->left_out.neither++;
	return SIDES_NEITHER;
}

static int side_by_pid(const struct sides *s, int pid)
{
	for (int side = 0; side < SIDES; side++)
		if (pid == s->pids[side])
			return side;
	return SIDES_NEITHER;
}

int sides_of(struct sides *s, const struct record *record)
{
	const struct pb_process_key *key = &record->key.process;
	struct process *process;

	HASH_FIND(hh, s->processes, key, sizeof(*key), process);
	if (process)
		return process->side;
	process = calloc(1, sizeof(*process));
	if (!process)
		return -ENOMEM;
	process->key = *key;
	HASH_ADD(hh, s->processes, key, sizeof(process->key), process);
	if (!process->hh.tbl) {
		free(process);
		return -ENOMEM;
	}
	process->side =
		s->by_pid ? side_by_pid(s, (int)key->tgid) : side_by_file(s, (pid_t)key->tgid);
	if (process->side >= 0 && !s->count[process->side]++)
		memcpy(s->names[process->side], record->process, sizeof(record->process));
	return process->side;
}

size_t sides_processes(const struct sides *s, int side)
{
	return s->count[side];
}

const char *sides_name(const struct sides *s, int side)
{
	return s->names[side];
}

struct sides_left_out sides_left_out(const struct sides *s)
{
	return s->left_out;
}
