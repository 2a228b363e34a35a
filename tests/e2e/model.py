# SPDX-License-Identifier: MIT
"""What each observer must have said, computed from what a consumer did.

Written from section 3 of the design alone; shares no code with the project. It is told in order
what happened: calls (with the bounds of their instant, and whether the step's probe fired at it),
steps made and ended, forks, execs, exits, observers that come and go. At an observer's end it says,
per process and step name, what must have arrived. Times are bounds, too: [least, most] ns.

An observer knows a step from the beginning of the step's watch, if it was there; else from the
first call that fires on, that call included.
"""

import collections

SEND, RECEIVE = 0, 1
DIRECTIONS = ("send", "receive")
ACCEPTED, REJECTED, PROPAGATED, INVALID = range(4)

FRESH, MISSED, KNOWN = "fresh", "missed", "known"
EDGE_NS = 2_000_000  # a cycle that begins this long after the last one for each edge of that is not folded
CYCLE_EDGES = 16


class Bounds(collections.namedtuple("Bounds", "least most")):
    """Of an instant, or of a time."""

    __slots__ = ()

    def __add__(self, other):
        return Bounds(self.least + other.least, self.most + other.most)

    def since(self, begin):
        return Bounds(max(0, self.least - begin.most), max(0, self.most - begin.least))

    def later_of(self, other):
        return Bounds(max(self.least, other.least), max(self.most, other.most))


NOTHING = Bounds(0, 0)


class Tally:
    """What one observer has seen of one step instance."""

    def __init__(self, begin, late=False):
        self.begin = begin
        self.late = late  # others had known it before
        self.dead = False
        self.accepted = 0
        self.forwarded = 0
        self.attempts = [0, 0]
        self.closed = [0, 0]
        self.abandoned = [0, 0]
        self.partial = [0, 0]
        self.may_be_folded = [0, 0]
        # Ends at first sight that a heartbeat told, so that they do not count: closed, partial.
        self.may_be_unseen = [0, 0]
        self.may_be_unseen_partial = [0, 0]
        self.time = [NOTHING, NOTHING]
        self.self_time = NOTHING
        self.samples = [[], []]

    def lasted(self, since, now):
        """How much of it this observer was there for."""
        return now.since(since.later_of(self.begin))


class Step:
    """An instance at its place."""

    def __init__(self, name, thing):
        self.name = name
        self.thing = thing  # the executable or library whose probes it calls
        self.tallies = {}  # observer -> Tally
        self.reset(FRESH)

    def reset(self, status):
        self.status = status
        self.open = [None, None]
        self.is_partial = [False, False]
        self.unknown = [status == MISSED, status == MISSED]
        self.self_since = None
        self.cycle_began = None
        self.paid_until = 0  # by then all cycles before this one have been paid for, had each been fired
        self.cycle_edges = 0
        self.cycle_may_fold = False

    def child(self):
        step = Step(self.name, self.thing)
        step.reset(FRESH if self.status == FRESH else MISSED)
        return step


class Observer:
    def __init__(self, things):
        self.things = things
        self.tallies = []  # (pid, step name, Tally)
        self.replaced = 0  # steps that it knew and that were written over


