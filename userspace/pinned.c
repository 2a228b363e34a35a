/* SPDX-License-Identifier: MIT */
#include "pinned.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "attach.h"
#include "function_link.h"
#include "pin_dir.h"
#include "pushback_abi.h"

#define MAGIC 0x706c6c65636e6176u
/* Not yet in its place. The file system has no names with a dot. */
#define FRESH     "new_"
#define SAID_MOST 2

/* Map `info`. */
struct info {
	uint64_t magic;
	uint32_t whole;      /* all pins have been there */
	uint32_t remembered; /* something was stored */
	uint64_t program;
};

struct pinned {
	struct pin_dir dir;
	struct info info;
	uint64_t program; /* of the object */
	int info_fd, files_fd;
	int event_fd;
	bool old, missed;
	char said[SAID_MOST][PIN_DIR_SIZE];
	size_t said_count;
};

static void __attribute__((format(printf, 2, 3))) say(struct pinned *p, const char *format, ...)
{
	va_list args;

	if (p->said_count == SAID_MOST)
		return;
	va_start(args, format);
	vsnprintf(p->said[p->said_count++], sizeof(p->said[0]), format, args);
	va_end(args);
}

static int explain(const struct pinned *p, const char *what, int err, char *why)
{
	snprintf(why, ATTACH_WHY_SIZE, "cannot %s in %.300s: %s", what, p->dir.path,
		 strerror(-err));
	return err == -EACCES ? -EPERM : err;
}

/* ---- Pins ---- */

static int pin_get(const struct pinned *p, const char *name)
{
	char path[PIN_DIR_SIZE];
	int fd = bpf_obj_get(pin_dir_path(&p->dir, name, path));

	return fd < 0 ? -errno : fd;
}

/* In the place of the one that is there. */
static int pin_put(const struct pinned *p, int fd, const char *name)
{
	char path[PIN_DIR_SIZE], fresh[128];
	int err;

	snprintf(fresh, sizeof(fresh), FRESH "%.100s", name);
	err = pin_dir_remove(&p->dir, fresh);
	if (!err && bpf_obj_pin(fd, pin_dir_path(&p->dir, fresh, path)))
		err = -errno;
	return err ? err : pin_dir_rename(&p->dir, fresh, name);
}

static const char *name_of(char name[128], const char *kind, const char *what)
{
	snprintf(name, 128, "%s_%.100s", kind, what);
	return name;
}

