/* SPDX-License-Identifier: MIT */
/*
 * observer - attaches with the agent's own parts, many times in one process, and looks closely
 *
 *	observer first TIMES no|multi PID...	the first sight of each process's step, per attach
 *	observer join TIMES no|multi PID...	the open episode, per attach
 *
 * One JSON object a line; after each detach one that says what of it is left in the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "attach.h"
#include "drain.h"
#include "reader.h"
#include "watch.h"

#define MS_NS     1000000ull
#define GIVE_UP_S 5.0
#define PIDS_MAX  256

struct pids {
	pid_t pid[PIDS_MAX];
	bool done[PIDS_MAX];
	size_t count;
	size_t left;
};

#define IDS_MAX 256

enum id_kind { ID_LINK, ID_MAP, ID_PROG, ID_KINDS };

struct ids {
	uint32_t id[IDS_MAX];
	enum id_kind kind[IDS_MAX];
	size_t count;
};

struct sight {
	int files; /* open before */
	struct ids ids;
	struct attach *attach;
	struct watch *watch;
	struct attach_maps maps;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* On a machine that is slower by a factor all may take as much longer. */
static uint64_t give_up_ns(void)
{
	const char *patience = getenv("PUSHBACK_TEST_PATIENCE");

	return (uint64_t)(GIVE_UP_S * (patience ? atof(patience) : 1) * 1e9);
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) };

	nanosleep(&t, NULL);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "observer: %s: %s\n", what, why);
	exit(1);
}

/* ---- What is left ---- */

static void read_fdinfo(const char *fd, struct ids *ids)
{
	static const char *const names[ID_KINDS] = { "link_id:", "map_id:", "prog_id:" };
	char path[64], line[256];
	FILE *f;
	int kind;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%.20s", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		for (kind = 0; kind < ID_KINDS && ids->count < IDS_MAX; kind++) {
			size_t length = strlen(names[kind]);

			/* A link's also names its program. */
			if (!strncmp(line, names[kind], length)) {
				ids->kind[ids->count] = (enum id_kind)kind;
				ids->id[ids->count++] = (uint32_t)strtoul(line + length, NULL, 10);
			}
		}
	}
	if (f)
		fclose(f);
}

/* How many files are open; with `ids`, what of the kernel's they are. */
static int open_files(struct ids *ids)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (ids)
			read_fdinfo(entry->d_name, ids);
	}
	if (dir)
		closedir(dir);
	return count;
}

static bool exists(enum id_kind kind, uint32_t id)
{
	int fd = kind == ID_LINK  ? bpf_link_get_fd_by_id(id)
		 : kind == ID_MAP ? bpf_map_get_fd_by_id(id)
				  : bpf_prog_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int count_left(const struct ids *ids)
{
	int left = 0;
	size_t i;

	for (i = 0; i < ids->count; i++)
		left += exists(ids->kind[i], ids->id[i]);
	return left;
}

/* The kernel frees some of it later, on a busy machine by seconds. */
static int left_at_last(const struct ids *ids)
{
	int i, left = 0;

	for (i = 0; i < 2000; i++) {
		left = count_left(ids);
		if (!left)
			break;
		pause_ns(10 * MS_NS);
	}
	return left;
}

/* ---- Observing ---- */

/* Attaches to all; the time just before is when the watch may have begun. */
static uint64_t look(struct sight *s, struct pids *pids, bool no_multi)
{
	struct attach_options options = { .filter_processes = true, .no_multi = no_multi };
	char why[ATTACH_WHY_SIZE] = "";
	uint64_t before;
	size_t i;

	s->ids.count = 0;
	s->files = open_files(NULL);
	if (attach_new(&s->attach, &options, why))
		die("attach_new", why);
	if (attach_is_multi(s->attach) == no_multi)
		die("attach", "not the way that was asked for");
	attach_get_maps(s->attach, &s->maps);
	s->watch = watch_new(s->attach, NULL);
	before = now_ns();
	for (i = 0; i < pids->count; i++) {
		pids->done[i] = false;
		if (attach_process(s->attach, pids->pid[i], why))
			die("attach_process", why);
	}
	for (i = 0; i < pids->count; i++) {
		if (watch_process(s->watch, pids->pid[i], why) < 1)
			die("watch_process", why);
	}
	pids->left = pids->count;
	open_files(&s->ids);
	return before;
}

/* What the kernel side says it has lost. */
static uint64_t lost(const struct sight *s)
{
	struct drain *drain = drain_new(&s->maps);
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; drain && i < PB_LOSSES; i++)
		sum += drain_lost(drain, i);
	drain_free(drain);
	return sum;
}

