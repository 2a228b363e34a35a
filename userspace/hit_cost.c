/* SPDX-License-Identifier: MIT */
#include "hit_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "doctor_child.h"
#include "doctor_own.h"
#include "pushback.h"
#include "recipe_value.h"

/* What is usual counts, the median of short rounds: some are disturbed, and the fastest is a lucky one. */
#define ROUNDS 41
#define CALLS  50

/* Each a function of its own, so that each has its own probes; none crosses a page. */
#if defined(__x86_64__)
#define BODY(name)     \
	"	push %rbp\n" \
	"	pop %rbp\n"  \
	".globl " name "_end\n.hidden " name "_end\n" name "_end:\n	ret\n"
#define CALL_PUSHES 8
#else
#define BODY(name)  "	nop\n.globl " name "_end\n.hidden " name "_end\n" name "_end:\n	ret\n"
#define CALL_PUSHES 0
#endif
#define FUNCTION(name)                                                                   \
	".pushsection .text\n.balign 64\n.globl " name "\n.hidden " name "\n.type " name \
	", @function\n" name ":\n" BODY(name) ".size " name ", . - " name "\n.popsection\n"

__asm__(FUNCTION("hit_cost_enter"));
__asm__(FUNCTION("hit_cost_leave"));
__asm__(FUNCTION("hit_cost_return"));

extern PUSHBACK_HIDDEN long hit_cost_enter(void *instance);
extern PUSHBACK_HIDDEN long hit_cost_leave(void *instance);
extern PUSHBACK_HIDDEN long hit_cost_return(void *instance);
extern PUSHBACK_HIDDEN const char hit_cost_leave_end[];

/* Not what others take meanwhile: a host with a consumer that lags is often a busy one. */
static uint64_t worked_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- In the child ---- */

enum command { ENTER, LEAVE, RETURN, EVENT, COMMANDS };

static struct pushback_step step = PUSHBACK_STEP_INIT("cost");

