/* SPDX-License-Identifier: MIT */
/*
 * attacker - a consumer that does what it can to harm its observers
 *
 *	attacker MODE [COUNT [SEED] | SEED | FILE...]
 *
 * Prints "ready", waits for a line on stdin, and attacks until the next line, but for a thousand turns. Where
 * there is an end to it, it says "does" then. Prints "done" and how often it did what it does, and waits for another line. hostile.c
 * is of single lies.
 *
 * bytes: structs of random and of extreme bytes, written anew all the time by another thread
 * memory: the memory of a step comes, goes, may not be read, and is of a file that is cut short
 * flood: COUNT or any number of turns, each claims some closed episodes, and fires without any bound
 * claims: many steps, each of as many closed episodes as time allows and more
 * semaphore: the words that say who watches, and the breakpoint itself, are written to
 * fork, vfork, exec: COUNT processes that make two returns and end, by many at a time
 * many, named: steps, each at a place of its own, as fast as it can; and of a name of its own
 * killed: COUNT processes that begin and end episodes without a pause, each killed at any moment; "done"
 *	has how many submits were accepted, but for one of each that may have been
 * once: two returns, at once
 * map: maps each FILE to be run, until the next line
 * maps: the same, and so do 63 children
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pushback.h>

#define PAGE     4096u
#define STRUCTS  16u
#define LEAST    1001u /* turns, of what has no end */
#define CHILDREN 32u   /* at a time */
#define MAPPING  63u
#define PLACES   6000u
#define CLAIMS   64u
#define CLAIMED  20000000u

static atomic_bool ends;
static uint64_t done, dice;

/* On a busy machine it may be told to end before it has begun. */
static bool goes_on(void)
{
	return !atomic_load(&ends) || done < LEAST;
}