class Model:
    def __init__(self):
        self.observers = []  # that are attached
        self.processes = collections.defaultdict(dict)  # pid -> {place: Step}
        self.replaced = {}  # (pid, place) -> the Step that lived there and never ended

    # ---- Observers ----

    def attach(self, things):
        observer = Observer(things)
        self.observers.append(observer)
        return observer

    def detach(self, observer, told, after):
        """[(pid, step name, Tally)]: what it has seen in all its time."""
        now = Bounds(told, after)
        for steps in self.processes.values():
            for step in steps.values():
                self._account(step, now, [observer])
        self.drop(observer)
        return observer.tallies

    def drop(self, observer):
        """It is gone, whatever it had seen."""
        self.observers.remove(observer)
        for steps in (*self.processes.values(), self.replaced):
            for step in steps.values():
                step.tallies.pop(observer, None)

    def _watching(self, step):
        return [o for o in self.observers if step.thing in o.things]

    # ---- Steps ----

    def init(self, pid, place, name, thing):
        before = self.processes[pid].get(place)
        if before and before.tallies:
            self.replaced[pid, place] = before
        self.processes[pid][place] = Step(name, thing)

    def call(self, pid, call):
        """`call` has place, op, value, before, after and fired."""
        if call.op not in ("submit", "forward", "poll", "end"):
            return
        step = self.processes[pid][call.place]
        now = Bounds(call.before, call.after)
        watching = self._watching(step)
        if not watching:
            self._unwatched(step, call)
        elif call.op == "end":
            self._end(pid, step, call, now, watching)
        else:
            self._watched(pid, step, call, now, watching)

    def run(self, pid, run):
        """The same again and again: only the first can be an edge."""
        times = run.times
        fired_first = run.fires > 0 and run.first == 0
        self.call(pid, Once(run.place, run.op, run.value, run.before, run.second, fired_first))
        step = self.processes[pid][run.place]
        for tally in step.tallies.values():
            self._count(tally, run.op, run.value, times - 1)
        if run.fires and run.first > 0:
            # The first fire was on the way: who did not know the step joined there.
            now = Bounds(run.second, run.after)
            for observer in self._watching(step):
                if observer not in step.tallies:
                    tally = self._meet(pid, step, observer, now)
                    self._count(tally, run.op, run.value, times - run.first)

    def _unwatched(self, step, call):
        step.reset(FRESH if call.op == "end" else MISSED)

    def _end(self, pid, step, call, now, watching):
        if step.status == KNOWN:
            for observer in watching:
                self._meet(pid, step, observer, now)
            self._abandon(step, now)
        step.tallies = {}
        step.reset(FRESH)

    def _watched(self, pid, step, call, now, watching):
        if step.status != KNOWN:
            assert call.fired, f"the first return of a watch was not told: {call}"
            step.reset(step.status)
            step.status = KNOWN
            for observer in watching:
                self._meet(pid, step, observer, now, late=False)
            before = self.replaced.pop((pid, call.place), None)
            if before:
                for observer in before.tallies:
                    observer.replaced += 1
                self._abandon(before, now)
        joining = []
        if call.fired:
            joining = [o for o in watching if o not in step.tallies]
            for observer in joining:
                self._meet(pid, step, observer, now)
        for tally in step.tallies.values():
            self._count(tally, call.op, call.value, 1)
        self._edge(step, call, now, joining)

    def _meet(self, pid, step, observer, now, late=True):
        if observer not in step.tallies:
            step.tallies[observer] = Tally(now, late)
            observer.tallies.append((pid, step.name, step.tallies[observer]))
        return step.tallies[observer]

    # ---- Outcomes ----

    @staticmethod
    def _count(tally, op, value, times):
        if op == "submit" and value == ACCEPTED:
            tally.accepted += times
        elif op == "submit" and value == REJECTED:
            tally.attempts[SEND] += times
        elif op == "forward" and value == ACCEPTED:
            tally.forwarded += times
        elif op == "forward" and value in (REJECTED, PROPAGATED):
            tally.attempts[RECEIVE] += times

    def _edge(self, step, call, now, joining):
        direction = RECEIVE if call.op == "forward" else SEND
        if call.op == "poll":
            opens, closes = False, call.value != 0
        else:
            opens = call.value == REJECTED or (
                call.op == "forward" and call.value == PROPAGATED
            )
            closes = call.value == ACCEPTED
        if opens and step.open[direction] is None:
            self._open(step, direction, now)
        elif closes and (step.open[direction] is not None or step.unknown[direction]):
            self._close(step, direction, now, joining)

    def _open(self, step, direction, now):
        self._account(step, now, step.tallies)
        if step.open == [None, None]:
            self._begin_cycle(step, now)
        step.open[direction] = now
        step.is_partial[direction] = step.unknown[direction]
        step.unknown[direction] = False
        self._edge_done(step, now)

    def _close(self, step, direction, now, joining):
        self._account(step, now, step.tallies)
        since = step.open[direction]
        step.unknown[direction] = False
        if since is not None:
            for observer, tally in step.tallies.items():
                if step.is_partial[direction]:
                    tally.partial[direction] += 1
                    if observer in joining:
                        tally.may_be_unseen_partial[direction] += step.cycle_may_fold
                    continue
                tally.closed[direction] += 1
                tally.samples[direction].append(now.since(since))
                tally.may_be_folded[direction] += step.cycle_may_fold
                if observer in joining:
                    tally.may_be_unseen[direction] += step.cycle_may_fold
        step.open[direction] = None
        step.is_partial[direction] = False
        self._edge_done(step, now)

    def _abandon(self, step, now):
        self._account(step, now, step.tallies)
        for tally in step.tallies.values():
            tally.dead = True
            for direction in (SEND, RECEIVE):
                if step.open[direction] is not None:
                    tally.abandoned[direction] += 1

    def _account(self, step, now, observers):
        """Time so far goes into the tallies; they begin anew from here."""
        for observer in observers:
            tally = step.tallies.get(observer)
            if not tally:
                continue
            for direction in (SEND, RECEIVE):
                since = step.open[direction]
                if since is not None:
                    tally.time[direction] += tally.lasted(since, now)
            if step.open[SEND] is not None and step.open[RECEIVE] is None:
                tally.self_time += tally.lasted(step.self_since, now)
            tally.begin = now

    # ---- Cycles ----

    def _begin_cycle(self, step, now):
        if step.cycle_began is not None:
            step.paid_until = max(step.paid_until, step.cycle_began.most + step.cycle_edges * EDGE_NS)
        step.cycle_began = now
        step.cycle_may_fold = now.least < step.paid_until
        step.cycle_edges = 0

    def _edge_done(self, step, now):
        if step.open[SEND] is not None and step.open[RECEIVE] is None:
            step.self_since = now
        step.cycle_edges += 1
        if step.cycle_edges >= CYCLE_EDGES and step.open != [None, None]:
            self._begin_cycle(step, now)

    # ---- Processes ----

    def fork(self, parent, child):
        self.processes[child] = {p: s.child() for p, s in self.processes[parent].items()}

    def exec(self, pid, before, after):
        self.exit(pid, before, after)

    def exit(self, pid, before, after):
        now = Bounds(before, after)
        for step in self.processes.pop(pid, {}).values():
            self._abandon(step, now)

    def library_closed(self, pid, thing):
        steps = self.processes[pid]
        for place in [p for p, s in steps.items() if s.thing == thing]:
            del steps[place]


