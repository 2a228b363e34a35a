/* SPDX-License-Identifier: MIT */
#include "doctor_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "denied.h"
#include "doctor_hits.h"
#include "doctor_process.h"
#include "doctor_site.h"
#include "doctor_worst.h"
#include "elfnote_text.h"
#include "mapped_open.h"
#include "namespaces.h"
#include "target.h"

/* usdt-inject's are for other tracers: a recipe reads what a function returns without them. */
#define PROBES_ADVICE                                                                       \
	"build it with include/pushback.h, or watch it by a recipe, which pushback recipe " \
	"suggest "                                                                          \
	"%s drafts; usdt-inject adds probes for other tracers"

/* ---- Finding it ---- */

static size_t notes_of(const struct elfnote *note)
{
	return note->sites_count + note->dead + note->duplicate + note->unknown + note->malformed +
	       note->too_many;
}

/* Takes `fd`, also on failure. */
static int add_file(struct doctor_target *t, const struct doctor_file *file)
{
	struct doctor_file *files = realloc(t->files, (t->files_count + 1) * sizeof(*files));

	if (files) {
		t->files = files;
		files[t->files_count] = *file;
		files[t->files_count].path = strdup(file->path);
		if (files[t->files_count].path) {
			t->files_count++;
			return 0;
		}
	}
	close(file->fd);
	return -ENOMEM;
}

static int add_pid(struct doctor_target *t, pid_t pid)
{
	pid_t *pids = realloc(t->pids, (t->pids_count + 1) * sizeof(*pids));

	if (!pids)
		return -ENOMEM;
	t->pids = pids;
	pids[t->pids_count++] = pid;
	return 0;
}

static int collect_file(struct mapped_file *mapped, void *context)
{
	struct doctor_file file = { .id = mapped->id };
	struct doctor_target *t = context;
	int err = elfnote_read(mapped->fd, &file.note);

	if (err == -ENOMEM)
		return err;
	if (err || !notes_of(&file.note))
		return 0;
	file.fd = mapped->fd;
	mapped->fd = -1;
	/* The scan's path is gone after the call; add_file() keeps a copy. */
	file.path = (char *)mapped->path;
	return add_file(t, &file);
}

static bool is_the_file(const struct file_id *id, void *context)
{
	const struct doctor_target *t = context;

	return id->dev == t->files[0].id.dev && id->inode == t->files[0].id.inode;
}

static int collect_pid(struct mapped_file *mapped, void *context)
{
	return add_pid(context, mapped->pid);
}

int doctor_target_process(struct doctor_target **out, pid_t pid, char *why, size_t why_size)
{
	struct doctor_target *t = calloc(1, sizeof(*t));
	int err = -ENOMEM;

	if (t) {
		t->pid = pid;
		t->start_time = discover_start_time(pid);
		err = add_pid(t, pid);
	}
	if (!err)
		err = discover_is_running(pid, t->start_time) ? 0 : -ESRCH;
	if (!err)
		err = discover_process(pid, NULL, collect_file, t, &t->skipped);
	if (err) {
		doctor_target_free(t);
		return target_explain_process(pid, err, why, why_size);
	}
	*out = t;
	return 0;
}

static int open_file(struct doctor_target *t, const char *path, char *why, size_t why_size)
{
	struct doctor_file file = { .path = (char *)path };
	int err;

	file.fd = target_open(path, &file.id, why, why_size);
	if (file.fd < 0)
		return file.fd;
	mapped_identity(file.fd, &file.id.dev, &file.id.inode);
	err = elfnote_read(file.fd, &file.note);
	if (err) {
		target_explain(path, err, &file.note, why, why_size);
		close(file.fd);
		return err;
	}
	err = add_file(t, &file);
	if (err)
		snprintf(why, why_size, "out of memory");
	return err;
}

int doctor_target_file(struct doctor_target **out, const char *path, char *why, size_t why_size)
{
	struct doctor_target *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	err = open_file(t, path, why, why_size);
	if (!err) {
		err = discover_all(is_the_file, collect_pid, t, &t->skipped);
		if (err)
			snprintf(why, why_size, "cannot look through /proc: %s", strerror(-err));
	}
	if (err) {
		doctor_target_free(t);
		return err;
	}
	*out = t;
	return 0;
}

void doctor_target_free(struct doctor_target *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->files_count; i++) {
		free(t->files[i].path);
		close(t->files[i].fd);
	}
	free(t->files);
	free(t->pids);
	free(t);
}

