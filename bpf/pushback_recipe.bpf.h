/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * pushback_recipe.bpf.h - sites of others: functions, or foreign USDT probes, that a recipe names
 *
 * Such a hit has an outcome and no more. The state machine of pushback.h runs here, on the struct in the
 * step's entry; every episode is told. A function is hit twice, as it is entered and where it returns. In
 * between, its frame is on a stack of the thread's, so that what it submits meanwhile is known to be
 * handed on by it. Part of pushback.bpf.c, in a file of its own.
 */
#ifndef PUSHBACK_RECIPE_BPF_H
#define PUSHBACK_RECIPE_BPF_H

#ifdef __TARGET_ARCH_x86
#define STACK_POINTER(ctx) PT_REGS_SP(ctx)
#define REGS_SIZE          sizeof(struct pt_regs)
#else
#define STACK_POINTER(ctx) (((const struct user_pt_regs *)(ctx))->sp)
#define REGS_SIZE          sizeof(struct user_pt_regs)
#endif

/* Where it points as the function is entered, wherever in it the site is. */
static __always_inline __u64 stack_at_entry(struct pt_regs *ctx, __u64 cookie)
{
	return STACK_POINTER(ctx) + (__s32)cookie;
}

/* ---- Tallies ---- */

const volatile bool tally = false;

static __always_inline struct pb_tally *tally_of(__u64 cookie)
{
	__u32 number = PB_COOKIE_TALLY(cookie);

	return tally ? bpf_map_lookup_elem(&tallies, &number) : NULL;
}

static __always_inline void tally_hit(__u64 cookie)
{
	struct pb_tally *t = tally_of(cookie);

	if (t)
		__sync_fetch_and_add(&t->hits, 1);
}

static __always_inline void tally_outcome(__u64 cookie, __u32 outcome)
{
	struct pb_tally *t = tally_of(cookie);

	if (t && outcome >= PB_OUTCOME_UNKNOWN)
		__sync_fetch_and_add(&t->unknown, 1);
	else if (t)
		__sync_fetch_and_add(
			&t->outcomes[outcome < PUSHBACK_INVALID ? outcome : PUSHBACK_INVALID], 1);
}

static __always_inline void lose_source(__u64 cookie)
{
	struct pb_tally *t = tally_of(cookie);

	if (t)
		__sync_fetch_and_add(&t->unread, 1);
	lose(PB_LOSS_SOURCE_UNREAD, 1);
}

/* ---- Values ---- */

/* Non-zero: it cannot be read. */
static __always_inline int read_register(struct pt_regs *ctx, const struct pb_source *s, void *out)
{
	__u32 at = s->at;

	if (at > REGS_SIZE - sizeof(__u64))
		return 1;
	return bpf_probe_read_kernel(out, sizeof(__u64), (void *)ctx + at);
}

/* Of a value in that register, or where it points. */
static __noinline int read_value(const struct pb_source *s, __u64 value, __u64 *out)
{
	__u32 width, shift;

	if (!s || !out)
		return 1;
	width = s->width;
	if (!width || width > sizeof(value))
		return 1;
	if (s->kind == PB_SOURCE_MEMORY) {
		__u64 where = value + s->offset;

		value = 0;
		barrier_var(width);
		if (width > sizeof(value) || bpf_probe_read_user(&value, width, (void *)where))
			return 1;
	}
	shift = 64 - 8 * width;
	value <<= shift & 63;
	*out = s->is_signed ? (__u64)((__s64)value >> (shift & 63)) : value >> (shift & 63);
	return 0;
}

static __noinline int read_source(struct pt_regs *ctx, const struct pb_source *s, __u64 *out)
{
	__u64 value = 0;

	if (!s || !out)
		return 1;
	*out = s->offset;
	if (s->kind == PB_SOURCE_CONSTANT)
		return 0;
	if (s->kind == PB_SOURCE_NONE || read_register(ctx, s, &value))
		return 1;
	return read_value(s, value, out);
}

static __always_inline int outcome_of(const struct pb_rule *rule, __u64 value)
{
	__u64 bias = rule->result.is_signed ? 1ull << 63 : 0;
	__u32 i;

	value ^= bias;
	for (i = 0; i < PB_MAX_RANGES && i < rule->ranges_count; i++) {
		const struct pb_range *range = &rule->ranges[i];

		if (value >= (range->low ^ bias) && value <= (range->high ^ bias))
			return range->outcome;
	}
	return rule->otherwise;
}

/*
 * Whatever the layout of a Rust result: it holds the message again exactly if that was refused, at its
 * beginning or, where it has a tag, behind a tag of 0.
 */