Once = collections.namedtuple("Once", "place op value before after fired")


# ---- Held against what arrived ----


def add_up(tallies):
    """{(step name, pid): [Tally, ...]}"""
    result = collections.defaultdict(list)
    for pid, name, tally in tallies:
        result[name, str(pid)].append(tally)
    return result


def differences(tallies, series):
    """What does not fit, as lines of text. `series` has counters, gauges and samples by name."""
    wrong = []
    expected = add_up(tallies)
    for key in sorted(set(expected) | set(series)):
        here = Check(key, series[key], wrong)
        if key not in expected:
            here.say("nothing was to be seen of it", dict(series[key].counters))
            continue
        here.check(expected[key])
    return wrong


class Check:
    """One series against the tallies that went into it."""

    def __init__(self, key, series, wrong):
        self.key, self.series, self.wrong = key, series, wrong

    def say(self, *what):
        self.wrong.append(f"{self.key}: " + " ".join(map(str, what)))

    def check(self, tallies):
        self.exactly("submit_accepted", sum(t.accepted for t in tallies))
        self.exactly("submit_forwarded", sum(t.forwarded for t in tallies))
        living = sum(not t.dead for t in tallies)
        if self.series.gauges["instances"] != living:
            self.say("instances is", self.series.gauges["instances"], "not", living)
        self.time("send_backpressure_self_time", [t.self_time for t in tallies])
        for direction in (SEND, RECEIVE):
            self.direction(direction, f"{DIRECTIONS[direction]}_backpressure", tallies)

    def direction(self, d, stem, tallies):
        closed = sum(t.closed[d] for t in tallies)
        unseen = sum(t.may_be_unseen[d] for t in tallies)
        self.exactly(stem, sum(t.attempts[d] for t in tallies))
        self.exactly(f"{stem}_abandoned", sum(t.abandoned[d] for t in tallies))
        partial = sum(t.partial[d] for t in tallies)
        unseen_partial = sum(t.may_be_unseen_partial[d] for t in tallies)
        self.between(f"{stem}_partial", partial - unseen_partial, partial)
        self.between(f"{stem}_episodes", closed - unseen, closed)
        self.between(f"{stem}_folded", 0, sum(t.may_be_folded[d] for t in tallies))
        self.time(f"{stem}_time", [t.time[d] for t in tallies])
        self.durations(d, tallies)

    def exactly(self, name, value):
        self.between(name, value, value)

    def between(self, name, least, most):
        got = self.series.counters[name]
        if not least <= got <= most:
            wanted = least if least == most else f"{least} to {most}"
            self.say(name, "is", got, "not", wanted)

    def time(self, name, times):
        """In whole ms, cut; once more for each instance, since a series may end before the next."""
        total = NOTHING
        for one in times:
            total += one
        least = max(0, total.least // 1_000_000 - (len(times) - 1))
        self.between(name, least, total.most // 1_000_000)

    def durations(self, d, tallies):
        got = self.series.durations(DIRECTIONS[d])
        closed = self.series.counters[f"{DIRECTIONS[d]}_backpressure_episodes"]
        if len(got) != closed:
            self.say(DIRECTIONS[d], "samples:", len(got), "for", closed, "closed episodes")
            return
        true = [s for t in tallies for s in t.samples[d]]
        if not true:
            return
        if len(true) <= 32 and not any(t.may_be_folded[d] for t in tallies):
            least, most = sorted(s.least for s in true), sorted(s.most for s in true)
        else:
            least = [min(s.least for s in true)] * len(got)
            most = [max(s.most for s in true)] * len(got)
        for low, value, high in zip(least, got, most):
            if not lower(low) <= value <= upper(high):
                where = DIRECTIONS[d]
                self.say(where, "took", value, "ms, not", low / 1e6, "to", high / 1e6)


# A bucket's middle is at most 1/64 of its octave off; the first is 1 us wide, values are whole us.
def lower(ns):
    return max(0, ns * (1 - 1 / 63) - 1_100) / 1e6


def upper(ns):
    return (ns * (1 + 1 / 63) + 1_100) / 1e6
