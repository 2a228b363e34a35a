/* SPDX-License-Identifier: MIT */
/* top_json.h - top for machines: an object per line, per step and refresh; see TOP_JSON_HELP */
#ifndef TOP_JSON_H
#define TOP_JSON_H

#include "top_out.h"
#include "top_rows.h"

/* Which keys there are, for the help. */
/* clang-format off */
#define TOP_JSON_HELP \
	"--json prints an object per line: one per step and refresh, and a last one for a\n" \
	"step that has ended. Times are ms, shares 0 to 1 of the last second, and what is\n" \
	"not known is null: state, shares, rates and spells of a step, and the verdict,\n" \
	"until it has been watched for a second.\n" \
	"  time               of the refresh, seconds since 1970\n" \
	"  pid, process, step, instance (text: it has 64 bits)\n" \
	"  consumer, level    the oldest instance of its consumer; 0 is a head\n" \
	"  state              refusing, blocked, busy, flowing, idle, partly, ended or null: by\n" \
	"                     these shares, the first of blocked, self, busy with half\n" \
	"  watched            1, or by --budget the share of the time that it is watched.\n" \
	"                     Then state is partly, nobody is at fault, and counters,\n" \
	"                     shares and durations are of the last such part only\n" \
	"  since              for so long it has been in this state most of the time\n" \
	"  refusing, blocked, self, busy\n" \
	"                     shares; the first three are exact, and refusing is self and\n" \
	"                     a part of blocked; busy is by samples\n" \
	"  split              {busy, blocked, refusing, idle}: the first of them that held,\n" \
	"                     by samples; with enter marks they add up to 1\n" \
	"  send_backpressure, send_backpressure_time, submit_accepted, ...\n" \
	"                     every counter of `pushback run`, since first sight\n" \
	"  send_backpressure_spell, receive_backpressure_spell\n" \
	"                     how long its spell has lasted, 0 in none\n" \
	"  since_at_least, send_backpressure_spell_at_least,\n" \
	"  receive_backpressure_spell_at_least\n" \
	"                     whether that beginning was not seen: it lasts longer\n" \
	"  queue_depth, queue_capacity\n" \
	"  per_second         {submit_accepted, submit_forwarded, send_backpressure,\n" \
	"                     receive_backpressure} in the last second\n" \
	"  send_backpressure_duration, receive_backpressure_duration\n" \
	"                     {count, p50, p99, longest, at_least} since top began, of\n" \
	"                     all `instances` of this name in this process: p50 and p99\n" \
	"                     of those that have closed, longest of what is open, too;\n" \
	"                     null where there is none\n" \
	"  some, full         [avg10, avg60, avg300] of its consumer\n" \
	"  pressure_some_time, pressure_full_time\n" \
	"  verdict            {kind, text}: nothing, stopped, flowing, busiest,\n" \
	"                     bottleneck, unclear, behind or partly\n" \
	"  at_fault           whether it blames this step\n" \
	"  consumer_ended     of a step that has ended: no other of its process is left\n" \
	"  lost               {reason: count}: the numbers are not complete, but for\n" \
	"                     name_cut, note_dead and note_duplicate\n"
/* clang-format on */

/* A sink that ends the run when nobody reads it any more. NULL when out of memory. */
struct sink *top_json_new(struct top_out *out, top_process_fn process);

#endif /* TOP_JSON_H */