static bool has_pin(const struct pinned *p, const char *name)
{
	int fd = pin_get(p, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int map_new(const struct pinned *p, const char *name, enum bpf_map_type type,
		   uint32_t value_size, uint32_t entries, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int fd = bpf_map_create(type, name, sizeof(uint32_t), value_size, entries, &options), err;

	if (fd < 0)
		return -errno;
	err = pin_put(p, fd, name);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* ---- What is there ---- */

static int write_info(struct pinned *p)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(p->info_fd, &zero, &p->info, BPF_ANY) ? -errno : 0;
}

/* Whether a map of ours is as `map` would be. */
static bool is_alike(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

static bool is_value(int fd, uint32_t value_size)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.key_size == sizeof(uint32_t) &&
	       info.value_size == value_size;
}

void pinned_refuse(const struct pinned *p, const char *reason, char *why)
{
	char command[PIN_DIR_SIZE];

	snprintf(why, ATTACH_WHY_SIZE, "the state in %.200s %s: '%.200s' removes it", p->dir.path,
		 reason, pin_dir_command(p->dir.base, command, sizeof(command)));
}

/* Neither what comes with the programs nor what this agent does without. */
static bool is_made(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) && bpf_map__autocreate(map);
}

/* Not what an agent hears of at the moment. */
static bool is_kept(const struct bpf_map *map)
{
	return is_made(map) && bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF;
}

/* Not those that the caller attaches. */
static bool is_followed(const struct bpf_program *program, const char *event)
{
	return bpf_program__autoload(program) && bpf_program__autoattach(program) &&
	       strcmp(bpf_program__name(program), event);
}

/* What is missing of the state, NULL if nothing is. */
static const char *find_missing(struct pinned *p, struct bpf_object *object)
{
	struct bpf_map *map;
	char name[128];

	/* clang-format off */
	bpf_object__for_each_map(map, object) {
		if (is_made(map) && !has_pin(p, name_of(name, "map", bpf_map__name(map))))
			return bpf_map__name(map);
	}
	/* clang-format on */
	p->files_fd = pin_get(p, "files");
	if (p->files_fd < 0)
		return "files";
	if (p->info.remembered && !has_pin(p, "memory"))
		return "memory";
	return NULL;
}

static int take_maps(struct pinned *p, struct bpf_object *object, char *why)
{
	struct bpf_map *map;
	char name[128];
	int err = 0;

	bpf_object__for_each_map(map, object)
	{
		int fd;

		if (!is_kept(map))
			continue;
		fd = pin_get(p, name_of(name, "map", bpf_map__name(map)));
		if (fd < 0)
			return explain(p, "open a map", fd, why);
		if (!is_alike(fd, map)) {
			pinned_refuse(p, "is another version's (its maps have another layout)",
				      why);
			err = -EEXIST;
		} else if (bpf_map__reuse_fd(map, fd)) {
			err = explain(p, "take over a map", -errno, why);
		}
		close(fd);
		if (err)
			return err;
	}
	if (is_value(p->files_fd, sizeof(struct pinned_file)))
		return 0;
	pinned_refuse(p, "is another version's (it knows files otherwise)", why);
	return -EEXIST;
}

/* Those of the state, if it has all of them. */
static void take_programs(struct pinned *p, struct bpf_object *object, const char *event)
{
	bool same = p->info.program == p->program;
	struct bpf_program *program;
	char pin[128];

	p->event_fd = pin_get(p, "event");
	p->missed = p->event_fd < 0;
	bpf_object__for_each_program(program, object)
	{
		name_of(pin, "link", bpf_program__name(program));
		p->missed |= is_followed(program, event) && !has_pin(p, pin);
	}
	if (same && !p->missed) {
		bpf_object__for_each_program(program,
					     object) if (bpf_program__autoattach(program) ||
							 !strcmp(bpf_program__name(program), event))
			bpf_program__set_autoload(program, false);
		return;
	}
	if (p->event_fd >= 0)
		close(p->event_fd);
	p->event_fd = -1;
}

/* Whatever is there is no state: nothing was counted in it, or not all of it can be read. */
static int begin_state(struct pinned *p, char *why)
{
	int err = pin_dir_clear(&p->dir, "");

	if (err < 0)
		return explain(p, "remove what is left", err, why);
	p->info = (struct info){ .magic = MAGIC };
	p->info_fd = map_new(p, "info", BPF_MAP_TYPE_ARRAY, sizeof(struct info), 1, 0);
	p->files_fd = map_new(p, "files", BPF_MAP_TYPE_HASH, sizeof(struct pinned_file),
			      PB_MAX_OBJECTS, BPF_F_NO_PREALLOC);
	if (p->info_fd < 0 || p->files_fd < 0)
		return explain(p, "pin", p->info_fd < 0 ? p->info_fd : p->files_fd, why);
	err = write_info(p);
	return err ? explain(p, "write", err, why) : 0;
}

/* 1: it is to be begun. */
static int find_state(struct pinned *p, struct bpf_object *object, char *why)
{
	uint32_t zero = 0;
	const char *missing;

	p->info_fd = pin_get(p, "info");
	if (p->info_fd == -ENOENT)
		return 1;
	if (p->info_fd < 0)
		return explain(p, "open a pin", p->info_fd, why);
	if (!is_value(p->info_fd, sizeof(p->info)) ||
	    bpf_map_lookup_elem(p->info_fd, &zero, &p->info) || p->info.magic != MAGIC) {
		pinned_refuse(p, "is another version's", why);
		return -EEXIST;
	}
	pin_dir_clear(&p->dir, FRESH);
	missing = p->info.whole ? find_missing(p, object) : "";
	if (!missing)
		return take_maps(p, object, why);
	if (*missing)
		say(p,
		    "the state in %.300s is not whole (no %s): begun anew, what was not sent is "
		    "lost",
		    p->dir.path, missing);
	return 1;
}

int pinned_open(struct pinned **out, struct bpf_object *object, const char *event, uint64_t program,
		const char *dir, char *why)
{
	struct pinned *p = calloc(1, sizeof(*p));
	int err;

	if (!p) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return -ENOMEM;
	}
	*p = (struct pinned){ .program = program, .info_fd = -1, .files_fd = -1, .event_fd = -1 };
	err = pin_dir_open(&p->dir, dir, why, ATTACH_WHY_SIZE);
	if (!err && p->dir.mounted)
		say(p, "mounted a bpf file system at %.300s", p->dir.base);
	if (!err)
		err = find_state(p, object, why);
	if (!err) {
		p->old = true;
		take_programs(p, object, event);
	} else if (err > 0) {
		err = begin_state(p, why);
	}
	if (err)
		pinned_close(p);
	else
		*out = p;
	return err;
}

void pinned_close(struct pinned *p)
{
	if (!p)
		return;
	if (p->info_fd >= 0)
		close(p->info_fd);
	if (p->files_fd >= 0)
		close(p->files_fd);
	if (p->event_fd >= 0)
		close(p->event_fd);
	pin_dir_close(&p->dir);
	free(p);
}

/* ---- Programs ---- */

static int pin_maps(struct pinned *p, struct bpf_object *object)
{
	struct bpf_map *map;
	char name[128];
	int err = 0;

	/* clang-format off */
	bpf_object__for_each_map(map, object) {
		if (!err && is_made(map))
			err = pin_put(p, bpf_map__fd(map), name_of(name, "map", bpf_map__name(map)));
	}
	/* clang-format on */
	return err;
}