/* ---- Looking at it ---- */

static void check_process(struct finding *f, const struct doctor_target *t)
{
	struct doctor_process process;
	char name[16] = "?";

	discover_name(t->pid, name, sizeof(name));
	if (doctor_process_read(t->pid, &process)) {
		finding_warn(f, "%d has ended meanwhile", (int)t->pid);
		return;
	}
	finding_ok(f, "%d, %s, %s", (int)t->pid, name, doctor_process_state(process.state));
	if (process.state == 'T' || process.state == 't')
		f->level = FINDING_WARNING;
}

static void check_container(struct finding *f, const struct doctor_target *t)
{
	char id[80];

	if (discover_container_id(t->pid, id, sizeof(id)))
		finding_ok(f, "none");
	else
		finding_ok(f, "%s", id);
}

static void check_namespaces(struct finding *f, const struct doctor_target *t)
{
	static const char *const kinds[] = { "mnt", "pid", "user" };
	size_t i, others = 0;

	finding_ok(f, "others than ours: ");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int is_ours = namespaces_is_ours(t->pid, kinds[i]);

		if (is_ours < 0) {
			finding_warn(f, "cannot be told (%s)", strerror(-is_ours));
			finding_advise(f, "%s", denied_why());
			return;
		}
		if (!is_ours)
			finding_add(f, "%s%s", others++ ? ", " : "", kinds[i]);
	}
	if (!others)
		finding_ok(f, "ours: mnt, pid, user");
}

static void check_processes(struct finding *f, const struct doctor_target *t)
{
	size_t i;

	if (!t->pids_count) {
		finding_warn(f, "none maps it now");
		finding_advise(f, "start the consumer, or is it another copy that runs? see "
				  "pushback list");
	} else {
		finding_ok(f, "%zu map%s it now:", t->pids_count, t->pids_count == 1 ? "s" : "");
		for (i = 0; i < t->pids_count && i < 8; i++)
			finding_add(f, " %d", (int)t->pids[i]);
		if (i < t->pids_count)
			finding_add(f, " ...");
	}
	if (!t->skipped)
		return;
	finding_add(f, "; not looked into: %zu", t->skipped);
	if (!t->pids_count)
		finding_advise(f,
			       "start the consumer; if it runs, it may be among those not looked "
			       "into: %s",
			       denied_why());
}

static void check_probes(struct finding *f, const struct doctor_file *file)
{
	const struct elfnote *note = &file->note;
	char id[2 * ELFNOTE_BUILD_ID_MAX + 1], text[ELFNOTE_TEXT_SIZE];

	if (!note->sites_count) {
		finding_fail(f, "%s: none that can be attached", file->path);
		finding_advise(f, PROBES_ADVICE, file->path);
	} else {
		finding_ok(f, "%s: %zu sites, probes: %s, build-id %s", file->path,
			   note->sites_count, elfnote_text_probes(note, text, sizeof(text)),
			   elfnote_text_build_id(note, sizeof(id), id, sizeof(id)));
	}
	if (notes_of(note) == note->sites_count)
		return;
	finding_add(f, "; notes passed over: %s", elfnote_text_skipped(note, text, sizeof(text)));
	/* Linkers leave dead ones behind, and copies. The others are lost probes. */
	if (f->level == FINDING_OK && (note->unknown || note->malformed || note->too_many)) {
		f->level = FINDING_WARNING;
		finding_advise(f, "is it newer than this pushback, or damaged?");
	}
}

static bool is_same_build(const struct elfnote *a, const struct elfnote *b)
{
	return a->build_id_size && a->build_id_size == b->build_id_size &&
	       !memcmp(a->build_id, b->build_id, a->build_id_size);
}

/* The file that is at its path now is another one. */
static void judge_other(struct finding *f, const struct doctor_file *file, int fd)
{
	char ours[2 * ELFNOTE_BUILD_ID_MAX + 1], theirs[2 * ELFNOTE_BUILD_ID_MAX + 1];
	struct elfnote note;
	int err = elfnote_read(fd, &note);

	if (!err && is_same_build(&file->note, &note))
		finding_warn(f, "%s was replaced by a copy of the same build", file->path);
	else
		finding_warn(
			f, "%s was replaced: it runs build-id %s, on disk is %s", file->path,
			elfnote_text_build_id(&file->note, sizeof(ours), ours, sizeof(ours)),
			err ? "something else"
			    : elfnote_text_build_id(&note, sizeof(theirs), theirs, sizeof(theirs)));
	finding_advise(f, "--pid and --all see it, --path does not; restart it to run what is on "
			  "disk");
}