static uint64_t draw(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

/* Likely to be off by one of something. */
static uint64_t extreme(void)
{
	static const uint64_t values[] = {
		0, 1, UINT64_MAX, INT64_MAX, 1ull << 63, UINT32_MAX, 1ull << 32, 1ull << 47, 4096,
	};
	uint64_t n = draw() % (sizeof(values) / sizeof(values[0]) + 1);

	return n < sizeof(values) / sizeof(values[0]) ? values[n] : draw();
}

static void fire(struct pushback_step *s, unsigned int site, uint64_t next)
{
	pushback_fire *const sites[] = { pushback_fire_submit_return, pushback_fire_forward_return,
					 pushback_fire_poll_return, pushback_fire_step_end };

	sites[site % 4](s, s->name, (unsigned int)extreme(), extreme(), extreme(), next);
}

/* ---- Bytes ---- */

static struct pushback_step structs[STRUCTS];

/* What an observer looks at first is right, most of the time. */
static void spoil(struct pushback_step *s, uint64_t instance)
{
	uint64_t words[sizeof(*s) / sizeof(uint64_t)];

	for (size_t i = 0; i < sizeof(*s) / sizeof(uint64_t); i++)
		words[i] = draw() & 1 ? draw() : extreme();
	memcpy(s, words, sizeof(*s));
	s->magic = PUSHBACK_STEP_MAGIC;
	s->version = PUSHBACK_STEP_VERSION;
	s->size = draw() % 16 ? sizeof(*s) : (uint16_t)(draw() % 1024);
	s->instance = draw() % 16 ? instance : draw();
	if (draw() & 1)
		s->next = (uint64_t)(uintptr_t)&structs[draw() % STRUCTS];
	if (draw() & 1)
		memset(s->name, 'x', sizeof(s->name));
}

static void *spoil_on(void *seed)
{
	uint64_t mine = *(uint64_t *)seed * 2862933555777941757ull + 1;

	/* Torn as can be: the other thread fires and writes meanwhile. */
	while (!atomic_load(&ends)) {
		uint64_t *words = (uint64_t *)&structs[mine % STRUCTS];

		mine = mine * 6364136223846793005ull + 1442695040888963407ull;
		words[1 + (mine >> 33) % 45] = mine & 1 ? mine : (mine & 2) - 1;
	}
	return NULL;
}

static void bytes_on(void)
{
	uint64_t seed = dice;
	pthread_t other;

	if (pthread_create(&other, NULL, spoil_on, &seed))
		exit(1);
	for (; goes_on(); done++) {
		size_t n = draw() % STRUCTS;
		uint64_t nexts[] = { 0, extreme(), (uint64_t)(uintptr_t)&structs[n],
				     (uint64_t)(uintptr_t)&structs[(n + 1) % STRUCTS] };

		spoil(&structs[n], n + 1);
		fire(&structs[n], (unsigned int)(draw() % 64 ? draw() % 3 : 3), nexts[draw() % 4]);
		if (draw() % 16 == 0)
			fire((void *)(uintptr_t)extreme(), 0, 0);
		if (draw() % 256 == 0)
			usleep(1000);
	}
	pthread_join(other, NULL);
}

/* ---- Memory ---- */

static void *come_and_go(void *page)
{
	char path[] = "/dev/shm/attacker-XXXXXX";
	int file = mkstemp(path);

	if (file < 0)
		exit(1);
	unlink(path);
	for (unsigned int turn = 0; !atomic_load(&ends); turn++) {
		switch (turn % 5) {
		case 0:
			munmap(page, PAGE);
			break;
		case 1:
			mmap(page, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		case 2:
			mprotect(page, PAGE, PROT_NONE);
			break;
		case 3: /* and no page of it is there */
			if (ftruncate(file, 0))
				exit(1);
			mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
			break;
		case 4:
			if (ftruncate(file, PAGE / 2) || ftruncate(file, 0))
				exit(1);
			break;
		}
		usleep(turn * 7 % 900);
	}
	close(file);
	return NULL;
}

/* A good step, as far as its observer saw, on memory that then goes; the last one lies across its end. */
static void memory_on(void)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pushback_step *s[] = { (void *)(pages + PAGE), (void *)(pages + PAGE - 256) };
	struct pushback_step good[2];
	pthread_t other;

	for (size_t i = 0; i < 2; i++) {
		pushback_step_init(s[i], "memory");
		pushback_submit_return(s[i], PUSHBACK_REJECTED);
		good[i] = *s[i];
		/* They lie over one another: this one lives no more. */
		fire(s[i], 0, 0);
	}
	if (pthread_create(&other, NULL, come_and_go, pages + PAGE))
		exit(1);
	for (; goes_on(); done++) {
		/* By the kernel: of what is not there it says so. */
		int fd = (int)(done % 2);
		int from[2];

		if (pipe(from))
			exit(1);
		if (write(from[1], &good[fd], sizeof(good[fd])) == sizeof(good[fd]) &&
		    read(from[0], s[fd], sizeof(good[fd])) < 0)
			usleep(50);
		close(from[0]);
		close(from[1]);
		fire(s[fd], 0, 0);
	}
	pthread_join(other, NULL);
}

/* ---- Fires and what they hang on ---- */

static void flood_on(uint64_t most)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("flood");
	struct pushback_direction *d = &step.direction[PUSHBACK_SEND];

	for (; goes_on() && (!most || done < most); done++) {
		pushback_submit_return(&step, PUSHBACK_REJECTED);
		pushback_submit_return(&step, PUSHBACK_ACCEPTED);
		d->closed++;
		d->closed_ns += 1000;
		d->last = 1000;
		step.bound = 0;
		step.state |= PUSHBACK_SAMPLE;
		fire(&step, 0, 0);
	}
}

static void claims_on(void)
{
	static struct pushback_step steps[CLAIMS];
	char name[32];

	for (; goes_on(); done++) {
		struct pushback_step *s = &steps[done % CLAIMS];
		struct pushback_direction *d = &s->direction[PUSHBACK_SEND];

		if (done < CLAIMS) {
			snprintf(name, sizeof(name), "claims%u", (unsigned int)done);
			pushback_step_init(s, name);
		}
		pushback_submit_return(s, PUSHBACK_REJECTED);
		pushback_submit_return(s, PUSHBACK_ACCEPTED);
		d->closed += CLAIMED;
		d->closed_ns += CLAIMED;
		d->folded += CLAIMED;
		d->folded_ns += CLAIMED;
		s->bound = 0;
		fire(s, 0, 0);
		usleep(100);
	}
}

static void semaphore_on(void)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("semaphore");
	uint16_t *watched = &pushback_semaphore;
	char *code = (char *)(uintptr_t)pushback_fire_submit_return;
	char *page = (char *)((uintptr_t)code & ~(uintptr_t)(PAGE - 1));

	for (; goes_on(); done++) {
		*(volatile uint16_t *)watched = (uint16_t)extreme();
		step.epoch = extreme();
		pushback_submit_return(&step, (int)(draw() % 4));
		if (done % 64 == 0 && !mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC)) {
			*(volatile char *)code = draw() & 1 ? (char)0x90 : (char)0xcc;
			*(volatile char *)code = (char)0x90;
			mprotect(page, PAGE, PROT_READ | PROT_EXEC);
		}
		if (done % 1024 == 0)
			usleep(500);
	}
}

/* ---- Processes ---- */

