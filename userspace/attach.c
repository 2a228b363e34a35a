/* SPDX-License-Identifier: MIT */
/*
 * attach.c - see attach.h
 *
 * One uprobe_multi link per file where the kernel has it, else one perf uprobe per site.
 */
#include "attach.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "attach_internal.h"
#include "function_link.h"
#include "kernel_lacks.h"
#include "multi_link.h"
#include "namespaces.h"
#include "pinned.h"
#include "recipe_sites.h"

/* The skeleton holds the object as one string, longer than C11 promises. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "pushback.skel.h"
#pragma GCC diagnostic pop

#define BTF_PATH       "/sys/kernel/btf/vmlinux"
#define PMU_PATH       "/sys/bus/event_source/devices/uprobe/type"
#define KPROBE_PATH    "/sys/bus/event_source/devices/kprobe/type"
#define DETACH_THREADS 15 /* beside the one that is there */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool has_function(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/*
 * Which programs follow a process's end. Tracepoints at which its memory is still there came with Linux
 * 6.10 and 6.16 (with a type of their own); before, the functions that let go of it.
 */
static void configure_ends(struct pushback_bpf *s, const struct btf *btf)
{
	bool links = function_link_exists(btf);
	bool kprobes = links || !access(KPROBE_PATH, F_OK);
	bool prepare =
		btf__find_by_name_kind(btf, "btf_trace_sched_prepare_exec", BTF_KIND_TYPEDEF) > 0;
	bool late = btf__find_by_name_kind(btf, "trace_event_raw_sched_process_exit",
					   BTF_KIND_STRUCT) < 0;
	bool letting_go = late && kprobes && has_function(btf, "exit_mm_release");

	bpf_program__set_autoload(s->progs.pushback_prepare_exec, prepare);
	bpf_program__set_autoload(s->progs.pushback_exec, !prepare);
	bpf_program__set_autoload(s->progs.pushback_exec_memory,
				  !prepare && kprobes && has_function(btf, "exec_mm_release"));
	bpf_program__set_autoload(s->progs.pushback_exit_memory, letting_go);
	/*
	 * Not both: a thread that has let go of the memory finds that none lives any more also while the last
	 * one is still on its way there, and would read nothing.
	 */
	bpf_program__set_autoload(s->progs.pushback_exit, !letting_go);
	if (!links)
		return;
	function_link_configure(s->progs.pushback_exec_memory);
	function_link_configure(s->progs.pushback_exit_memory);
}

/*
 * -EACCES is also what the verifier says of a program that it refuses, and -EPERM what kernels before 5.11 say
 * of memory for maps above RLIMIT_MEMLOCK.
 */
static int not_loaded(int err, const struct attach_options *options, char *why)
{
	char lacks[KERNEL_LACKS_SIZE];
	int missing = kernel_lacks(options->recipes, lacks);

	/* Before permission: it is known only to who may try. */
	if (missing > 0) {
		snprintf(why, ATTACH_WHY_SIZE, "this kernel lacks %s: use one that has %s", lacks,
			 missing > 1 ? "them" : "it");
	} else if (err == -EPERM || missing == -EPERM) {
		snprintf(why, ATTACH_WHY_SIZE,
			 "not allowed to load BPF programs: run as root, or with CAP_BPF and "
			 "CAP_PERFMON");
		return -EPERM;
	} else {
		snprintf(why, ATTACH_WHY_SIZE,
			 "the kernel does not take our BPF programs (%s): --verbose shows its "
			 "reason",
			 strerror(-err));
	}
	return -ENOTSUP;
}

static int refuse_pin(const struct attach_options *options, char *why)
{
	if (!options->no_multi && attach_try_multi("/", 0, 0) == -EPERM)
		return not_loaded(-EPERM, options, why);
	snprintf(why, ATTACH_WHY_SIZE,
		 "--pin needs uprobe_multi links, which %s: run without --pin",
		 options->no_multi ? "--no-multi does without"
				   : "this kernel does not have (Linux 6.6)");
	return -ENOTSUP;
}

static void configure_trace(struct pushback_bpf *s, bool wanted)
{
	s->rodata->tracing = wanted;
	bpf_map__set_autocreate(s->maps.closes, wanted);
	bpf_map__set_autocreate(s->maps.closes_untold, wanted);
	bpf_map__set_autocreate(s->maps.traces, wanted);
	bpf_map__set_autocreate(s->maps.zero_trace, wanted);
}

/* Settings before load: which programs this kernel can have. */
static int configure(struct attach *a, const struct attach_options *options, char *why)
{
	struct pushback_bpf *s = a->skeleton;
	struct btf *btf = access(BTF_PATH, R_OK) ? NULL : btf__load_vmlinux_btf();

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
	configure_ends(s, btf);
	btf__free(btf);
	bpf_program__set_autoload(s->progs.pushback_new_image, options->tell_execs);
	bpf_program__set_autoattach(s->progs.pushback_new_image, !options->pin_dir);
	bpf_map__set_autocreate(s->maps.execs, options->tell_execs);
	s->rodata->filter_processes = options->filter_processes;
	s->rodata->each_exec = options->each_exec;
	s->rodata->count_hits = options->pauses;
	s->rodata->tally = a->tally = options->tally;
	bpf_map__set_autocreate(s->maps.tallies, options->tally);
	configure_trace(s, options->trace);
	a->multi = !options->no_multi && multi_link_exists();
	if (options->pin_dir && !a->multi)
		return refuse_pin(options, why);
	if (!a->multi && access(PMU_PATH, F_OK)) {
		snprintf(why, ATTACH_WHY_SIZE,
			 "this kernel has no uprobes (%s): use one built with CONFIG_UPROBE_EVENTS",
			 PMU_PATH);
		return -ENOTSUP;
	}
	if (a->multi)
		bpf_program__set_expected_attach_type(s->progs.pushback_event,
						      (enum bpf_attach_type)MULTI_LINK_TYPE);
	attach_recipe_configure(a, options->recipes);
	return 0;
}

static int follow_function(struct bpf_program *program, struct bpf_link **link)
{
	bpf_program__set_autoattach(program, false);
	if (!bpf_program__autoload(program))
		return 0;
	*link = function_link_attach(program);
	return *link ? 0 : -errno;
}

/* Exits and execs. The event program is attached per file. */
static int follow_processes(struct attach *a)
{
	struct pushback_bpf *s = a->skeleton;
	int err;

	bpf_program__set_autoattach(s->progs.pushback_event, false);
	err = follow_function(s->progs.pushback_exec_memory, &s->links.pushback_exec_memory);
	if (!err)
		err = follow_function(s->progs.pushback_exit_memory,
				      &s->links.pushback_exit_memory);
	return err ? err : pushback_bpf__attach(s);
}

/* What stands for the code of all programs. */
static int open_state(struct attach *a, const char *dir, char *why)
{
	size_t size;
	const void *code = pushback_bpf__elf_bytes(&size);

	return attach_open_state(a, dir, code, size, why);
}

static int event_fd(const struct attach *a)
{
	int fd = a->pinned ? pinned_event(a->pinned) : -1;

	return fd < 0 ? bpf_program__fd(a->skeleton->progs.pushback_event) : fd;
}

/* News for this agent only, so it ends with it where all else stays. */
static int follow_execs(struct attach *a, const struct attach_options *options, char *why)
{
	struct pushback_bpf *s = a->skeleton;

	s->links.pushback_new_image = bpf_program__attach(s->progs.pushback_new_image);
	return s->links.pushback_new_image ? 0 : not_loaded(-errno, options, why);
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
	a->object = a->skeleton->obj;
	a->pauses = options->pauses;
	err = configure(a, options, why);
	if (!err && options->pin_dir)
		err = open_state(a, options->pin_dir, why);
	if (err)
		goto fail;
	err = pushback_bpf__load(a->skeleton);
	if (!err && !a->pinned)
		err = follow_processes(a);
	if (err) {
		err = not_loaded(err, options, why);
		goto fail;
	}
	if (a->pinned)
		err = attach_take_over(a, why);
	if (!err && a->pinned && options->tell_execs)
		err = follow_execs(a, options, why);
	if (err)
		goto fail;
	*out = a;
	return 0;

no_memory:
	snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	err = -ENOMEM;
fail:
	attach_free(a);
	return err;
}

void attach_unlink(struct attached *file)
{
	size_t i;

	if (file->link_fd >= 0)
		close(file->link_fd);
	file->link_fd = -1;
	for (i = 0; i < file->links_count; i++)
		bpf_link__destroy(file->links[i]);
	file->links_count = 0;
}

void attach_detach(struct attach *a, struct attached *file)
{
	attach_unlink(file);
	attach_recipe_free(a, file->recipe);
	attach_again_free(file->again);
}

struct detaching {
	struct attach *attach;
	size_t next; /* of its files; taken by several threads */
};

static void *detach_some(void *arg)
{
	struct detaching *d = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED)) < d->attach->files_count)
		attach_detach(d->attach, &d->attach->files[i]);
	return NULL;
}

