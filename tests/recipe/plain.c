/* SPDX-License-Identifier: MIT */
/*
 * plain.c - a consumer in C that knows nothing of pushback: parse, batch, write
 *
 *	plain SEED MESSAGES CHAINS
 *
 * parse keeps what batch refuses and then refuses itself; batch hands write's answer through; write has a
 * queue. Each chain is a thread's. The truth comes last, on stdout.
 */
#include <errno.h>
#include <stddef.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define STEP       __attribute__((noinline))
#define CAPACITY   8
#define CHAINS_MAX 8

struct message {
	uint32_t kind;
};

struct write {
	int queued;
	struct plain_truth truth;
};

struct batch {
	struct write *next;
	struct plain_truth truth;
};

struct parse {
	struct batch *next;
	const struct message *carried;
	struct plain_truth truth;
};

struct chain {
	uint64_t seed, messages;
	struct plain_truth parse, batch, write;
};

STEP int write_submit(struct write *w, const struct message *m)
{
	if (m->kind == 13) {
		plain_submitted(&w->truth, PLAIN_INVALID);
		return -EINVAL;
	}
	if (w->queued >= CAPACITY) {
		plain_submitted(&w->truth, PLAIN_REJECTED);
		return -EAGAIN;
	}
	w->queued++;
	plain_submitted(&w->truth, PLAIN_ACCEPTED);
	return 0;
}

STEP int write_poll(struct write *w, int freed)
{
	w->queued = w->queued > freed ? w->queued - freed : 0;
	plain_ready(&w->truth, w->queued < CAPACITY);
	return w->queued < CAPACITY;
}

static enum plain_outcome outcome(int err, bool own)
{
	if (err == -EAGAIN)
		return own ? PLAIN_REJECTED : PLAIN_PROPAGATED;
	return err ? PLAIN_INVALID : PLAIN_ACCEPTED;
}

STEP int batch_submit(struct batch *b, const struct message *m)
{
	int err = write_submit(b->next, m);

	plain_forwarded(&b->truth, outcome(err, true));
	plain_submitted(&b->truth, outcome(err, false));
	return err;
}

/* Two ways to return, and a switch for the compiler to make a table of. */
STEP int parse_submit(struct parse *p, const struct message *m)
{
	int err;

	if (p->carried) {
		plain_submitted(&p->truth, PLAIN_REJECTED);
		return -EAGAIN;
	}
	switch (m->kind) {
	case 100:
		err = -EINVAL;
		break;
	case 101:
		err = -EBADMSG;
		break;
	case 102:
		err = -EPROTO;
		break;
	case 103:
		err = -ERANGE;
		break;
	case 104:
		err = -EDOM;
		break;
	default:
		err = batch_submit(p->next, m);
		plain_forwarded(&p->truth, outcome(err, false));
		if (err == -EAGAIN) {
			p->carried = m;
			err = 0;
		}
	}
	plain_submitted(&p->truth, err ? PLAIN_INVALID : PLAIN_ACCEPTED);
	return err;
}

STEP int parse_poll(struct parse *p)
{
	int err;

	if (p->carried) {
		err = batch_submit(p->next, p->carried);
		plain_forwarded(&p->truth, outcome(err, false));
		if (err != -EAGAIN)
			p->carried = NULL;
	}
	plain_ready(&p->truth, !p->carried);
	return !p->carried;
}

STEP void write_free(struct write *w)
{
	plain_ended(&w->truth);
	memset(w, 0, offsetof(struct write, truth));
}

static void run(struct chain *c, struct parse *p, struct batch *b, struct write *w)
{
	static const uint32_t kinds[] = { 1, 2, 3, 13, 100, 101, 102, 103, 104, 5 };

	for (uint64_t i = 0; i < c->messages; i++) {
		struct message m = { kinds[plain_roll(&c->seed, 40) % 10] };
		const struct message *offered = &m;
		struct message kept = m;

		/* What is carried must outlive this turn. */
		if (!p->carried) {
			static __thread struct message ring[2];

			ring[i & 1] = kept;
			offered = &ring[i & 1];
		}
		parse_submit(p, offered);
		if (plain_roll(&c->seed, 4) == 0)
			write_poll(w, (int)plain_roll(&c->seed, 6));
		if (plain_roll(&c->seed, 3) == 0)
			parse_poll(p);
	}
	(void)b;
}

static void *chain(void *arg)
{
	struct chain *c = arg;
	struct write *w = calloc(1, sizeof(*w));
	struct batch *b = calloc(1, sizeof(*b));
	struct parse *p = calloc(1, sizeof(*p));

	if (!w || !b || !p)
		abort();
	b->next = w;
	p->next = b;
	run(c, p, b, w);
	write_free(w);
	plain_ended(&b->truth);
	plain_ended(&p->truth);
	c->parse = p->truth;
	c->batch = b->truth;
	c->write = w->truth;
	/* They stay where they are: another chain's would be in their place. */
	return NULL;
}

static void add(struct plain_truth *sum, const struct plain_truth *t)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)t;

	for (size_t i = 0; i < offsetof(struct plain_truth, send_open) / sizeof(*to); i++)
		to[i] += from[i];
}

int main(int argc, char **argv)
{
	static struct chain chains[CHAINS_MAX];
	struct plain_truth parse = { 0 }, batch = { 0 }, write = { 0 };
	pthread_t threads[CHAINS_MAX];
	int count = argc > 3 ? atoi(argv[3]) : 1;

	for (int i = 0; i < count && i < CHAINS_MAX; i++) {
		chains[i].seed = strtoull(argv[1], NULL, 0) + (uint64_t)i;
		chains[i].messages = strtoull(argv[2], NULL, 0);
		pthread_create(&threads[i], NULL, chain, &chains[i]);
	}
	for (int i = 0; i < count && i < CHAINS_MAX; i++) {
		pthread_join(threads[i], NULL);
		add(&parse, &chains[i].parse);
		add(&batch, &chains[i].batch);
		add(&write, &chains[i].write);
	}
	plain_print("parse", &parse);
	plain_print("batch", &batch);
	plain_print("write", &write);
	return 0;
}