void doctor_target_check_mapping(struct finding *f, pid_t pid, const struct doctor_file *file)
{
	int fd = mapped_open_now(pid, file->path);
	uint64_t dev, inode;

	if (fd == -EACCES || fd == -EPERM) {
		finding_warn(f, "%s cannot be compared with the file on disk (%s)", file->path,
			     strerror(-fd));
		finding_advise(f, "%s", denied_why());
	} else if (fd < 0) {
		finding_warn(f, "%s is not on disk any more", file->path);
		finding_advise(f, "--pid and --all see it, --path does not");
	} else if (!mapped_identity(fd, &dev, &inode)) {
		finding_warn(f, "%s cannot be compared with the file on disk", file->path);
	} else if (dev == file->id.dev && inode == file->id.inode) {
		finding_ok(f, "%s is the file on disk", file->path);
	} else {
		judge_other(f, file, fd);
	}
	if (fd >= 0)
		close(fd);
}

/* ---- In order ---- */

struct examination {
	const struct doctor_target *t;
	finding_fn tell;
	void *context;
	size_t sites;
};

static void tell(const struct examination *e, const struct finding *f)
{
	e->tell(f, e->context);
}

static void judge_process(struct finding *f, pid_t pid, const void *context)
{
	const struct doctor_file *file = (const struct doctor_file *)context;
	struct doctor_sites sites;

	doctor_sites_read(&sites, pid, &file->id, &file->note);
	doctor_sites_judge(f, &sites);
}

static void examine_sites(const struct examination *e, const struct doctor_file *file)
{
	const struct doctor_pids pids = { e->t->pids, e->t->pids_count, e->t->pid > 0 };
	struct finding worst = { .check = "sites" };

	if (doctor_worst(&worst, &pids, judge_process, file))
		tell(e, &worst);
}

static void examine_file(struct examination *e, const struct doctor_file *file)
{
	struct finding f = { .check = "probes" };

	check_probes(&f, file);
	tell(e, &f);
	if (e->t->pid) {
		f = (struct finding){ .check = "mapping" };
		doctor_target_check_mapping(&f, e->t->pid, file);
		tell(e, &f);
	}
	if (!file->note.sites_count)
		return;
	e->sites += file->note.sites_count;
	examine_sites(e, file);
}

static const struct {
	const char *name;
	void (*check)(struct finding *f, const struct doctor_target *t);
	bool of_process; /* else of a file that was given */
} checks[] = {
	{ "process", check_process, true },
	{ "container", check_container, true },
	{ "namespaces", check_namespaces, true },
	{ "processes", check_processes, false },
};

static void tell_no_probes(const struct examination *e)
{
	struct finding f = { .check = "probes" };
	char exe[32];

	finding_fail(&f, "process %d maps no file with pushback probes", (int)e->t->pid);
	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)e->t->pid);
	finding_advise(&f, PROBES_ADVICE, exe);
	if (e->t->skipped) {
		finding_add(&f, "; %zu of its files could not be opened", e->t->skipped);
		finding_advise(&f, "%s, or " PROBES_ADVICE, denied_why(), exe);
	}
	tell(e, &f);
}

void doctor_target_examine(const struct doctor_target *t, const struct doctor_options *options,
			   finding_fn fn, void *context)
{
	struct examination e = { .t = t, .tell = fn, .context = context };
	struct finding hits = { .check = "hits" };
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding f = { .check = checks[i].name };

		if (checks[i].of_process != (t->pid > 0))
			continue;
		checks[i].check(&f, t);
		tell(&e, &f);
	}
	for (i = 0; i < t->files_count; i++)
		if (!options->by_recipe || notes_of(&t->files[i].note))
			examine_file(&e, &t->files[i]);
	if (!t->files_count && !options->by_recipe)
		tell_no_probes(&e);
	if (!e.sites)
		return;
	if (options->for_ns) {
		doctor_hits_check(&hits, t, options->for_ns, options->no_multi);
	} else {
		finding_warn(&hits, "not attached: that could stop this host");
		finding_advise(&hits, "see panic_on_warn");
	}
	tell(&e, &hits);
}
