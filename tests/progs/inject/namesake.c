/* SPDX-License-Identifier: MIT */
/* A static function of a name that another file has as well, each with a cold part: see -DEVERY, -DCALLS. */
void complain(int message) __attribute__((cold));
int CALLS(int message);

static __attribute__((noinline)) int same(int message)
{
	if (message % EVERY == 0) {
		complain(message);
		return -EVERY;
	}
	return message & 1;
}

int CALLS(int message)
{
	return same(message) == -EVERY;
}