static __noinline int is_handed_back(const struct pb_frame *frame, __u64 result)
{
	__u64 words[4] = {};

	if (!frame || bpf_probe_read_user(words, sizeof(words), (void *)result))
		return 0;
	if (words[0] == frame->words[0] && words[1] == frame->words[1] &&
	    words[2] == frame->words[2])
		return 1;
	return !words[0] && words[1] == frame->words[0] && words[2] == frame->words[1] &&
	       words[3] == frame->words[2];
}

/* ---- Steps ---- */

static __always_inline struct pb_rule *rule_of(__u32 number)
{
	return bpf_map_lookup_elem(&rules, &number);
}

/* What this site means, which was just hit; NULL: it is none of ours, or of a process that is not meant. */
static __always_inline struct pb_rule *hit_rule(__u64 cookie)
{
	struct pb_object *object;
	struct pb_rule *rule;
	__u32 number;

	if (!is_target())
		return NULL;
	rule = rule_of(PB_COOKIE_RULE(cookie));
	if (!rule)
		return NULL;
	number = rule->object;
	if (count_hits)
		count_hit(number, PB_COOKIE_HIT(cookie));
	/* Sites come one after the other: what one step counts and the next does not yet would not add up. */
	object = bpf_map_lookup_elem(&objects, &number);
	if (!object || !object->armed)
		return NULL;
	tally_hit(cookie);
	return rule;
}

/* At its first hit. What it did before we were there is not known, unless its process is younger. */
static __always_inline void introduce_foreign(struct pb_step *e, const struct pb_step_key *key,
					      const struct pb_rule *rule, __u64 now)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;

	bpf_core_read_str(e->comm, sizeof(e->comm), &leader->comm);
	__builtin_memcpy(e->now.name, rule->name, sizeof(e->now.name));
	e->now.magic = PUSHBACK_STEP_MAGIC;
	e->now.version = PUSHBACK_STEP_VERSION;
	e->now.size = sizeof(e->now);
	e->now.instance = key->instance;
	e->now.watch_since = now;
	e->object = rule->object;
	if (rule->flags & PB_RULE_PARTLY)
		e->flags |= PB_STEP_PARTLY;
	e->seen_ns = now;
	if (key->process.start_time < rule->attached_ns)
		e->now.state = PUSHBACK_UNKNOWN | PUSHBACK_UNKNOWN << 1;
}

static __always_inline __u64 next_instance(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&instances, &zero);

	return PB_FOREIGN | (count ? __sync_fetch_and_add(count, 1) + 1 : 0);
}

/* The entry of the step at `place`, made if there is none; NULL with the loss counted. */
static __noinline struct pb_step *foreign_step(struct pb_step_key *key, __u64 place,
					       const struct pb_rule *rule)
{
	struct pb_place_key place_key = {};
	struct pb_step *e;
	__u64 *lives;

	if (!key || !rule)
		return NULL;
	process_of(bpf_get_current_task_btf(), &key->process);
	place_key.process = key->process;
	place_key.place = place;
	lives = bpf_map_lookup_elem(&places, &place_key);
	if (lives) {
		key->instance = *lives;
		e = bpf_map_lookup_elem(&steps, key);
		if (e && !(e->flags & PB_STEP_DEAD))
			return e;
	}
	key->instance = next_instance();
	e = step_new(key, place);
	if (e)
		introduce_foreign(e, key, rule, bpf_ktime_get_ns());
	return e;
}

/*
 * ---- What a hit tells ----
 *
 * Not static, so that the verifier looks at each once, and not again at every call with all that it knows
 * there: a trace's part in them is too much for that.
 */

static __always_inline void told(struct pb_step *e, const struct pb_step_key *key, __u64 now)
{
	e->event_ns = now;
	e->now.fired = now;
	e->events++;
	trace_step(e, key, now, 0);
	sample(e, key, PUSHBACK_SEND);
	sample(e, key, PUSHBACK_RECEIVE);
}

static __always_inline void turn(struct pb_step *e, __u32 direction, __u32 edge, __u64 now)
{
	e->now.state &= ~((PUSHBACK_SAMPLE | PUSHBACK_PARTED) * 3);
	if (edge == PUSHBACK_NO_EDGE)
		return;
	/* There is no firing to be spared: none is folded. */
	e->now.bound = 0;
	pushback_turn(&e->now, direction, edge == PUSHBACK_OPENS, now);
}

