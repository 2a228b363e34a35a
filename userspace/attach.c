/* SPDX-License-Identifier: MIT */
/*
 * attach.c - see attach.h
 *
 * One uprobe_multi link per file where the kernel has it, else one perf uprobe per site. The multi
 * link is made by bpf(2) itself: libbpf has it only since 1.3, and Debian 12 ships 1.1.2.
 */
#include "attach.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "namespaces.h"

/* The skeleton holds the object as one string, longer than C11 promises. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "pushback.skel.h"
#pragma GCC diagnostic pop

#define TRACE_UPROBE_MULTI 48 /* enum bpf_attach_type, since Linux 6.6 */
#define BTF_PATH           "/sys/kernel/btf/vmlinux"
#define PMU_PATH           "/sys/bus/event_source/devices/uprobe/type"
#define DETACH_THREADS     15 /* beside the one that is there */

/* The part of union bpf_attr that makes a uprobe_multi link; newer than Debian 12's <linux/bpf.h>. */
struct multi_link_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t zero;
};

struct attached {
	bool used;         /* else the number is free */
	struct file_id id; /* inode 0: another file has it now */
	int link_fd;       /* multi, or -1 */
	struct bpf_link *links[ELFNOTE_SITES_MAX];
	size_t links_count;
	size_t sites;
};

struct attach {
	struct pushback_bpf *skeleton;
	bool multi;
	struct attached *files; /* by their number, which their cookies have */
	size_t numbers;
	size_t files_count;
	size_t sites_count;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int multi_link(const struct multi_link_attr *attr)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

int attach_try_multi(const char *path, uint64_t offset, pid_t pid)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	struct multi_link_attr attr = {
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)&offset,
		.count = 1,
		.pid = (uint32_t)pid,
	};
	int prog_fd, fd;

	prog_fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, 2, &options);
	if (prog_fd < 0) {
		fd = prog_fd;
	} else {
		attr.prog_fd = (uint32_t)prog_fd;
		fd = multi_link(&attr);
		close(prog_fd);
	}
	/* What a kernel says that knows no such program or link. */
	return fd == -EINVAL ? -ENOTSUP : fd == -EACCES ? -EPERM : fd;
}

/* A link on a directory is refused as no regular file by kernels that have them. */
static bool has_multi(void)
{
	int fd = attach_try_multi("/", 0, 0);

	if (fd >= 0)
		close(fd);
	return fd == -EBADF;
}

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) > 0;
}

/* Settings before load: which programs this kernel can have. */
static int configure(struct attach *a, const struct attach_options *options, char *why)
{
	struct pushback_bpf *s = a->skeleton;
	struct btf *btf = access(BTF_PATH, R_OK) ? NULL : btf__load_vmlinux_btf();
	bool prepare;

	/*
	 * The kernel's process numbers are those of the host. Elsewhere they mean other processes or
	 * none, and each step would seem to be gone.
	 */
	if (!namespaces_pid_is_host()) {
		snprintf(
			why, ATTACH_WHY_SIZE,
			"this container has process numbers of its own: start it with those of the "
			"host (--pid=host, or hostPID: true)");
		btf__free(btf);
		return -ENOTSUP;
	}
	if (!btf) {
		snprintf(why, ATTACH_WHY_SIZE,
			 "this kernel has no BTF (%s): use one built with CONFIG_DEBUG_INFO_BTF",
			 BTF_PATH);
		return -ENOTSUP;
	}
	prepare = has_tracepoint(btf, "btf_trace_sched_prepare_exec");
	btf__free(btf);
	bpf_program__set_autoload(s->progs.pushback_prepare_exec, prepare);
	bpf_program__set_autoload(s->progs.pushback_exec, !prepare);
	bpf_program__set_autoload(s->progs.pushback_new_image, options->tell_execs);
	bpf_map__set_autocreate(s->maps.execs, options->tell_execs);
	s->rodata->filter_processes = options->filter_processes;
	a->multi = !options->no_multi && has_multi();
	if (!a->multi && access(PMU_PATH, F_OK)) {
		snprintf(why, ATTACH_WHY_SIZE,
			 "this kernel has no uprobes (%s): use one built with CONFIG_UPROBE_EVENTS",
			 PMU_PATH);
		return -ENOTSUP;
	}
	if (a->multi)
		bpf_program__set_expected_attach_type(s->progs.pushback_event,
						      (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	return 0;
}

static int not_loaded(int err, char *why)
{
	if (err == -EPERM || err == -EACCES) {
		snprintf(why, ATTACH_WHY_SIZE,
			 "not allowed to load BPF programs: run as root, or with CAP_BPF and "
			 "CAP_PERFMON");
		return -EPERM;
	}
	snprintf(why, ATTACH_WHY_SIZE,
		 "the kernel does not take our BPF programs (%s): --verbose shows its reason",
		 strerror(-err));
	return -ENOTSUP;
}

/* Exits and execs. The event program is attached per file. */
static int follow_processes(struct attach *a)
{
	struct pushback_bpf *s = a->skeleton;

	bpf_program__set_autoattach(s->progs.pushback_event, false);
	return pushback_bpf__attach(s);
}

int attach_new(struct attach **out, const struct attach_options *options, char *why)
{
	struct attach *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		goto no_memory;
	a->skeleton = pushback_bpf__open();
	if (!a->skeleton)
		goto no_memory;
	err = configure(a, options, why);
	if (err)
		goto fail;
	err = pushback_bpf__load(a->skeleton);
	if (!err)
		err = follow_processes(a);
	if (err) {
		err = not_loaded(err, why);
		goto fail;
	}
	*out = a;
	return 0;

no_memory:
	snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	err = -ENOMEM;
fail:
	attach_free(a);
	return err;
}

static void detach(struct attached *file)
{
	size_t i;

	if (!file->used)
		return;
	if (file->link_fd >= 0)
		close(file->link_fd);
	for (i = 0; i < file->links_count; i++)
		bpf_link__destroy(file->links[i]);
}

struct detaching {
	struct attach *attach;
	size_t next; /* of its files; taken by several threads */
};

static void *detach_some(void *arg)
{
	struct detaching *d = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED)) < d->attach->numbers)
		detach(&d->attach->files[i]);
	return NULL;
}

