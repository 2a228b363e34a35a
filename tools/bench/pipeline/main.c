/* SPDX-License-Identifier: MIT */
/*
 * pipeline-WAY chain|broadcast SERVICE_NS: a consumer of five steps (six) that spins
 *
 *	check - parse - enrich - batch - sink
 *	check - parse - enrich - broadcast - sink and audit, which takes all at once
 *
 * Steps carry over what the next one refuses, and who drives the chain keeps what it refuses and tries
 * again at once; it does so as arroyo's processor, and not faster. The sink has one slot, free again
 * SERVICE_NS after it was taken: so what is late costs messages.
 *
 * Says "ready", and then obeys lines:
 *	WARM_MS MS	drives it so long; says MESSAGES LOOPS NS CPU_NS of what came after WARM_MS. Begins and
 *			ends with a message that the sink takes, so that few of them make a rate. Between
 *			these lines the sink's clock stands still.
 *	end		drains the chain; says what each step knows of itself, NAME ACCEPTED REJECTED PROPAGATED
 *			FORWARDED REFUSED, and then "done". Fails if a message was lost, or came out of order.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "step.h"

#define STEPS    6
#define PAUSE_NS 5000000000ull

struct chain {
	struct step steps[STEPS];
	size_t length;
	struct step *first;
	struct step *sink;

	struct message message; /* the one that is offered */
	bool refused;
	uint64_t refused_since;
	bool may_pause;
	pthread_mutex_t lock;
	uint64_t made;
	uint64_t sum;
	uint64_t loops;
};

static struct step *add(struct chain *chain, const char *name, const struct step_ops *ops)
{
	struct step *step = &chain->steps[chain->length++];

	step->ops = ops;
	step->name = name;
	probe_init(&step->probe, name);
	return step;
}

static void link_to(struct step *step, struct step *next)
{
	step->next[step->branches++] = next;
}

static void build(struct chain *chain, bool broadcast, uint64_t service)
{
	struct step *parse, *enrich, *last;

	chain->first = add(chain, "check", &step_through);
	parse = add(chain, "parse", &step_task);
	enrich = add(chain, "enrich", &step_task);
	last = broadcast ? add(chain, "broadcast", &step_broadcast)
			 : add(chain, "batch", &step_task);
	chain->sink = add(chain, "sink", &step_sink);
	parse->work = step_parse;
	enrich->work = step_enrich;
	chain->sink->service = service;
	link_to(chain->first, parse);
	link_to(parse, enrich);
	link_to(enrich, last);
	link_to(last, chain->sink);
	if (broadcast)
		link_to(last, add(chain, "audit", &step_sink));
}

static void make_message(struct chain *chain)
{
	struct message *m = &chain->message;

	m->offset = chain->made++;
	for (size_t i = 0; i < sizeof(m->payload) / sizeof(*m->payload); i++) {
		m->payload[i] = (uint32_t)(m->offset + i) * 2654435761u;
		chain->sum += m->payload[i];
	}
}

static void offer_first(struct chain *chain)
{
	chain->refused = chain->first->ops->submit(chain->first, &chain->message) != ACCEPTED;
}

/*
 * As arroyo's processor: it holds its lock, and after a refusal it looks at the clock, since it pauses its
 * source after a while.
 */
static void turn(struct chain *chain)
{
	chain->loops++;
	pthread_mutex_lock(&chain->lock);
	chain->first->ops->poll(chain->first);
	if (!chain->refused)
		make_message(chain);
	offer_first(chain);
	if (!chain->refused)
		chain->refused_since = 0;
	else if (!chain->refused_since)
		chain->refused_since = step_clock();
	else
		chain->may_pause = step_clock() - chain->refused_since > PAUSE_NS;
	pthread_mutex_unlock(&chain->lock);
}

/* Until the sink takes a message after that; says when it did. */
static uint64_t run_to(struct chain *chain, uint64_t until)
{
	do {
		turn(chain);
	} while (chain->sink->taken_at < until);
	return chain->sink->taken_at;
}

static uint64_t cpu_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void measure(struct chain *chain, uint64_t warm_ms, uint64_t ms)
{
	uint64_t begin = step_clock(), messages, loops, cpu, end;

	/* As if it had taken its last one just now. */
	chain->sink->free_at = begin + chain->sink->service;
	if (warm_ms || !chain->made)
		begin = run_to(chain, begin + warm_ms * 1000000);
	messages = chain->sink->counts.submits[ACCEPTED];
	loops = chain->loops;
	cpu = cpu_clock();
	end = run_to(chain, begin + ms * 1000000);
	cpu = cpu_clock() - cpu;
	printf("%llu %llu %llu %llu\n",
	       (unsigned long long)(chain->sink->counts.submits[ACCEPTED] - messages),
	       (unsigned long long)(chain->loops - loops), (unsigned long long)(end - begin),
	       (unsigned long long)cpu);
}

static void drain(struct chain *chain)
{
	uint64_t *got = &chain->sink->counts.submits[ACCEPTED];

	while (*got < chain->made) {
		chain->first->ops->poll(chain->first);
		if (chain->refused)
			offer_first(chain);
	}
}

/* The sinks see to the order themselves. */
static int complete(const struct chain *chain)
{
	for (size_t i = 0; i < chain->length; i++) {
		const struct step *step = &chain->steps[i];

		if (step->counts.submits[ACCEPTED] == chain->made &&
		    (step->branches || step->sum == chain->sum))
			continue;
		fprintf(stderr, "%s: messages were lost or changed\n", step->name);
		return 1;
	}
	return 0;
}

static int tell(const struct step *step)
{
	const struct step_counts *c = &step->counts;

	printf("%s %llu %llu %llu %llu %llu\n", step->name,
	       (unsigned long long)c->submits[ACCEPTED], (unsigned long long)c->submits[REJECTED],
	       (unsigned long long)c->submits[PROPAGATED], (unsigned long long)c->forwards[0],
	       (unsigned long long)c->forwards[1]);
#ifdef WAY_METRICS
	for (int i = ACCEPTED; i <= PROPAGATED; i++)
		if (metrics_count(step->name, METRICS_SEND, i) != c->submits[i]) {
			fprintf(stderr, "%s: its metrics are wrong\n", step->name);
			return 1;
		}
#endif
	return 0;
}

static int finish(struct chain *chain)
{
	int wrong;

	drain(chain);
	wrong = complete(chain);
	for (size_t i = 0; i < chain->length; i++) {
		probe_end(&chain->steps[i].probe);
		wrong |= tell(&chain->steps[i]);
	}
	if (!wrong)
		printf("done\n");
	return wrong;
}

int main(int argc, char **argv)
{
	static struct chain chain = { .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned long long warm_ms, ms;
	char line[64];

	if (argc != 3 || (strcmp(argv[1], "chain") && strcmp(argv[1], "broadcast")) ||
	    atoll(argv[2]) < 1) {
		fprintf(stderr, "usage: %s chain|broadcast SERVICE_NS\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	build(&chain, !strcmp(argv[1], "broadcast"), (uint64_t)atoll(argv[2]));
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin) && sscanf(line, "%llu %llu", &warm_ms, &ms) == 2)
		measure(&chain, warm_ms, ms);
	return finish(&chain);
}