__noinline int tell_outcome(__u64 place, const struct pb_rule *rule, __u32 direction, __u32 outcome)
{
	__u64 now = bpf_ktime_get_ns();
	struct pb_step_key key = {};
	struct pb_step *e;

	if (!rule || direction > PUSHBACK_RECEIVE)
		return 0;
	e = foreign_step(&key, place, rule);
	if (!e)
		return 0;
	write_begin(e);
	turn(e, direction, pushback_count(&e->now, direction, outcome), now);
	told(e, &key, now);
	write_end(e);
	return 0;
}

__noinline int tell_ready(__u64 place, const struct pb_rule *rule, __u32 ready)
{
	__u64 now = bpf_ktime_get_ns();
	struct pb_step_key key = {};
	struct pb_step *e;

	if (!rule)
		return 0;
	e = foreign_step(&key, place, rule);
	if (!e)
		return 0;
	write_begin(e);
	turn(e, PUSHBACK_SEND, pushback_ready(&e->now, ready), now);
	told(e, &key, now);
	write_end(e);
	return 0;
}

__noinline int tell_next(__u64 place, const struct pb_rule *rule, __u64 next, __u32 refused)
{
	struct pb_step_key key = {};
	struct pb_step *e;

	if (!rule)
		return 0;
	e = foreign_step(&key, place, rule);
	if (e)
		learn_next(e, &key, next, refused);
	return 0;
}

static __noinline int tell_end(__u64 place)
{
	struct pb_place_key place_key = {};
	__u64 now = bpf_ktime_get_ns();
	struct pb_step_key key = {};
	struct pb_step *e;
	__u64 *lives;

	process_of(bpf_get_current_task_btf(), &key.process);
	place_key.process = key.process;
	place_key.place = place;
	lives = bpf_map_lookup_elem(&places, &place_key);
	if (!lives)
		return 0;
	key.instance = *lives;
	e = bpf_map_lookup_elem(&steps, &key);
	if (!e || e->flags & PB_STEP_DEAD)
		return 0;
	write_begin(e);
	turn(e, PUSHBACK_SEND, PUSHBACK_NO_EDGE, now);
	pushback_abandon(&e->now, now);
	e->now.state |= PUSHBACK_ENDED;
	told(e, &key, now);
	end_step(e, &key);
	write_end(e);
	return 0;
}

/* ---- Calls ---- */

static __always_inline struct pb_thread *thread_of(bool make)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct pb_thread *thread = bpf_map_lookup_elem(&threads, &id);
	__u32 zero = 0;
	void *empty;

	if (thread || !make)
		return thread;
	empty = bpf_map_lookup_elem(&zero_thread, &zero);
	if (empty)
		bpf_map_update_elem(&threads, &id, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &id);
}

/* Whether a frame is of a call that goes on: above the stack pointer, or what begins there is its end. */
static __always_inline bool goes_on(const struct pb_frame *frame, __u64 stack, __u64 begin)
{
	if (frame->stack != stack)
		return frame->stack > stack;
	return !begin || (frame->jumped == begin && !frame->followed);
}

/*
 * Calls that have ended without a return: an exception, a longjmp. The stack is above them by now; or a
 * call that begins there, if `begin` is given, is in their place.
 */
static __noinline int drop_ended(struct pb_thread *thread, __u64 stack, __u64 begin)
{
	struct pb_frame *frame;
	__u64 depth, lost = 0;
	__u32 i;

	if (!thread)
		return 0;
	for (i = 0; i < PB_MAX_FRAMES; i++) {
		depth = thread->depth;
		if (!depth || depth > PB_MAX_FRAMES)
			break;
		frame = &thread->frames[(depth - 1) & (PB_MAX_FRAMES - 1)];
		if (goes_on(frame, stack, begin))
			break;
		/* It went on in what is not probed, and so did who had gone on in it: with what is not known. */
		if (frame->jumped && (!frame->followed || frame->stack == lost)) {
			lose(PB_LOSS_RETURN_UNMATCHED, 1);
			lost = frame->stack;
		}
		thread->depth = depth - 1;
	}
	return 0;
}

static __always_inline void leave_frames(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	drop_ended(bpf_map_lookup_elem(&threads, &id), ~0ull, 0);
	bpf_map_delete_elem(&threads, &id);
}

/* The innermost call that its thread is in. */
static __always_inline struct pb_frame *top_frame(struct pb_thread *thread)
{
	__u64 depth = thread->depth;

	if (!depth || depth > PB_MAX_FRAMES)
		return NULL;
	return &thread->frames[(depth - 1) & (PB_MAX_FRAMES - 1)];
}

