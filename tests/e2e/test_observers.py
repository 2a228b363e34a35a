# SPDX-License-Identifier: MIT
"""Observers that come and go, much at once, libraries, names and formats, against the real kernel.

As test_semantics.py: every number is compared, with uprobe_multi and with perf uprobes.
"""

import re
import time

import pytest

from agent import PREFIX
from driver import ACCEPTED, INVALID, PLACES, PROPAGATED, REJECTED
from model import Bounds, lower, upper
from program import patient
from scene import (
    between,
    blocked,
    expect,
    expect_abandoned,
    left_open,
    nothing_lost,
    one,
    pause,
    refuse,
    refused,
)

ABANDONED = PREFIX + "send_backpressure_abandoned"


# ---- Observers that come and go ----


def test_what_ran_unwatched_is_partial_until_its_state_is_known(scene):
    d = scene.step()
    d.submit(0, REJECTED)
    d.forward(0, REJECTED)
    agent = scene.attach()
    pause()
    d.submit(0, PROPAGATED)  # says nothing about it
    d.forward(0, INVALID)
    send = d.submit(0, REJECTED)
    receive = d.forward(0, REJECTED)
    pause()
    free = d.forward(0, ACCEPTED)
    known = d.poll(0, True)
    second = refuse(d)
    agent.end()
    expect(
        one(agent),
        refused(send, known, "partial", own=between(send, receive) + between(free, known)),
        refused(*second),
        blocked(receive, free, "partial"),
        submit_accepted=1,
        submit_forwarded=1,
    )


@pytest.mark.parametrize("known", [("submit", ACCEPTED), ("poll", 1)], ids=str)
def test_one_sign_of_readiness_and_the_next_episode_is_whole(scene, known):
    d = scene.step()
    d.submit(0, REJECTED)
    agent = scene.attach()
    d.call(known[0], 0, known[1])
    begin, end = refuse(d)
    agent.end()
    expect(one(agent), refused(begin, end), submit_accepted=1 + (known[0] == "submit"))


def test_a_partial_episode_that_is_abandoned_counts_as_abandoned(scene):
    d = scene.step()
    d.submit(0, REJECTED)
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    end = d.step_end(0)
    agent.end()
    expect(one(agent), refused(begin, end, "abandoned"), instances=0)


def test_a_step_that_was_never_called_has_missed_nothing(scene):
    d = scene.step()
    d.call("depth", 0, 3)
    agent = scene.attach()
    begin, end = refuse(d)
    agent.end()
    expect(one(agent), refused(begin, end), submit_accepted=1)


def test_no_episode_ends_because_an_observer_does(scene):
    d = scene.step()
    leaving, staying = scene.attach(), scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    left = leaving.end()
    pause()
    end = d.submit(0, ACCEPTED)
    staying.end()
    expect(one(leaving), refused(begin, left, "open"))
    expect(one(staying), refused(begin, end), submit_accepted=1)
    assert d.let_go()


def test_a_second_observer_joins_a_stuck_step(scene):
    """Whole within 1.5 s at ten retries a second; both are exact."""
    d = scene.step()
    first = scene.attach()
    begin = d.submit(0, REJECTED)
    second = scene.attach()
    joined = time.monotonic_ns()
    tries = []
    while not any(t.fired for t in tries):
        assert time.monotonic_ns() - joined < 1.5e9
        tries.append(d.submit(0, REJECTED))
        time.sleep(0.1)
    d.submit(0, REJECTED)
    end = d.submit(0, ACCEPTED)
    first.end()
    second.end()
    expect(one(first), refused(begin, end, attempts=len(tries) + 2), submit_accepted=1)
    seen = refused(tries[-1], end, attempts=2) | {"send": [between(begin, end)]}
    expect(one(second), seen, submit_accepted=1)


def test_what_ended_untold_before_it_came_is_not_a_late_observers(scene):
    """A partial episode that closes in a folded cycle, and an observer after that."""
    d = scene.step()
    d.forward(0, REJECTED)
    first = scene.attach()
    quick = [("submit", 0, REJECTED), ("submit", 0, ACCEPTED)]
    calls = d.calls(quick * 60 + [("forward", 0, REJECTED), ("forward", 0, ACCEPTED)])
    assert not calls[-1].fired
    second = scene.attach()
    d.tell_all(0)
    first.end()
    second.end()
    assert one(first).counters["receive_backpressure_partial"] == 1
    expect(one(second))