/* Its link takes the place of the one of the former code: what both see counts once. */
static int pin_link(struct pinned *p, const struct bpf_program *program)
{
	struct bpf_link *link = function_link_attach(program);
	char name[128];
	int err;

	if (!link)
		return -errno;
	err = pin_put(p, bpf_link__fd(link), name_of(name, "link", bpf_program__name(program)));
	/* Of a kprobe libbpf would switch the perf event off: its descriptor stays with this agent. */
	if (!err && bpf_program__type(program) == BPF_PROG_TYPE_KPROBE) {
		close(bpf_link__fd(link));
		bpf_link__disconnect(link);
	}
	bpf_link__destroy(link);
	return err;
}

int pinned_attach(struct pinned *p, struct bpf_object *object, const char *event, char *why)
{
	struct bpf_program *program;
	int err = 0;

	if (p->event_fd >= 0)
		return 0;
	if (!p->old)
		err = pin_maps(p, object);
	bpf_object__for_each_program(program, object)
	{
		if (!err && !strcmp(bpf_program__name(program), event))
			err = pin_put(p, bpf_program__fd(program), "event");
		else if (!err && is_followed(program, event))
			err = pin_link(p, program);
	}
	p->info.whole = 1;
	p->info.program = p->program;
	if (!err)
		err = write_info(p);
	return err ? explain(p, "attach and pin", err, why) : 0;
}

bool pinned_is_old(const struct pinned *p)
{
	return p->old;
}

bool pinned_has_missed(const struct pinned *p)
{
	return p->missed;
}

const char *pinned_said(const struct pinned *p, size_t i)
{
	return i < p->said_count ? p->said[i] : NULL;
}

int pinned_event(const struct pinned *p)
{
	return p->event_fd;
}

/* ---- Files ---- */

static const char *file_name(char name[128], uint32_t number)
{
	snprintf(name, 128, "file_%u", number);
	return name;
}

int pinned_each_file(struct pinned *p, pinned_file_fn *fn, void *context)
{
	uint32_t key, next;
	bool more = !bpf_map_get_next_key(p->files_fd, NULL, &next);
	struct pinned_file file;
	char name[128];
	int err = 0;

	while (!err && more) {
		int link;

		key = next;
		more = !bpf_map_get_next_key(p->files_fd, &key, &next);
		if (bpf_map_lookup_elem(p->files_fd, &key, &file))
			continue;
		link = pin_get(p, file_name(name, key));
		if (link < 0)
			bpf_map_delete_elem(p->files_fd, &key);
		p->missed |= link < 0 && file.attached;
		err = fn(key, &file, link < 0 ? -1 : link, context);
	}
	return err;
}

int pinned_begin_file(struct pinned *p, uint32_t number, struct pinned_file *file)
{
	file->program = p->program;
	return bpf_map_update_elem(p->files_fd, &number, file, BPF_ANY) ? -errno : 0;
}

int pinned_end_file(struct pinned *p, uint32_t number, struct pinned_file *file, int link)
{
	char name[128];
	int err = pin_put(p, link, file_name(name, number));

	if (err)
		return err;
	file->attached = 1;
	return pinned_begin_file(p, number, file);
}

void pinned_drop_file(struct pinned *p, uint32_t number)
{
	char name[128];

	bpf_map_delete_elem(p->files_fd, &number);
	pin_dir_remove(&p->dir, file_name(name, number));
}

void pinned_disown_file(struct pinned *p, uint32_t number)
{
	struct pinned_file file;

	if (bpf_map_lookup_elem(p->files_fd, &number, &file))
		return;
	file.disowned = 1;
	bpf_map_update_elem(p->files_fd, &number, &file, BPF_EXIST);
}

/* ---- Memory ---- */

/* One page an entry. */
static int store_in(int fd, const void *data, size_t size, size_t whole)
{
	void *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	memcpy(memory, data, size);
	munmap(memory, whole);
	return 0;
}

int pinned_store(struct pinned *p, const void *data, size_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page;
	int err, fd;

	if (!pin_dir_is_there(&p->dir))
		return -ESTALE;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "memory", sizeof(uint32_t), (uint32_t)page,
			    (uint32_t)pages, &options);
	if (fd < 0)
		return -errno;
	err = store_in(fd, data, size, pages * page);
	if (!err)
		err = pin_put(p, fd, "memory");
	close(fd);
	if (err || p->info.remembered)
		return err;
	p->info.remembered = 1;
	return write_info(p);
}

static int recall_from(int fd, void **data, size_t *size)
{
	struct bpf_map_info info = { 0 };
	uint32_t info_size = sizeof(info);
	void *memory;

	if (bpf_obj_get_info_by_fd(fd, &info, &info_size))
		return -errno;
	*size = (size_t)info.value_size * info.max_entries;
	memory = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*data = malloc(*size);
	if (*data)
		memcpy(*data, memory, *size);
	munmap(memory, *size);
	return *data ? 0 : -ENOMEM;
}

int pinned_recall(struct pinned *p, void **data, size_t *size)
{
	int err, fd = pin_get(p, "memory");

	*data = NULL;
	*size = 0;
	if (fd < 0)
		return fd == -ENOENT && !p->info.remembered ? 0 : fd;
	err = recall_from(fd, data, size);
	close(fd);
	return err;
}