static void call(char command)
{
	switch ((enum command)command) {
	case ENTER:
		hit_cost_enter(&step);
		break;
	case LEAVE:
		hit_cost_leave(&step);
		break;
	case RETURN:
		hit_cost_return(&step);
		break;
	default:
		pushback_fire_submit_return(&step, step.name, PUSHBACK_ACCEPTED, step.accepted,
					    step.rejected, 0);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void time_calls(char command, void *answer)
{
	uint64_t took[ROUNDS];

	/* The step becomes one that is watched. */
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t began = worked_ns();

		for (int i = 0; i < CALLS; i++)
			call(command);
		took[round] = (worked_ns() - began) / CALLS;
	}
	qsort(took, ROUNDS, sizeof(*took), by_size);
	memcpy(answer, &took[ROUNDS / 2], sizeof(*took));
}

/* ---- In ours ---- */

#define CODE(function) ((const void *)(uintptr_t)(function))

static int locate(const void *address, uint64_t *offset, char *why)
{
	int err = doctor_own_offset(address, offset);

	if (err)
		snprintf(why, ATTACH_WHY_SIZE, "cannot find our own code in /proc/self/maps: %s",
			 strerror(-err));
	return err;
}

static void add_rule(struct recipe_sites *sites, uint32_t number)
{
	struct recipe_value instance, result;
	struct pb_rule *rule = &sites->rules[sites->rules_count++].rule;

	*rule = (struct pb_rule){ .kind = PB_RULE_SUBMIT,
				  .step = number,
				  .ranges_count = 1,
				  .otherwise = PUSHBACK_ACCEPTED,
				  .name = "cost" };
	rule->ranges[0] = (struct pb_range){ 1, 1, PUSHBACK_REJECTED, 0 };
	recipe_value_parse("arg1", &instance);
	recipe_value_parse("return", &result);
	recipe_value_bind(&instance, NULL, &rule->instance);
	recipe_value_bind(&result, NULL, &rule->result);
}

static int add_site(struct recipe_sites *sites, enum recipe_hit hit, const void *address, char *why)
{
	struct recipe_site *site = &sites->sites[sites->sites_count++];

	*site = (struct recipe_site){ .hit = hit,
				      .rule = (uint32_t)sites->rules_count - 1,
				      .below = hit == RECIPE_LEAVE_RETURN ? -CALL_PUSHES : 0 };
	return locate(address, &site->offset, why);
}

static int make_sites(struct recipe_sites *sites, char *why)
{
	int err;

	add_rule(sites, 0);
	err = add_site(sites, RECIPE_ENTER, CODE(hit_cost_enter), why);
	add_rule(sites, 1);
	if (!err)
		err = add_site(sites, RECIPE_ENTER, CODE(hit_cost_leave), why);
	if (!err)
		err = add_site(sites, RECIPE_LEAVE, hit_cost_leave_end, why);
	add_rule(sites, 2);
	if (!err)
		err = add_site(sites, RECIPE_ENTER, CODE(hit_cost_return), why);
	if (!err)
		err = add_site(sites, RECIPE_LEAVE_RETURN, CODE(hit_cost_return), why);
	return err;
}

static int make_note(struct elfnote *note, char *why)
{
	struct elfnote_site *site = &note->sites[note->sites_count++];
	int err = locate(CODE(pushback_fire_submit_return), &site->offset, why);

	site->probe = PB_PROBE_SUBMIT_RETURN;
	return err ? err : locate(&pushback_semaphore, &site->semaphore, why);
}

static int attach_own(struct attach *a, char *why)
{
	const struct file_id id = { .inode = 1 };
	struct recipe_sites *sites = calloc(1, sizeof(*sites));
	struct elfnote note = { 0 };
	int fd = open(DOCTOR_OWN_PATH, O_RDONLY | O_CLOEXEC), err = 0;

	if (!sites || fd < 0) {
		err = sites ? -errno : -ENOMEM;
		snprintf(why, ATTACH_WHY_SIZE, "cannot open our own executable: %s",
			 strerror(-err));
	}
	if (!err)
		err = make_sites(sites, why);
	if (!err)
		err = make_note(&note, why);
	if (!err)
		err = attach_file(a, fd, &id, &note, sites, why);
	if (fd >= 0)
		close(fd);
	free(sites);
	return err;
}

static int ask(struct doctor_child *child, enum command command, uint64_t *ns, char *why)
{
	int err = doctor_child_ask(child, (char)command, ns);

	if (err)
		snprintf(why, ATTACH_WHY_SIZE,
			 "a process to measure a hit's cost on did not answer (%s)",
			 strerror(-err));
	return err;
}

static uint64_t more(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static int ask_all(struct doctor_child *child, struct hit_cost *out, char *why)
{
	uint64_t ns[COMMANDS];
	int err = 0;

	for (int command = 0; !err && command < COMMANDS; command++)
		err = ask(child, (enum command)command, &ns[command], why);
	if (err)
		return err;
	out->ns[PB_HIT_EMULATED] = ns[ENTER];
	out->ns[PB_HIT_STEPPED] = more(ns[LEAVE], ns[ENTER]);
	out->ns[PB_HIT_RETURN] = more(ns[RETURN], ns[ENTER]);
	out->ns[PB_HIT_OWN] = ns[EVENT];
	return 0;
}

int hit_cost_measure(struct hit_cost *out, char *why)
{
	struct attach_options options = { .filter_processes = true,
					  .recipes = true,
					  .pauses = true };
	struct doctor_child child = { 0 };
	struct attach *a = NULL;
	int err = doctor_child_start(&child, time_calls, sizeof(uint64_t));

	*out = (struct hit_cost){ 0 };
	if (err)
		snprintf(why, ATTACH_WHY_SIZE,
			 "cannot start a process to measure a hit's cost on: %s", strerror(-err));
	if (!err)
		err = attach_new(&a, &options, why);
	if (!err)
		err = attach_process(a, child.pid, why);
	if (!err)
		err = attach_own(a, why);
	if (!err)
		err = ask_all(&child, out, why);
	doctor_child_end(&child);
	attach_free(a);
	return err;
}

uint64_t hit_cost_of(const struct hit_cost *cost, const struct recipe_site *site)
{
	return cost->ns[recipe_site_costs(site)];
}
