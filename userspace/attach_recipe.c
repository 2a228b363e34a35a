/* SPDX-License-Identifier: MIT */
/*
 * attach_recipe.c - sites that recipes name, in one file
 *
 * One uprobe_multi link for each kind of hit where the kernel has them, else one perf uprobe per site.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "attach_internal.h"
#include "multi_link.h"
#include "recipe_sites.h"

#define MULTI_RETURN 1 /* BPF_F_UPROBE_MULTI_RETURN, since Linux 6.6 */

struct attached_recipe {
	int fds[RECIPE_HITS]; /* multi, or -1 */
	struct bpf_link **links;
	size_t links_count;
	uint32_t first_rule;
	uint32_t rules_count;
	struct pb_rule *rules;
	struct recipe_site *sites;
	size_t sites_count;
};

static const struct {
	const char *program;
	bool at_return;
} hits[RECIPE_HITS] = {
	[RECIPE_ENTER] = { "pushback_enter", false },
	[RECIPE_LEAVE] = { "pushback_leave", false },
	[RECIPE_JUMP] = { "pushback_jump", false },
	[RECIPE_LEAVE_RETURN] = { "pushback_leave", true },
	[RECIPE_ALL] = { "pushback_site", false },
};

static struct bpf_program *program_of(const struct attach *a, enum recipe_hit hit)
{
	return bpf_object__find_program_by_name(a->object, hits[hit].program);
}

void attach_recipe_configure(struct attach *a, bool wanted)
{
	for (int hit = 0; hit < RECIPE_HITS; hit++) {
		struct bpf_program *program = program_of(a, (enum recipe_hit)hit);

		bpf_program__set_autoload(program, wanted);
		bpf_program__set_autoattach(program, false);
		if (a->multi)
			bpf_program__set_expected_attach_type(
				program, (enum bpf_attach_type)MULTI_LINK_TYPE);
	}
}

/* ---- Rules ---- */

static int rules_fd(const struct attach *a)
{
	return bpf_object__find_map_fd_by_name(a->object, "rules");
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The first of as many numbers in a row that nobody has. */
static uint32_t free_rules(const struct attach *a, uint32_t count)
{
	uint32_t first = 0;
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < a->files_count; i++) {
			const struct attached_recipe *r = a->files[i].recipe;

			if (!r || r->first_rule >= first + count ||
			    first >= r->first_rule + r->rules_count)
				continue;
			first = r->first_rule + r->rules_count;
			again = true;
		}
	}
	return first;
}