static void return_twice(void)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("once");

	pushback_submit_return(&step, PUSHBACK_REJECTED);
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
}

static void be_child(char how, const char *self)
{
	if (how != 'f')
		execl(self, self, "once", (char *)NULL);
	else
		return_twice();
	_exit(0);
}

/* The child of vfork() is in our memory: it runs another image at once. */
static pid_t begin_child(char how, const char *self)
{
	pid_t pid = how == 'v' ? vfork() : fork();

	if (!pid)
		be_child(how, self);
	return pid;
}

static void fork_on(char how, const char *self, uint64_t most)
{
	unsigned int running = 0;

	while (!atomic_load(&ends) && (!most || done < most)) {
		pid_t pid = begin_child(how, self);

		running += pid > 0;
		done += pid > 0;
		while (running && (pid < 0 || running >= CHILDREN) && wait(NULL) > 0)
			running--;
	}
	while (wait(NULL) > 0)
		;
}

static void edges_on(volatile uint64_t *accepted)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("edges");

	for (unsigned int turn = 1;; turn++) {
		pushback_submit_return(&step, PUSHBACK_REJECTED);
		pushback_forward_return(&step, PUSHBACK_REJECTED);
		pushback_submit_return(&step, PUSHBACK_ACCEPTED);
		++*accepted;
		pushback_forward_return(&step, PUSHBACK_ACCEPTED);
		if (turn % 1024 == 0) {
			pushback_step_end(&step);
			pushback_step_init(&step, "edges");
		}
	}
}

static void kill_all(uint64_t count)
{
	uint64_t *accepted =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (uint64_t i = 0; i < count; i++) {
		pid_t pid = fork();

		if (!pid)
			edges_on(accepted);
		usleep((useconds_t)(draw() % 4000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	done = *accepted;
}

static void many_on(bool named)
{
	struct pushback_step *steps = aligned_alloc(64, PLACES * sizeof(*steps));
	char name[32];

	for (; steps && done < PLACES && !atomic_load(&ends); done++) {
		snprintf(name, sizeof(name), "many%u", (unsigned int)done);
		pushback_step_init(&steps[done], named ? name : "many");
		pushback_submit_return(&steps[done], PUSHBACK_REJECTED);
	}
}

/* ---- Files ---- */

static bool map_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *memory = MAP_FAILED;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size)
		memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	return memory != MAP_FAILED;
}

static void map_all(char **files, bool children)
{
	for (; *files; files++)
		done += map_one(*files);
	for (unsigned int i = 0; children && i < MAPPING; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

/* ---- ---- */

static void tell(const char *word)
{
	printf("%s %llu\n", word, (unsigned long long)done);
	fflush(stdout);
}

static void *wait_for_end(void *line)
{
	if (!fgets(line, 64, stdin))
		exit(1);
	atomic_store(&ends, true);
	return NULL;
}

static void attack(const char *mode, char **argv)
{
	if (!strcmp(mode, "bytes"))
		bytes_on();
	else if (!strcmp(mode, "memory"))
		memory_on();
	else if (!strcmp(mode, "flood"))
		flood_on(argv[2] ? strtoull(argv[2], NULL, 10) : 0);
	else if (!strcmp(mode, "claims"))
		claims_on();
	else if (!strcmp(mode, "semaphore"))
		semaphore_on();
	else if (!strcmp(mode, "killed"))
		kill_all(argv[2] ? strtoull(argv[2], NULL, 10) : 1);
	else if (!strcmp(mode, "many") || !strcmp(mode, "named"))
		many_on(mode[0] == 'n');
	else if (!strcmp(mode, "map"))
		map_all(argv + 2, false);
	else if (!strcmp(mode, "maps"))
		map_all(argv + 2, true);
	else
		fork_on(mode[0], argv[0], argv[2] ? strtoull(argv[2], NULL, 10) : 0);
}

int main(int argc, char **argv)
{
	char line[64], last[64];
	pthread_t waiting;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc >= 2 && !strcmp(argv[1], "once")) {
		return_twice();
		return 0;
	}
	tell("ready");
	if (argc < 2 || !fgets(line, sizeof(line), stdin))
		return 2;
	/* The last one that is there, if it is one. */
	dice = (argc > 2 ? strtoull(argv[argc - 1], NULL, 10) : 1) * 2654435761u + 1;
	if (pthread_create(&waiting, NULL, wait_for_end, last))
		return 1;
	attack(argv[1], argv);
	tell("does");
	pthread_join(waiting, NULL);
	tell("done");
	return fgets(line, sizeof(line), stdin) ? 0 : 1;
}
