/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * pushback_trace.bpf.h - episodes one by one, for who traces
 *
 * A step's struct says what has ended since its last event. Of that only the episode that this event was
 * fired for is known by itself; the others are folded: how many, and what time in all. What an episode
 * began with is known where its opening was an event, too. Part of pushback.bpf.c, in a file of its own;
 * the verifier leaves all of it out where nobody traces.
 */
#ifndef PUSHBACK_TRACE_BPF_H
#define PUSHBACK_TRACE_BPF_H

const volatile bool tracing = false;

#define TRACE_LAST   0x1u /* the step has ended without saying so, */
#define TRACE_UNREAD 0x2u /* and what it did since its last event is not known */

#define WAKE_AT (PB_CLOSES_SIZE / 4)

/* An end of an episode. */
struct ending {
	__u64 end;
	__u64 ns;
	__u32 direction;
	__u32 kind;
	__u32 flags;
};

static __always_inline void lose_close(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&closes_untold, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline __u64 attempts_of(const struct pb_step *e, __u32 direction)
{
	return direction == PUSHBACK_SEND ? e->now.rejected : e->now.refused;
}

/* Into the ring, with what was folded before it. */
static __noinline int tell_close(const struct pb_step *e, const struct pb_step_key *key,
				 struct pb_trace *t, const struct ending *ending)
{
	__u32 direction = ending ? ending->direction : 2;
	__u64 wake = BPF_RB_NO_WAKEUP;
	struct pb_close *close;

	if (!e || !key || !t || direction > PUSHBACK_RECEIVE)
		return 0;
	close = bpf_ringbuf_reserve(&closes, sizeof(*close), 0);
	if (!close) {
		lose_close();
		t->direction[direction].untold += ending->kind == PB_CLOSE_CLOSED;
		return 0;
	}
	close->key = *key;
	close->cgroup_id = e->cgroup_id;
	close->end_ns = ending->end;
	close->ns = ending->ns;
	close->rejections = attempts_of(e, direction) - t->direction[direction].attempts;
	close->self_ns = e->now.self_ns - t->direction[direction].self_ns;
	close->folded = t->direction[direction].fold;
	close->folded_ns = t->direction[direction].fold_ns;
	close->untold = t->direction[direction].untold;
	close->direction = direction;
	close->kind = ending->kind;
	close->flags = ending->flags;
	close->reserved = 0;
	__builtin_memcpy(close->comm, e->comm, sizeof(close->comm));
	__builtin_memcpy(close->name, e->now.name, sizeof(close->name));
	if (bpf_ringbuf_query(&closes, BPF_RB_AVAIL_DATA) >= WAKE_AT)
		wake = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(close, wake);
	t->direction[direction].fold = 0;
	t->direction[direction].fold_ns = 0;
	t->direction[direction].untold = 0;
	return 0;
}

/* What is known of an episode that has ended; `alone`: since the event before no other one has. */
static __always_inline void judge_end(struct ending *ending, const struct pb_trace *t, bool alone,
				      __u32 how)
{
	const __u32 i = ending->direction & 1;
	__u64 since = alone ? t->direction[i].since : 0;

	if (since && since + ending->ns == ending->end) {
		if (t->direction[i].counted && !(how & TRACE_UNREAD))
			ending->flags |= PB_CLOSE_COUNTED;
		if (t->direction[i].partial)
			ending->flags |= PB_CLOSE_AT_LEAST;
	} else if (since && ending->kind == PB_CLOSE_CLOSED) {
		ending->end = since + ending->ns;
	}
}

/* A direction's ends since the event before. */
static __noinline int trace_ends(const struct pb_step *e, const struct pb_step_key *key,
				 struct pb_trace *t, __u64 end, __u64 which)
{
	__u32 direction = which & 1, how = which >> 1;
	struct ending ending = { .direction = direction, .end = end };
	const struct pushback_direction *d;
	__u64 closed, folded, told;

	if (!e || !key || !t)
		return 0;
	d = &e->now.direction[direction];
	closed = d->closed - t->direction[direction].closed;
	folded = d->folded - t->direction[direction].folded;
	told = closed && e->now.state & PUSHBACK_SAMPLE << direction;
	/* Beyond the folded ones: their event was lost. */
	if ((__s64)(closed - told - folded) > 0)
		t->direction[direction].untold += closed - told - folded;
	t->direction[direction].fold += folded;
	t->direction[direction].fold_ns += d->folded_ns - t->direction[direction].folded_ns;
	if (d->partial != t->direction[direction].partials) {
		/* There is one in a watch at most: the first. */
		ending.kind = PB_CLOSE_PARTIAL;
		ending.ns = d->partial_ns;
		ending.flags = PB_CLOSE_AT_LEAST;
		judge_end(&ending, t, !closed, how);
		if (!(e->now.state & PUSHBACK_PARTED << direction))
			ending.flags |= PB_CLOSE_LATE;
		tell_close(e, key, t, &ending);
	}
	if (told) {
		ending.kind = PB_CLOSE_CLOSED;
		ending.ns = d->last;
		ending.flags = 0;
		judge_end(&ending, t, closed == 1, how);
		tell_close(e, key, t, &ending);
	}
	if (d->abandoned != t->direction[direction].abandoned) {
		ending.kind = PB_CLOSE_ABANDONED;
		ending.ns = d->abandoned_ns;
		ending.end = end;
		ending.flags = 0;
		judge_end(&ending, t, !closed, how);
		tell_close(e, key, t, &ending);
	}
	return 0;
}

/* What the next ends are held against. */
static __noinline int trace_keep(const struct pb_step *e, struct pb_trace *t, __u32 direction)
{
	const struct pushback_direction *d;

	if (!e || !t || direction > PUSHBACK_RECEIVE)
		return 0;
	d = &e->now.direction[direction];
	t->direction[direction].closed = d->closed;
	t->direction[direction].partials = d->partial;
	t->direction[direction].abandoned = d->abandoned;
	t->direction[direction].folded = d->folded;
	t->direction[direction].folded_ns = d->folded_ns;
	if (d->since == t->direction[direction].since)
		return 0;
	t->direction[direction].since = d->since;
	t->direction[direction].counted = d->since == e->now.fired;
	t->direction[direction].partial = !!(e->now.state & PUSHBACK_PARTIAL << direction);
	t->direction[direction].attempts = attempts_of(e, direction) - 1;
	t->direction[direction].self_ns = e->now.self_ns;
	return 0;
}

/* Where this observer comes in: as the histograms do, before they have this event. */
static __always_inline struct pb_trace *trace_new(const struct pb_step *e,
						  const struct pb_step_key *key)
{
	struct pb_trace *t;
	__u32 zero = 0, i;
	void *empty = bpf_map_lookup_elem(&zero_trace, &zero);

	if (!empty || bpf_map_update_elem(&traces, key, empty, BPF_NOEXIST))
		return NULL;
	t = bpf_map_lookup_elem(&traces, key);
	if (!t)
		return NULL;
	t->watch = e->now.watch_since;
	for (i = PUSHBACK_SEND; i <= PUSHBACK_RECEIVE; i++) {
		t->direction[i].closed = e->sampled[i];
		t->direction[i].folded = e->folded[i];
		t->direction[i].folded_ns = e->folded_ns[i];
		t->direction[i].partials = e->base.direction[i].partial;
		t->direction[i].abandoned = e->base.direction[i].abandoned;
	}
	return t;
}

/*
 * Of this watch; NULL: there is no room. By itself, as the kernel counts the stack of all that are under way
 * at once: before Linux 6.13 there are 512 bytes for them, of recipes' hits nearly all.
 */
static __noinline struct pb_trace *trace_of(const struct pb_step *e, const struct pb_step_key *key)
{
	struct pb_trace *t;
	__u32 zero = 0;
	void *empty;

	if (!e || !key)
		return NULL;
	t = bpf_map_lookup_elem(&traces, key);
	if (!t)
		t = trace_new(e, key);
	if (!t)
		return NULL;
	if (t->watch != e->now.watch_since) {
		empty = bpf_map_lookup_elem(&zero_trace, &zero);
		if (empty)
			__builtin_memcpy(t, empty, sizeof(*t));
		t->watch = e->now.watch_since;
	}
	return t;
}

static __noinline int trace_event(const struct pb_step *e, const struct pb_step_key *key, __u64 end,
				  __u32 how)
{
	struct pb_trace *t;

	if (!e || !key)
		return 0;
	t = trace_of(e, key);
	if (!t) {
		lose_close();
		return 0;
	}
	trace_ends(e, key, t, end, PUSHBACK_SEND | how << 1);
	trace_ends(e, key, t, end, PUSHBACK_RECEIVE | how << 1);
	trace_keep(e, t, PUSHBACK_SEND);
	trace_keep(e, t, PUSHBACK_RECEIVE);
	if (e->now.state & PUSHBACK_ENDED || how & TRACE_LAST)
		bpf_map_delete_elem(&traces, key);
	return 0;
}

/* After each change of a step's struct, and before its histograms have it. */
static __always_inline void trace_step(const struct pb_step *e, const struct pb_step_key *key,
				       __u64 end, __u32 how)
{
	if (tracing)
		trace_event(e, key, end, how);
}

#endif /* PUSHBACK_TRACE_BPF_H */