/* Side by side: each waits for the kernel's readers, some 10 to 50 ms, and takes next to no CPU. */
static void detach_all(struct attach *a)
{
	struct detaching d = { .attach = a };
	pthread_t threads[DETACH_THREADS];
	size_t i, count = 0;

	while (count < DETACH_THREADS && count + 1 < a->numbers &&
	       !pthread_create(&threads[count], NULL, detach_some, &d))
		count++;
	detach_some(&d);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

void attach_free(struct attach *a)
{
	if (!a)
		return;
	detach_all(a);
	free(a->files);
	pushback_bpf__destroy(a->skeleton);
	free(a);
}

int attach_number(const struct attach *a, const struct file_id *id)
{
	size_t i;

	for (i = 0; i < a->numbers; i++) {
		const struct attached *file = &a->files[i];

		if (file->used && file->id.dev == id->dev && file->id.inode == id->inode)
			return (int)i;
	}
	return -ENOENT;
}

bool attach_has(const struct attach *a, const struct file_id *id)
{
	return attach_number(a, id) >= 0;
}

void attach_disown(struct attach *a, int number)
{
	a->files[number].id = (struct file_id){ 0 };
}

void attach_drop(struct attach *a, int number)
{
	struct attached *file = &a->files[number];

	detach(file);
	a->files_count--;
	a->sites_count -= file->sites;
	*file = (struct attached){ 0 };
}

/* One that is free, or a new one. -ENOSPC, -ENOMEM. */
static int take_number(struct attach *a)
{
	struct attached *files;
	size_t i;

	for (i = 0; i < a->numbers; i++) {
		if (!a->files[i].used)
			return (int)i;
	}
	if (i == PB_MAX_OBJECTS)
		return -ENOSPC;
	files = realloc(a->files, (i + 1) * sizeof(*files));
	if (!files)
		return -ENOMEM;
	files[i] = (struct attached){ 0 };
	a->files = files;
	a->numbers++;
	return (int)i;
}

static int attach_multi(struct attach *a, const char *path, const struct elfnote *note,
			uint32_t number, struct attached *file)
{
	uint64_t offsets[ELFNOTE_SITES_MAX], semaphores[ELFNOTE_SITES_MAX];
	uint64_t cookies[ELFNOTE_SITES_MAX];
	struct multi_link_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(a->skeleton->progs.pushback_event),
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)offsets,
		.ref_ctr_offsets = (uint64_t)(uintptr_t)semaphores,
		.cookies = (uint64_t)(uintptr_t)cookies,
		.count = (uint32_t)note->sites_count,
	};
	size_t i;
	int fd;

	for (i = 0; i < note->sites_count; i++) {
		offsets[i] = note->sites[i].offset;
		semaphores[i] = note->sites[i].semaphore;
		cookies[i] = PB_COOKIE(number, note->sites[i].probe);
	}
	fd = multi_link(&attr);
	if (fd < 0)
		return fd;
	file->link_fd = fd;
	return 0;
}