def test_the_next_observer_after_no_call_at_all_takes_over(scene):
    """Nothing was missed: the beginning is known, though nobody watched for a while."""
    d = scene.step()
    first = scene.attach()
    begin = d.submit(0, REJECTED)
    left = first.end()
    assert d.let_go()
    second = scene.attach()
    end = d.submit(0, ACCEPTED)
    second.end()
    expect(one(first), refused(begin, left, "open"))
    expect(one(second), send=[between(begin, end)], send_backpressure_episodes=1, submit_accepted=1)


def test_a_call_while_nobody_watches_drops_what_was_open(scene):
    d = scene.step()
    first = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    left = first.end()
    assert d.let_go()
    d.submit(0, REJECTED)
    second = scene.attach()
    partial = refuse(d)
    second.end()
    expect(one(first), refused(begin, left, "open"))
    expect(one(second), refused(*partial, "partial"), submit_accepted=1)


def test_an_observer_that_is_killed_leaves_nothing(scene):
    d = scene.step()
    scene.attach().kill()
    assert d.let_go()
    assert not d.submit(0, REJECTED).fired


def test_an_open_episode_counts_up_to_the_end(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.forward(0, REJECTED)
    pause()
    end = agent.end()
    expect(one(agent), blocked(begin, end, "open"))


def test_only_the_given_process_is_watched(scene):
    d = scene.step()
    child = scene.fork()
    agent = scene.attach("--pid", d.pid)
    d.submit(0, ACCEPTED)
    child.submit(0, ACCEPTED)
    agent.end()
    assert set(agent.series()) == {("step", str(d.pid))}
    expect(one(agent), submit_accepted=1)


# ---- Few of many ----


def test_one_of_many_idle_steps_is_heard(scene):
    """Of those without an event the map is not read; each flush has what the others did before it."""
    d = scene.step()
    for place in range(1, 20):
        d.init(place, f"idle{place}")
    agent = scene.attach()
    episodes = [refuse(d, place) for place in range(20)][:1]
    for count in range(1, 6):
        await_durations(agent, "step", count)
        time.sleep(0.3)
        begin = d.submit(0, REJECTED)
        time.sleep(0.04 * count)  # none is like the mean of them
        episodes.append((begin, d.submit(0, ACCEPTED)))
    await_durations(agent, "step", 6)
    agent.end()
    expect(one(agent), *[refused(*episode) for episode in episodes], submit_accepted=6)
    for place in range(1, 20):
        series = one(agent, f"idle{place}")
        assert len(series.durations("send")) == series.counters["send_backpressure_episodes"] == 1
    nothing_lost(agent)


def await_durations(agent, step, count):
    end = time.monotonic() + patient(5)
    while len(durations_so_far(agent, step)) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(durations_so_far(agent, step)) == count


def durations_so_far(agent, step):
    found = [series for (name, _), series in agent.series().items() if name == step]
    return found[0].durations("send") if found else []


# ---- Volume ----


def test_cycles_beyond_the_rate_bound_are_folded_and_stay_exact(scene):
    d = scene.step()
    agent = scene.attach()
    sequence = [("submit", 0, REJECTED), ("submit", 0, REJECTED), ("submit", 0, ACCEPTED)]
    calls = d.calls(sequence, 5000)
    agent.end()
    series = one(agent)
    time_ns = Bounds(0, 0)
    for begin, end in zip(calls[::3], calls[2::3]):
        time_ns += between(begin, end)
    counters = series.counters
    assert counters["send_backpressure"] == 10_000
    assert counters["submit_accepted"] == 5000
    assert counters["send_backpressure_episodes"] == 5000
    assert len(series.durations("send")) == 5000
    assert time_ns.least // 1e6 <= counters["send_backpressure_time"] <= time_ns.most // 1e6
    # 32 at once, then one in 4 ms; one more for the bounds of the clock readings.
    lasted = (calls[-1].after - calls[0].before) / 1e6
    folded = counters["send_backpressure_folded"]
    fired = sum(c.fired for c in calls)
    assert 5000 - (32 + lasted / 4 + 1) <= folded < 5000
    assert fired <= 2 * (5000 - folded) + lasted / 1000 + 1


def test_a_sample_stands_for_those_that_were_folded(scene):
    d = scene.step()
    agent = scene.attach()
    calls = []
    for us in (400, 100):
        sequence = [("submit", 0, REJECTED), ("spin", 0, us), ("submit", 0, ACCEPTED)]
        calls += d.calls(sequence, 200)
    agent.end()
    took = [between(begin, end) for begin, end in zip(calls[::3], calls[2::3])]
    series = one(agent)
    durations = series.durations("send")
    assert series.counters["send_backpressure_episodes"] == len(durations) == 400
    assert series.counters["send_backpressure_folded"] > 100
    assert durations[0] >= lower(min(t.least for t in took))
    assert durations[-1] <= upper(max(t.most for t in took))
    # Half of them are long, fired or not: what is folded takes after what is sampled next to it.
    assert 150 <= sum(one_ms > 0.3 for one_ms in durations) <= 250


def test_blocking_that_was_folded_is_no_self_time(scene):
    """In a cycle that does not fire, a step is seen refusing, and then is blocked untold."""
    d = scene.step()
    agent = scene.attach()
    quick = [("submit", 0, REJECTED), ("submit", 0, ACCEPTED)]
    calls = d.calls(quick * 30 + [("submit", 0, REJECTED)], 3)
    send = calls[-1]
    d.tell_all(0)
    receive = d.forward(0, REJECTED)
    assert not receive.fired
    # The agent drains meanwhile.
    time.sleep(0.7)
    end = d.submit(0, ACCEPTED)
    agent.end()
    counters = one(agent).counters
    assert counters["send_backpressure_time"] >= between(send, end).least // 1_000_000
    own = between(send, receive)
    # The quick ones are in it: some hundreds of microseconds.
    most = own + between(calls[0], calls[-1])
    got = counters["send_backpressure_self_time"]
    assert own.least // 1_000_000 <= got <= most.most // 1_000_000


def test_threads_at_once_each_with_a_step(scene):
    d = scene.driver
    threads = range(1, 7)
    for thread in threads:
        d.init(thread, f"step{thread}")
    agent = scene.attach()
    sequences = {
        t: [("submit", t, REJECTED)] * t + [("submit", t, ACCEPTED), ("forward", t, ACCEPTED)]
        for t in threads
    }
    for thread, sequence in sequences.items():
        d.begin(sequence, 1000, thread)
    for thread, sequence in sequences.items():
        d.finish(sequence, thread)
    agent.end()
    for thread in threads:
        series = one(agent, f"step{thread}")
        assert series.counters["send_backpressure"] == 1000 * thread
        assert series.counters["submit_accepted"] == 1000
        assert series.counters["submit_forwarded"] == 1000
        assert series.counters["send_backpressure_episodes"] == 1000
        assert len(series.durations("send")) == 1000
    nothing_lost(agent)


def test_one_step_driven_by_threads_in_turn(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.submit(0, REJECTED, thread=1)
    for thread in range(2, 7):
        d.submit(0, REJECTED, thread=thread)
    end = d.poll(0, True, thread=7)
    agent.end()
    expect(one(agent), refused(begin, end, attempts=6))


def test_instances_of_one_name_are_added_up(scene):
    d = scene.driver
    for place in range(5):
        d.init(place, "step")
    agent = scene.attach()
    begins = [d.submit(place, REJECTED) for place in range(5)]
    pause()
    ends = [d.submit(place, ACCEPTED) for place in range(4)]
    told = agent.end()
    whole = map(refused, begins, ends)
    expect(one(agent), *whole, refused(begins[4], told, "open"), instances=5, submit_accepted=4)


# ---- Libraries ----


def test_a_library_opened_later_is_seen(scene):
    d = scene.driver
    agent = scene.attach()
    d.dlopen()
    d.init(PLACES, "inside")
    d.init(0, "outside")
    begin, end = refuse(d, PLACES)
    d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent, "inside"), refused(begin, end), submit_accepted=1)
    expect(one(agent, "outside"), submit_accepted=1)