static int write_rules(const struct attach *a, const struct attached_recipe *r, bool partly)
{
	for (uint32_t i = 0; i < r->rules_count; i++) {
		struct pb_rule rule = r->rules[i];
		uint32_t number = r->first_rule + i;

		rule.attached_ns = now_ns();
		rule.flags |= partly ? PB_RULE_PARTLY : 0;
		if (bpf_map_update_elem(rules_fd(a), &number, &rule, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* ---- Tallies ---- */

static int tallies_fd(const struct attach *a)
{
	return bpf_object__find_map_fd_by_name(a->object, "tallies");
}

static uint64_t cookie_of(const struct attached_recipe *r, size_t i)
{
	const struct recipe_site *site = &r->sites[i];

	return PB_SITE_COOKIE(i, r->first_rule + site->rule, recipe_site_costs(site), site->below);
}

static int make_tallies(const struct attach *a, const struct attached_recipe *r)
{
	const struct pb_tally none = { 0 };

	for (size_t i = 0; a->tally && i < r->sites_count; i++) {
		uint32_t key = PB_COOKIE_TALLY(cookie_of(r, i));

		if (bpf_map_update_elem(tallies_fd(a), &key, &none, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* ---- Jumps ---- */

static int jumps_fd(const struct attach *a)
{
	return bpf_object__find_map_fd_by_name(a->object, "jumps");
}

static int write_jumps(const struct attach *a, const struct attached_recipe *r)
{
	for (size_t i = 0; i < r->sites_count; i++) {
		uint32_t key = PB_COOKIE_TALLY(cookie_of(r, i));

		if (r->sites[i].hit == RECIPE_JUMP &&
		    bpf_map_update_elem(jumps_fd(a), &key, &r->sites[i].to, BPF_ANY))
			return -errno;
	}
	return 0;
}

static void delete_jumps(const struct attach *a, const struct attached_recipe *r)
{
	for (size_t i = 0; i < r->sites_count; i++) {
		uint32_t key = PB_COOKIE_TALLY(cookie_of(r, i));

		if (r->sites[i].hit == RECIPE_JUMP)
			bpf_map_delete_elem(jumps_fd(a), &key);
	}
}

int attach_tallies(const struct attach *a, int number, struct pb_tally *out, size_t count)
{
	const struct attached_recipe *r = a->files[number].recipe;

	if (!r || !a->tally || count != r->sites_count)
		return -ENOENT;
	for (size_t i = 0; i < count; i++) {
		uint32_t key = PB_COOKIE_TALLY(cookie_of(r, i));

		if (bpf_map_lookup_elem(tallies_fd(a), &key, &out[i]))
			return -errno;
	}
	return 0;
}

/* ---- Links ---- */

/* As the kernel wants them; room for all of a file. */
struct arrays {
	uint64_t offsets[RECIPE_SITES_MAX];
	uint64_t semaphores[RECIPE_SITES_MAX];
	uint64_t cookies[RECIPE_SITES_MAX];
	uint32_t count;
	bool semaphore; /* one has it */
};

static void gather(struct arrays *arrays, const struct attached_recipe *r, enum recipe_hit hit)
{
	arrays->count = 0;
	arrays->semaphore = false;
	for (size_t i = 0; i < r->sites_count; i++) {
		const struct recipe_site *site = &r->sites[i];

		if (site->hit != hit)
			continue;
		arrays->offsets[arrays->count] = site->offset;
		arrays->semaphores[arrays->count] = site->semaphore;
		arrays->semaphore |= site->semaphore != 0;
		arrays->cookies[arrays->count++] = cookie_of(r, i);
	}
}

static int attach_multi(const struct attach *a, const char *path, const struct arrays *arrays,
			enum recipe_hit hit, struct attached_recipe *r)
{
	struct multi_link_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(program_of(a, hit)),
		.attach_type = MULTI_LINK_TYPE,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)arrays->offsets,
		.ref_ctr_offsets = arrays->semaphore ? (uint64_t)(uintptr_t)arrays->semaphores : 0,
		.cookies = (uint64_t)(uintptr_t)arrays->cookies,
		.count = arrays->count,
		.multi_flags = hits[hit].at_return ? MULTI_RETURN : 0,
	};

	r->fds[hit] = multi_link_new(&attr);
	return r->fds[hit] < 0 ? r->fds[hit] : 0;
}

static int attach_each(const struct attach *a, const char *path, const struct arrays *arrays,
		       enum recipe_hit hit, struct attached_recipe *r)
{
	struct bpf_link **links =
		realloc(r->links, (r->links_count + arrays->count) * sizeof(struct bpf_link *));

	if (!links)
		return -ENOMEM;
	r->links = links;
	for (uint32_t i = 0; i < arrays->count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = arrays->semaphores[i],
			    .bpf_cookie = arrays->cookies[i], .retprobe = hits[hit].at_return);
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			program_of(a, hit), -1, path, arrays->offsets[i], &options);

		if (!link)
			return -errno;
		links[r->links_count++] = link;
	}
	return 0;
}

/* Returns first: a call that is entered in between is one that was under way. */
static int attach_hits_of(const struct attach *a, int fd, struct attached_recipe *r)
{
	struct arrays *arrays = malloc(sizeof(*arrays));
	int err = arrays ? 0 : -ENOMEM;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int hit = RECIPE_HITS - 1; !err && hit >= 0; hit--) {
		gather(arrays, r, (enum recipe_hit)hit);
		if (!arrays->count)
			continue;
		err = a->multi ? attach_multi(a, path, arrays, (enum recipe_hit)hit, r)
			       : attach_each(a, path, arrays, (enum recipe_hit)hit, r);
	}
	free(arrays);
	return err;
}

void attach_recipe_pause(struct attached_recipe *r)
{
	for (int hit = 0; r && hit < RECIPE_HITS; hit++) {
		if (r->fds[hit] >= 0)
			close(r->fds[hit]);
		r->fds[hit] = -1;
	}
	for (size_t i = 0; r && i < r->links_count; i++)
		bpf_link__destroy(r->links[i]);
	if (r)
		r->links_count = 0;
}

int attach_recipe_resume(struct attach *a, int fd, struct attached_recipe *r, bool partly)
{
	int err = r ? write_rules(a, r, partly) : 0;

	if (r && !err)
		err = attach_hits_of(a, fd, r);
	if (err)
		attach_recipe_pause(r);
	return err;
}

/* ---- All of it ---- */

/* What the caller's are: numbers in them count from the first rule on. */
static bool copy(struct attached_recipe *r, const struct recipe_sites *sites, size_t number)
{
	r->rules = calloc(sites->rules_count, sizeof(*r->rules));
	r->sites = malloc(sites->sites_count * sizeof(*r->sites));
	if (!r->rules || !r->sites)
		return false;
	for (size_t i = 0; i < sites->rules_count; i++) {
		r->rules[i] = sites->rules[i].rule;
		r->rules[i].object = (uint32_t)number;
	}
	memcpy(r->sites, sites->sites, sites->sites_count * sizeof(*r->sites));
	r->sites_count = sites->sites_count;
	return true;
}

int attach_recipe(struct attach *a, int fd, const struct recipe_sites *sites, size_t number,
		  struct attached_recipe **out)
{
	struct attached_recipe *r = calloc(1, sizeof(*r));
	int err = r && copy(r, sites, number) ? 0 : -ENOMEM;

	for (int hit = 0; r && hit < RECIPE_HITS; hit++)
		r->fds[hit] = -1;
	if (!err) {
		r->rules_count = (uint32_t)sites->rules_count;
		r->first_rule = free_rules(a, r->rules_count);
		err = r->first_rule + r->rules_count > PB_MAX_RULES ? -ENOSPC : 0;
	}
	if (!err)
		err = make_tallies(a, r);
	if (!err)
		err = write_jumps(a, r);
	if (!err)
		err = attach_recipe_resume(a, fd, r, false);
	if (err)
		attach_recipe_free(a, r);
	else
		*out = r;
	return err;
}

void attach_recipe_free(struct attach *a, struct attached_recipe *r)
{
	if (!r)
		return;
	attach_recipe_pause(r);
	delete_jumps(a, r);
	for (uint32_t i = 0; i < r->rules_count; i++) {
		uint32_t number = r->first_rule + i;

		bpf_map_delete_elem(rules_fd(a), &number);
	}
	free(r->links);
	free(r->rules);
	free(r->sites);
	free(r);
}