SEC("uprobe")
int pushback_enter(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), instance = 0, message = 0;
	__u64 stack = stack_at_entry(ctx, cookie), depth;
	struct pb_rule *rule;
	struct pb_thread *thread;
	struct pb_frame *frame;
	int unread;

	own_stack(ctx);
	rule = hit_rule(cookie);
	if (!rule)
		return 0;
	unread = read_source(ctx, &rule->instance, &instance);
	if (rule->kind == PB_RULE_END && !unread)
		return tell_end(PB_PLACE(rule->step, instance));
	thread = thread_of(true);
	if (!thread) {
		lose(PB_LOSS_FRAMES_FULL, 1);
		return 0;
	}
	drop_ended(thread, stack, PT_REGS_IP(ctx) - rule->entry);
	frame = top_frame(thread);
	if (frame && frame->stack == stack)
		frame->followed = 1;
	depth = thread->depth;
	if (depth >= PB_MAX_FRAMES) {
		lose(PB_LOSS_FRAMES_FULL, 1);
		return 0;
	}
	frame = &thread->frames[depth & (PB_MAX_FRAMES - 1)];
	frame->stack = stack;
	frame->place = PB_PLACE(rule->step, instance);
	frame->rule = PB_COOKIE_RULE(cookie);
	frame->refused = 0;
	frame->jumped = 0;
	frame->followed = 0;
	if (rule->result.at_entry)
		unread |= read_register(ctx, &rule->result, &frame->argument);
	if (rule->message.kind && !unread)
		unread = read_source(ctx, &rule->message, &message) ||
			 bpf_probe_read_user(frame->words, sizeof(frame->words), (void *)message);
	/* Its return is known, and tells nothing. */
	if (unread) {
		lose_source(cookie);
		frame->rule = PB_MAX_RULES;
	}
	if (rule->kind != PB_RULE_END)
		thread->depth = depth + 1;
	return 0;
}

/* Whoever called this one, if we saw that: to it this is the next step. */
static __always_inline int tell_caller(struct pb_thread *thread, __u64 place, __u32 outcome)
{
	struct pb_frame *caller;
	struct pb_rule *rule;
	__u64 depth;
	bool refused = outcome == PUSHBACK_REJECTED || outcome == PUSHBACK_PROPAGATED;

	if (!thread)
		return 0;
	depth = thread->depth;
	if (!depth || depth > PB_MAX_FRAMES)
		return 0;
	caller = &thread->frames[(depth - 1) & (PB_MAX_FRAMES - 1)];
	rule = rule_of(caller->rule);
	if (!rule || caller->place == place)
		return 0;
	caller->refused = refused;
	tell_outcome(caller->place, rule, PUSHBACK_RECEIVE, outcome);
	tell_next(caller->place, rule, place, refused);
	return 0;
}

static __always_inline int result_of(struct pt_regs *ctx, const struct pb_rule *rule,
				     const struct pb_frame *frame, __u32 *outcome)
{
	__u64 result = 0;

	if (rule->result.at_entry ? read_value(&rule->result, frame->argument, &result)
				  : read_source(ctx, &rule->result, &result))
		return 1;
	if (rule->message.kind)
		*outcome = is_handed_back(frame, result) ? PUSHBACK_REJECTED : PUSHBACK_ACCEPTED;
	else
		*outcome = outcome_of(rule, result);
	if (*outcome == PUSHBACK_REJECTED && frame->refused &&
	    !(rule->flags & PB_RULE_OWN_REFUSALS))
		*outcome = PUSHBACK_PROPAGATED;
	return 0;
}

/* A call has returned: it is on the stack no more. */
static __always_inline int close_frame(struct pt_regs *ctx, struct pb_thread *thread,
				       const struct pb_frame *frame, __u64 cookie)
{
	struct pb_rule *rule;
	__u32 outcome = 0;

	if (!thread || !frame)
		return 0;
	rule = rule_of(frame->rule);
	if (!rule || (rule->kind == PB_RULE_POLL && !rule->result.kind))
		return 0;
	if (result_of(ctx, rule, frame, &outcome)) {
		lose_source(cookie);
		return 0;
	}
	tally_outcome(cookie, outcome);
	if (rule->kind == PB_RULE_POLL)
		return tell_ready(frame->place, rule, outcome == PUSHBACK_ACCEPTED);
	if (outcome >= PB_OUTCOME_UNKNOWN) {
		lose(PB_LOSS_RESULT_UNKNOWN, 1);
		return 0;
	}
	tell_outcome(frame->place, rule, PUSHBACK_SEND, outcome);
	return tell_caller(thread, frame->place, outcome);
}