static int attach_each(struct attach *a, const char *path, const struct elfnote *note,
		       uint32_t number, struct attached *file)
{
	size_t i;

	for (i = 0; i < note->sites_count; i++) {
		const struct elfnote_site *site = &note->sites[i];
		LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = site->semaphore,
			    .bpf_cookie = PB_COOKIE(number, site->probe));
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			a->skeleton->progs.pushback_event, -1, path, site->offset, &options);

		if (!link)
			return -errno;
		file->links[file->links_count++] = link;
	}
	return 0;
}

static int not_attached(int err, char *why)
{
	if (err == -EPERM || err == -EACCES)
		snprintf(why, ATTACH_WHY_SIZE,
			 "not allowed to attach uprobes: run as root, or with CAP_BPF and "
			 "CAP_PERFMON "
			 "(before Linux 6.6 CAP_SYS_ADMIN)");
	else if (err == -EINVAL)
		snprintf(why, ATTACH_WHY_SIZE,
			 "the kernel refuses the probe sites: does another tool hold them without "
			 "their "
			 "semaphore, or are uprobes disabled (CONFIG_UPROBES)?");
	else
		snprintf(why, ATTACH_WHY_SIZE, "cannot attach to the probe sites: %s",
			 strerror(-err));
	return err == -EACCES ? -EPERM : err;
}

/* A watch that begins after this instant is ours from its beginning. */
static int mark_attach_time(struct attach *a, uint32_t number)
{
	struct pb_object object = { .attached_ns = now_ns() };

	return bpf_map_update_elem(bpf_map__fd(a->skeleton->maps.objects), &number, &object,
				   BPF_ANY);
}

int attach_file(struct attach *a, int fd, const struct file_id *id, const struct elfnote *note,
		char *why)
{
	struct attached file = {
		.used = true, .id = *id, .link_fd = -1, .sites = note->sites_count
	};
	char path[64];
	int err, number;

	if (attach_has(a, id))
		return -EEXIST;
	number = take_number(a);
	if (number == -ENOSPC)
		snprintf(why, ATTACH_WHY_SIZE, "more than %d files: not attached", PB_MAX_OBJECTS);
	else if (number < 0)
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	if (number < 0)
		return number;
	/* The open file, not its path: the path may lead elsewhere by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = mark_attach_time(a, (uint32_t)number);
	if (!err)
		err = a->multi ? attach_multi(a, path, note, (uint32_t)number, &file)
			       : attach_each(a, path, note, (uint32_t)number, &file);
	if (err) {
		detach(&file);
		return not_attached(err, why);
	}
	a->files[number] = file;
	a->files_count++;
	a->sites_count += file.sites;
	return 0;
}

int attach_process(struct attach *a, pid_t pid, char *why)
{
	uint32_t tgid = (uint32_t)pid;
	uint8_t yes = 1;

	if (!bpf_map_update_elem(bpf_map__fd(a->skeleton->maps.targets), &tgid, &yes, BPF_ANY))
		return 0;
	snprintf(why, ATTACH_WHY_SIZE, "cannot add process %d: %s", (int)pid, strerror(errno));
	return -errno;
}

void attach_drop_process(struct attach *a, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid;

	bpf_map_delete_elem(bpf_map__fd(a->skeleton->maps.targets), &tgid);
}

size_t attach_files(const struct attach *a)
{
	return a->files_count;
}

size_t attach_sites(const struct attach *a)
{
	return a->sites_count;
}

bool attach_is_multi(const struct attach *a)
{
	return a->multi;
}

void attach_get_maps(const struct attach *a, struct attach_maps *maps)
{
	maps->steps = bpf_map__fd(a->skeleton->maps.steps);
	maps->hists = bpf_map__fd(a->skeleton->maps.hists);
	maps->processes = bpf_map__fd(a->skeleton->maps.processes);
	maps->deletions = bpf_map__fd(a->skeleton->maps.deletions);
	maps->places = bpf_map__fd(a->skeleton->maps.places);
	maps->losses = bpf_map__fd(a->skeleton->maps.losses);
	maps->changes = bpf_map__fd(a->skeleton->maps.changes);
	maps->execs = bpf_map__autocreate(a->skeleton->maps.execs)
			      ? bpf_map__fd(a->skeleton->maps.execs)
			      : -1;
}
