/* SPDX-License-Identifier: MIT */
#include "top_terminal.h"

#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

/* Ends an escape sequence that was cut off. */
#define CANCEL "\030"

struct top_terminal {
	struct top_out *out;
	int fd;
	FILE *canvas; /* in memory: what curses takes for the terminal */
	SCREEN *screen;
	struct termios found, ours;
	bool away; /* stopped, and not yet back in the foreground */
	struct sigaction found_stop, found_resize;
};

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number)
{
	(void)number;
	stop_asked = 1;
}

static void wake(int number)
{
	(void)number;
}

/* ---- Modes ---- */

static bool is_foreground(const struct top_terminal *t)
{
	return tcgetpgrp(t->fd) == getpgrp();
}

/* Curses would set them on its canvas: it counts on output to pass as it is. */
static void make_ours(struct top_terminal *t)
{
	t->ours = t->found;
	t->ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL);
	t->ours.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR);
	t->ours.c_oflag &= ~(tcflag_t)OPOST;
	t->ours.c_cc[VMIN] = 1;
	t->ours.c_cc[VTIME] = 0;
}

/* What the terminal itself makes of what it shows nobody knows. */
static void follow_size(const struct top_terminal *t)
{
	struct winsize size;

	clearok(curscr, TRUE);
	if (!ioctl(t->fd, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		resize_term(size.ws_row, size.ws_col);
}

static bool has_new_size(const struct top_terminal *t)
{
	struct winsize size;

	return !ioctl(t->fd, TIOCGWINSZ, &size) && size.ws_row && size.ws_col &&
	       (size.ws_row != LINES || size.ws_col != COLS);
}

/* ---- Output ---- */

/* From the canvas to the terminal, which has it now or later. */
static void hand_over(struct top_terminal *t)
{
	int fd = fileno(t->canvas);
	off_t size = lseek(fd, 0, SEEK_CUR);
	void *painted = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0) : NULL;

	if (painted && painted != MAP_FAILED) {
		/* Out of memory: the next picture is painted from scratch. */
		if (top_out_put(t->out, painted, (size_t)size))
			clearok(curscr, TRUE);
		munmap(painted, (size_t)size);
	}
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		clearok(curscr, TRUE);
	top_out_push(t->out);
}

bool top_terminal_is_away(const struct top_terminal *t)
{
	return t->away;
}

bool top_terminal_is_ready(const struct top_terminal *t)
{
	return !t->away && !top_out_waits(t->out);
}

void top_terminal_paint(struct top_terminal *t)
{
	refresh();
	hand_over(t);
}

/* Whoever pressed Ctrl-S: what was stopped by a call is what a call lets go on. */
static void let_go_on(const struct top_terminal *t)
{
	tcflow(t->fd, TCOOFF);
	tcflow(t->fd, TCOON);
}

static void leave(struct top_terminal *t)
{
	let_go_on(t);
	top_out_linger(t->out);
	if (top_out_waits(t->out)) {
		top_out_drop(t->out);
		tcflush(t->fd, TCOFLUSH);
		top_out_put(t->out, CANCEL, strlen(CANCEL));
	}
	endwin();
	hand_over(t);
	top_out_linger(t->out);
	top_out_drop(t->out);
	tcsetattr(t->fd, TCSANOW, &t->found);
}

/* ---- Stopped, and back ---- */

static void enter(struct top_terminal *t)
{
	tcgetattr(t->fd, &t->found);
	make_ours(t);
	tcsetattr(t->fd, TCSANOW, &t->ours);
	follow_size(t);
	keypad(stdscr, TRUE);
	t->away = false;
}

/* As if nobody had caught it. */
static void stop(struct top_terminal *t)
{
	struct sigaction ours, usual = { .sa_handler = SIG_DFL };

	stop_asked = 0;
	leave(t);
	t->away = true;
	sigaction(SIGTSTP, &usual, &ours);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &ours, NULL);
}

bool top_terminal_poll(struct top_terminal *t)
{
	bool waited = top_out_waits(t->out), is_new;

	top_out_push(t->out);
	if (stop_asked && !t->away)
		stop(t);
	if (t->away) {
		if (!is_foreground(t))
			return false;
		enter(t);
		return true;
	}
	is_new = has_new_size(t);
	if (is_new)
		follow_size(t);
	return is_new || (waited && top_terminal_is_ready(t));
}

/* ---- Beginning and end ---- */

/* Curses leaves both signals alone when they are taken: it does not know the real terminal. */
static void take_signals(struct top_terminal *t)
{
	struct sigaction stop = { .sa_handler = ask_to_stop }, resize = { .sa_handler = wake };

	sigaction(SIGTSTP, NULL, &t->found_stop);
	sigaction(SIGWINCH, &resize, &t->found_resize);
	if (t->found_stop.sa_handler != SIG_IGN)
		sigaction(SIGTSTP, &stop, NULL);
	stop_asked = 0;
}

static void give_back_signals(const struct top_terminal *t)
{
	sigaction(SIGTSTP, &t->found_stop, NULL);
	sigaction(SIGWINCH, &t->found_resize, NULL);
}

static bool open_canvas(struct top_terminal *t)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);

	t->canvas = fd >= 0 ? fdopen(fd, "r+") : NULL;
	if (!t->canvas && fd >= 0)
		close(fd);
	return t->canvas && !tcgetattr(t->fd, &t->found);
}

static bool open_screen(struct top_terminal *t, FILE *in)
{
	t->screen = newterm(NULL, t->canvas, in);
	if (!t->screen)
		return false;
	set_term(t->screen);
	if (tigetstr("cup"))
		return true;
	endwin();
	delscreen(t->screen);
	t->screen = NULL;
	return false;
}

struct top_terminal *top_terminal_new(FILE *in, struct top_out *out)
{
	struct top_terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->out = out;
	t->fd = top_out_fd(out);
	take_signals(t);
	if (open_canvas(t) && open_screen(t, in)) {
		cbreak();
		noecho();
		nonl();
		enter(t);
		return t;
	}
	top_terminal_free(t);
	return NULL;
}

void top_terminal_free(struct top_terminal *t)
{
	if (!t)
		return;
	if (t->screen) {
		if (!t->away)
			leave(t);
		delscreen(t->screen);
	}
	if (t->canvas)
		fclose(t->canvas);
	give_back_signals(t);
	free(t);
}