/* Side by side: each waits for the kernel's readers, some 10 to 50 ms, and takes next to no CPU. */
static void detach_all(struct attach *a)
{
	struct detaching d = { .attach = a };
	pthread_t threads[DETACH_THREADS];
	size_t i, count = 0;

	while (count < DETACH_THREADS && count + 1 < a->files_count &&
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
	pinned_close(a->pinned);
	pushback_bpf__destroy(a->skeleton);
	free(a);
}

static struct attached *find(const struct attach *a, const struct file_id *id)
{
	size_t i;

	for (i = 0; i < a->files_count; i++) {
		struct attached *file = &a->files[i];

		if (file->sites && !file->disowned && file->id.dev == id->dev &&
		    file->id.inode == id->inode)
			return file;
	}
	return NULL;
}

bool attach_has(const struct attach *a, const struct file_id *id)
{
	return find(a, id);
}

int attach_number(const struct attach *a, const struct file_id *id)
{
	const struct attached *file = find(a, id);

	return file ? (int)(file - a->files) : -ENOENT;
}

void attach_disown(struct attach *a, int number)
{
	a->files[number].disowned = true;
	if (a->pinned)
		pinned_disown_file(a->pinned, (uint32_t)number);
}

void attach_drop(struct attach *a, int number)
{
	struct attached *file = &a->files[number];

	if (a->pinned)
		pinned_drop_file(a->pinned, (uint32_t)number);
	attach_detach(a, file);
	a->sites_count -= file->sites;
	*file = (struct attached){ .link_fd = -1 };
}

static int attach_multi(struct attach *a, const char *path, const struct elfnote *note,
			size_t number, struct attached *file)
{
	uint64_t offsets[ELFNOTE_SITES_MAX], semaphores[ELFNOTE_SITES_MAX];
	uint64_t cookies[ELFNOTE_SITES_MAX];
	struct multi_link_attr attr = {
		.prog_fd = (uint32_t)event_fd(a),
		.attach_type = MULTI_LINK_TYPE,
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
	fd = multi_link_new(&attr);
	if (fd < 0)
		return fd;
	file->link_fd = fd;
	return 0;
}

static int attach_each(struct attach *a, const char *path, const struct elfnote *note,
		       size_t number, struct attached *file)
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

static int not_attached(int err, bool recipe, char *why)
{
	if (recipe && err == -ENOSPC)
		snprintf(why, ATTACH_WHY_SIZE,
			 "recipes name more than %d functions and probes in all files: not "
			 "attached; leave some of them to another run",
			 PB_MAX_RULES);
	else if (err == -EPERM || err == -EACCES)
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
int attach_mark(const struct attach *a, size_t number, bool partly)
{
	uint32_t key = (uint32_t)number;
	struct pb_object object = { .attached_ns = now_ns(), .partly = partly };

	return bpf_map_update_elem(bpf_map__fd(a->skeleton->maps.objects), &key, &object, BPF_ANY);
}

int attach_arm(const struct attach *a, size_t number, bool armed)
{
	int fd = bpf_map__fd(a->skeleton->maps.objects);
	uint32_t key = (uint32_t)number;
	struct pb_object object;

	if (bpf_map_lookup_elem(fd, &key, &object))
		return -errno;
	object.armed = armed;
	return bpf_map_update_elem(fd, &key, &object, BPF_ANY) ? -errno : 0;
}

/* The open file, not its path: the path may lead elsewhere by now. */
int attach_make_link(struct attach *a, int fd, const struct elfnote *note, size_t number,
		     struct attached *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return a->multi ? attach_multi(a, path, note, number, file)
			: attach_each(a, path, note, number, file);
}

static int attach_at(struct attach *a, size_t number, int fd, const struct file_id *id,
		     const struct elfnote *note, const struct recipe_sites *recipe, char *why)
{
	struct attached file = { .id = *id, .link_fd = -1, .sites = note->sites_count };
	struct attached *slot = attach_slot(a, number);
	int err = 0;

	if (!slot) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return -ENOMEM;
	}
	file.hash = attach_hash(note);
	if (!slot->sites || slot->hash != file.hash)
		err = attach_mark(a, number, false);
	if (!err && note->sites_count)
		err = a->pinned ? attach_make_pinned_link(a, fd, note, number, slot->sites, &file)
				: attach_make_link(a, fd, note, number, &file);
	if (!err && recipe)
		err = attach_recipe(a, fd, recipe, number, &file.recipe);
	if (!err && recipe)
		err = attach_arm(a, number, true);
	if (!err && recipe)
		file.sites += recipe->sites_count;
	if (!err && a->pauses)
		file.again = attach_again_new(fd, note);
	if (err) {
		attach_detach(a, &file);
		return not_attached(err, recipe != NULL, why);
	}
	a->sites_count += file.sites - slot->sites;
	attach_detach(a, slot);
	*slot = file;
	return 0;
}

int attach_file(struct attach *a, int fd, const struct file_id *id, const struct elfnote *note,
		const struct recipe_sites *recipe, char *why)
{
	struct attached *known = find(a, id);
	size_t number;

	/* Who maps the other inode goes on with the link that is there. */
	if (known && !attach_is_there(known, fd, note)) {
		attach_disown(a, (int)(known - a->files));
		known = NULL;
	}
	number = known ? (size_t)(known - a->files) : attach_free_number(a);
	if (known)
		known->unasked = false;
	if (known && attach_is_right(a, known, note))
		return -EEXIST;
	if (number >= PB_MAX_OBJECTS) {
		snprintf(why, ATTACH_WHY_SIZE, "more than %d files: not attached", PB_MAX_OBJECTS);
		return -ENOSPC;
	}
	return attach_at(a, number, fd, id, note, recipe, why);
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
	size_t count = 0;

	for (size_t i = 0; i < a->files_count; i++)
		count += a->files[i].sites != 0;
	return count;
}

size_t attach_sites(const struct attach *a)
{
	return a->sites_count;
}

bool attach_is_multi(const struct attach *a)
{
	return a->multi;
}

/* -1: it is not made. */
static int fd_of(const struct bpf_map *map)
{
	return bpf_map__autocreate(map) ? bpf_map__fd(map) : -1;
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
	maps->execs = fd_of(a->skeleton->maps.execs);
	maps->closes = fd_of(a->skeleton->maps.closes);
	maps->closes_untold = fd_of(a->skeleton->maps.closes_untold);
	maps->traces = fd_of(a->skeleton->maps.traces);
}