def test_a_library_closed_and_opened_again_has_new_instances(scene):
    d = scene.driver
    agent = scene.attach()
    for _ in range(3):
        d.dlopen()
        d.init(PLACES, "inside")
        d.submit(PLACES, REJECTED)
        d.submit(PLACES, ACCEPTED)
        d.step_end(PLACES)
        d.dlclose()
    agent.end()
    counters = one(agent, "inside").counters
    assert counters["submit_accepted"] == counters["send_backpressure"] == 3
    assert counters["send_backpressure_episodes"] == 3
    assert counters["send_backpressure_abandoned"] == 0
    nothing_lost(agent)


def test_a_step_whose_memory_is_gone_is_abandoned_in_time(scene):
    """A library closed without step_end: its steps are not open for ever."""
    d = scene.driver
    agent = scene.attach()
    d.dlopen()
    d.init(PLACES, "inside")
    d.submit(PLACES, REJECTED)
    pause()
    d.dlclose()
    assert agent.receiver.wait_for(lambda r: r.counter(ABANDONED, step="inside") == 1)
    agent.end()
    counters = one(agent, "inside").counters
    assert counters["send_backpressure"] == counters["send_backpressure_abandoned"] == 1
    assert one(agent, "inside").gauges["instances"] == 0
    assert agent.lost() == {"gone": 1}