static __always_inline bool is_of(const struct pb_frame *frame, __u64 cookie)
{
	return frame->rule == PB_COOKIE_RULE(cookie) || frame->rule == PB_MAX_RULES;
}

/* What one return ends. */
struct leaving {
	struct pt_regs *ctx;
	struct pb_thread *thread;
	__u64 stack;
	__u64 cookie; /* of how the call ended that is the innermost now */
};

/* It, and those that went on in it: what it returns is theirs. Non-zero: that was the last. */
static long close_next(__u32 i, void *context)
{
	struct leaving *ending = context;
	struct pb_thread *thread = ending->thread;
	struct pb_frame *frame = thread ? top_frame(thread) : NULL;

	if (!frame || frame->stack != ending->stack || (i && !frame->followed))
		return 1;
	if (i)
		ending->cookie = frame->cookie;
	thread->depth--;
	close_frame(ending->ctx, thread, frame, ending->cookie);
	return 0;
}

SEC("uprobe")
int pushback_leave(struct pt_regs *ctx)
{
	struct leaving ending = { .ctx = ctx };
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 stack = stack_at_entry(ctx, cookie);
	struct pb_thread *thread;
	struct pb_frame *frame;

	own_stack(ctx);
	if (!hit_rule(cookie))
		return 0;
	thread = thread_of(false);
	drop_ended(thread, stack, 0);
	/* One that was under way when we came, or that has left its thread's stack, as fibers do. */
	frame = thread ? top_frame(thread) : NULL;
	if (!frame || frame->stack != stack || !is_of(frame, cookie)) {
		lose(PB_LOSS_RETURN_UNMATCHED, 1);
		return 0;
	}
	ending.thread = thread;
	ending.stack = stack;
	ending.cookie = cookie;
	/* Of a bounded loop the verifier would look at each turn anew. */
	bpf_loop(PB_MAX_FRAMES, close_next, &ending, 0);
	return 0;
}

/* In memory, or in a register; or at a distance from here. */
static __always_inline int read_target(struct pt_regs *ctx, __u64 cookie, __u64 *target)
{
	__u32 number = PB_COOKIE_TALLY(cookie);
	struct pb_source *source = bpf_map_lookup_elem(&jumps, &number);

	if (!source || read_source(ctx, source, target))
		return 1;
	if (source->kind == PB_SOURCE_CONSTANT)
		*target += PT_REGS_IP(ctx);
	return 0;
}

/* It ends by going on in another function. What that returns is its own result. */
SEC("uprobe")
int pushback_jump(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), target = 0;
	__u64 stack = stack_at_entry(ctx, cookie);
	struct pb_thread *thread;
	struct pb_frame *frame;

	own_stack(ctx);
	if (!hit_rule(cookie))
		return 0;
	thread = thread_of(false);
	drop_ended(thread, stack, 0);
	frame = thread ? top_frame(thread) : NULL;
	if (!frame || !is_of(frame, cookie)) {
		lose(PB_LOSS_RETURN_UNMATCHED, 1);
		return 0;
	}
	/* Within the function, by a table: its end is still to come. */
	if (frame->stack != stack)
		return 0;
	if (read_target(ctx, cookie, &target)) {
		lose_source(cookie);
		thread->depth--;
		return 0;
	}
	frame->jumped = target;
	frame->cookie = cookie;
	return 0;
}

/* All that there is to know is there at once. */
SEC("uprobe")
int pushback_site(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), instance = 0, result = 0;
	struct pb_rule *rule;
	__u32 outcome;

	own_stack(ctx);
	rule = hit_rule(cookie);
	if (!rule)
		return 0;
	if (read_source(ctx, &rule->instance, &instance)) {
		lose_source(cookie);
		return 0;
	}
	instance = PB_PLACE(rule->step, instance);
	if (rule->kind == PB_RULE_END)
		return tell_end(instance);
	if (read_source(ctx, &rule->result, &result)) {
		lose_source(cookie);
		return 0;
	}
	outcome = outcome_of(rule, result);
	tally_outcome(cookie, outcome);
	if (rule->kind == PB_RULE_POLL)
		return tell_ready(instance, rule, outcome == PUSHBACK_ACCEPTED);
	if (outcome >= PB_OUTCOME_UNKNOWN) {
		lose(PB_LOSS_RESULT_UNKNOWN, 1);
		return 0;
	}
	return tell_outcome(instance, rule, PUSHBACK_SEND, outcome);
}

#endif /* PUSHBACK_RECIPE_BPF_H */