static void look_away(struct sight *s)
{
	uint64_t losses = lost(s);
	size_t i, links = 0;

	watch_free(s->watch);
	attach_free(s->attach);
	for (i = 0; i < s->ids.count; i++)
		links += s->ids.kind[i] == ID_LINK;
	printf("{\"ids\": %zu, \"links\": %zu, \"left\": %d, \"files\": %d, \"lost\": %" PRIu64
	       "}\n",
	       s->ids.count, links, left_at_last(&s->ids), open_files(NULL) - s->files, losses);
}

/* True the first time that `pid` is seen. */
static bool first_of(struct pids *pids, uint32_t pid)
{
	size_t i;

	for (i = 0; i < pids->count; i++) {
		if ((uint32_t)pids->pid[i] == pid && !pids->done[i]) {
			pids->done[i] = true;
			pids->left--;
			return true;
		}
	}
	return false;
}

static void print_missing(const struct pids *pids)
{
	size_t i;

	for (i = 0; i < pids->count; i++) {
		if (!pids->done[i])
			printf("{\"pid\": %d, \"seen\": false}\n", (int)pids->pid[i]);
	}
}

/* The kernel's entry of a step, as its first event (or those so far) made it. */
static void print_entry(const struct pb_step_key *key, const struct pb_step *e, uint64_t before)
{
	const struct pushback_step *s = &e->now;

	printf("{\"pid\": %u, \"seen\": true, \"events\": %" PRIu64 ", \"beat\": %s, \"open\": %s, "
	       "\"partial\": %s, \"since\": %" PRIu64 ", \"watch_since\": %" PRIu64
	       ", \"attach\": %" PRIu64 ", \"event\": %" PRIu64 ", \"missed\": %" PRIu64 "}\n",
	       key->process.tgid, e->events, s->state & PUSHBACK_BEAT ? "true" : "false",
	       s->state & PUSHBACK_OPEN ? "true" : "false",
	       s->state & PUSHBACK_PARTIAL ? "true" : "false", s->direction[0].since,
	       s->watch_since, before, e->event_ns, e->base.rejected - s->watch_rejected);
}

static void first_sights(const struct sight *s, struct pids *pids, uint64_t before)
{
	struct pb_step_key key, next;
	struct pb_step e;
	bool more = !bpf_map_get_next_key(s->maps.steps, NULL, &next);

	while (more) {
		key = next;
		if (!bpf_map_lookup_elem(s->maps.steps, &key, &e) && e.events &&
		    e.sequence_begin == e.sequence_end && first_of(pids, key.process.tgid))
			print_entry(&key, &e, before);
		more = !bpf_map_get_next_key(s->maps.steps, &key, &next);
	}
}

static void first(struct pids *pids, bool no_multi)
{
	struct sight s;
	uint64_t before = look(&s, pids, no_multi);

	while (pids->left && now_ns() - before < give_up_ns()) {
		first_sights(&s, pids, before);
		pause_ns(2 * MS_NS);
	}
	print_missing(pids);
	look_away(&s);
}

struct join {
	struct pids *pids;
	uint64_t before;
	uint64_t now;
};

static int take_open(const struct record *r, void *context)
{
	struct join *join = context;

	if (r->since[PUSHBACK_SEND] && first_of(join->pids, r->key.process.tgid))
		printf("{\"pid\": %u, \"seen\": true, \"since\": %" PRIu64 ", \"partial\": %s, "
		       "\"after\": %" PRIu64 "}\n",
		       r->key.process.tgid, r->since[PUSHBACK_SEND],
		       r->open_partial[PUSHBACK_SEND] ? "true" : "false", join->now - join->before);
	return 0;
}

static void join(struct pids *pids, bool no_multi)
{
	struct join context = { .pids = pids };
	struct drain *drain;
	struct sight s;

	context.before = look(&s, pids, no_multi);
	drain = drain_new(&s.maps);
	do {
		pause_ns(20 * MS_NS);
		context.now = now_ns();
		if (drain_run(drain, context.now, DRAIN_ALL, take_open, &context))
			die("drain", "failed");
	} while (pids->left && context.now - context.before < give_up_ns());
	print_missing(pids);
	drain_free(drain);
	reader_end();
	look_away(&s);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct pids *pids, bool no_multi);
	} verbs[] = { { "first", first }, { "join", join } };
	struct pids pids = { .count = 0 };
	int times = argc > 4 ? atoi(argv[2]) : 0;
	size_t i;
	int n;

	for (n = 4; n < argc && pids.count < PIDS_MAX; n++)
		pids.pid[pids.count++] = atoi(argv[n]);
	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (argc < 2 || strcmp(argv[1], verbs[i].name))
			continue;
		for (n = 0; n < times; n++)
			verbs[i].run(&pids, !strcmp(argv[3], "no"));
		return times ? 0 : 2;
	}
	return 2;
}