def test_a_library_closed_takes_nothing_of_the_others_with_it(scene):
    d = scene.driver
    agent = scene.attach()
    d.dlopen()
    d.init(PLACES, "inside")
    d.submit(PLACES, REJECTED)
    opened = left_open(d)
    d.dlclose()
    assert agent.receiver.wait_for(lambda r: r.counter(ABANDONED, step="inside") == 1)
    # Untold, and so read at the exit.
    d.init(1, "later")
    d.submit(1, ACCEPTED)
    d.calls([("submit", 1, ACCEPTED)], 50)
    end = d.exit()
    agent.end()
    expect_abandoned(one(agent), opened, end)
    expect(one(agent, "later"), instances=0, submit_accepted=51)
    assert agent.lost() == {"gone": 1}


# ---- Names ----


def test_names_that_mean_harm_become_sane_labels(scene):
    d = scene.driver
    names = [
        b"a|b#c:d,e@f",
        b"line\nstreams.pipeline.evil:1|c",
        b"\xff\xfe\x80 \x01\x7f",
        b"",
        b"x" * 10_000,
        b"y" * 127,
    ]
    for place, name in enumerate(names):
        d.init(place, name)
    d.init(50, "unterminated")
    d.overwrite_name(50, b"z" * 128)
    agent = scene.attach()
    for place in (*range(len(names)), 50):
        d.submit(place, ACCEPTED)
        d.submit(place, REJECTED)
    agent.end()
    steps = {step for step, _ in agent.series()}
    assert len(steps) == len(names) + 1
    for step in steps:
        assert re.fullmatch(r"[A-Za-z0-9_./:-]{1,127}", step), step
        assert one(agent, step).counters["submit_accepted"] == 1
    assert {"x" * 127, "y" * 127, "z" * 127} <= steps
    # Two were longer than fits, and that is said.
    assert agent.lost() == {"name_cut": 2}
    assert not [line for line in agent.receiver.lines if "evil" in line.split(":")[0]]


# ---- Formats and gauges ----


def test_statsd_and_summary_say_the_same(scene):
    d = scene.step()
    plain = scene.attach("--format", "statsd")
    summary = scene.attach("--format", "summary", interval="10s")
    whole = [refuse(d) for _ in range(3)]
    plain.end()
    summary.end()
    took = [between(*episode) for episode in whole]
    total = took[0] + took[1] + took[2]
    expect(one(plain), *(refused(*episode) for episode in whole), submit_accepted=3)
    assert not [line for line in plain.receiver.lines if "|d" in line or "|h" in line]

    series = one(summary)
    assert not series.samples
    stem = "send_backpressure_duration"
    assert series.counters.pop(f"{stem}.count") == 3
    got = series.counters.pop(f"{stem}.sum")
    assert total.least * 0.984 / 1e6 - 1 <= got <= total.most * 1.016 / 1e6
    for name, which in (("min", 0), ("p50", 1), ("p90", 2), ("p99", 2), ("max", 2)):
        got = series.gauges.pop(f"{stem}.{name}")
        least, most = sorted(t.least for t in took)[which], sorted(t.most for t in took)[which]
        assert least * 0.984 / 1e6 <= got <= most * 1.016 / 1e6, name
    unsampled = (refused(*episode) | {"send": []} for episode in whole)
    expect(series, *unsampled, submit_accepted=3)


def test_a_spell_lasts_while_it_is_stuck_and_ends_with_a_zero(scene):
    d = scene.step()
    agent = scene.attach()
    name = "streams.pipeline.send_backpressure_spell"
    begin = d.submit(0, REJECTED)
    assert agent.receiver.wait_for(lambda r: (r.gauge(name, step="step") or 0) >= 2500)
    # A spell begins with the second that was half of it in backpressure.
    age = (time.monotonic_ns() - begin.before) / 1e6
    assert agent.receiver.gauge(name, step="step") <= age + 1000
    d.submit(0, ACCEPTED)
    assert agent.receiver.wait_for(lambda r: r.gauge(name, step="step") == 0)
    assert agent.receiver.gauge("streams.pipeline.receive_backpressure_spell", step="step") is None
    agent.end()
