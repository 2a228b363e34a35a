# SPDX-License-Identifier: MIT
"""Each row of the design's table of semantics on its own, against the real kernel.

The consumer does a few calls, the observer ends, and every number that it said is compared: counts
exactly, times within the bounds of the calls. All of it with uprobe_multi and with perf uprobes.
"""

import time

import pytest

from driver import ACCEPTED, INVALID, PROPAGATED, REJECTED
from scene import (
    between,
    blocked,
    expect,
    expect_abandoned,
    left_open,
    nothing_lost,
    one,
    pause,
    refused,
)

# ---- submit ----


def test_rejections_open_one_episode_and_an_acceptance_closes_it(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    d.submit(0, REJECTED)
    d.submit(0, REJECTED)
    end = d.submit(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent), **refused(took, attempts=3), submit_accepted=1)
    nothing_lost(agent)


def test_acceptances_alone_are_only_counted(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    for _ in range(5):
        d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), submit_accepted=5)


def test_what_is_not_its_own_refusal_changes_nothing(scene):
    d = scene.driver
    outcomes = [PROPAGATED, INVALID, 4, 255, 1 << 30, -1]
    for i in range(len(outcomes)):
        d.init(2 * i, f"closed{i}")
        d.init(2 * i + 1, f"open{i}")
    agent = scene.attach()
    took = []
    for i, outcome in enumerate(outcomes):
        d.submit(2 * i, outcome)
        d.submit(2 * i, outcome)
        begin = d.submit(2 * i + 1, REJECTED)
        pause()
        d.submit(2 * i + 1, outcome)
        pause()
        took.append(between(begin, d.submit(2 * i + 1, ACCEPTED)))
    agent.end()
    for i in range(len(outcomes)):
        expect(one(agent, f"closed{i}"))
        expect(
            one(agent, f"open{i}"),
            **refused(took[i]),
            submit_accepted=1,
        )


def test_every_attempt_of_a_spinning_caller_counts(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    run = d.run("submit", 0, REJECTED, 1_000_003)
    end = d.submit(0, ACCEPTED)
    agent.end()
    took = between((run.before, run.second), end)
    expect(one(agent), **refused(took, attempts=1_000_003), submit_accepted=1)


# ---- forward ----


@pytest.mark.parametrize("refusal", [REJECTED, PROPAGATED])
def test_a_refusal_of_the_next_step_blocks(scene, refusal):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    begin = d.forward(0, refusal)
    pause()
    d.forward(0, refusal)
    end = d.forward(0, ACCEPTED)
    d.forward(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent), **blocked(took, attempts=2), submit_forwarded=2)


def test_an_invalid_forward_changes_nothing(scene):
    d = scene.driver
    outcomes = [INVALID, 4, 255, -1]
    for i in range(len(outcomes)):
        d.init(2 * i, f"closed{i}")
        d.init(2 * i + 1, f"open{i}")
    agent = scene.attach()
    took = []
    for i, outcome in enumerate(outcomes):
        d.forward(2 * i, outcome)
        begin = d.forward(2 * i + 1, REJECTED)
        pause()
        d.forward(2 * i + 1, outcome)
        pause()
        took.append(between(begin, d.forward(2 * i + 1, ACCEPTED)))
    agent.end()
    for i in range(len(outcomes)):
        expect(one(agent, f"closed{i}"))
        expect(
            one(agent, f"open{i}"),
            **blocked(took[i]),
            submit_forwarded=1,
        )


def test_self_time_stands_still_while_blocked(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    send = d.submit(0, REJECTED)
    pause()
    blocked = d.forward(0, PROPAGATED)
    pause()
    free = d.forward(0, ACCEPTED)
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(
        one(agent),
        send=[between(send, end)],
        receive=[between(blocked, free)],
        send_backpressure=1,
        send_backpressure_episodes=1,
        send_backpressure_time=between(send, end),
        send_backpressure_self_time=between(send, blocked) + between(free, end),
        receive_backpressure=1,
        receive_backpressure_episodes=1,
        receive_backpressure_time=between(blocked, free),
        submit_accepted=1,
        submit_forwarded=1,
    )


# ---- poll ----


def test_a_ready_poll_ends_the_refusing(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    end = d.poll(0, True)
    pause()
    d.submit(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent), **refused(took), submit_accepted=1)


def test_a_poll_that_is_not_ready_ends_nothing_and_no_poll_ends_the_blocking(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    send = d.submit(0, REJECTED)
    d.poll(0, False)
    receive = d.forward(0, REJECTED)
    pause()
    d.poll(0, False)
    end = d.poll(0, True)
    pause()
    free = d.forward(0, ACCEPTED)
    agent.end()
    expect(
        one(agent),
        send=[between(send, end)],
        receive=[between(receive, free)],
        send_backpressure=1,
        send_backpressure_episodes=1,
        send_backpressure_time=between(send, end),
        send_backpressure_self_time=between(send, receive),
        receive_backpressure=1,
        receive_backpressure_episodes=1,
        receive_backpressure_time=between(receive, free),
        submit_forwarded=1,
    )


def test_marks_and_depth_are_no_outcomes(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    for op in ("submit_enter", "poll_enter", "depth"):
        d.call(op, 0, 7)
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent), **refused(took), submit_accepted=1)


# ---- Ends ----


def test_exit_abandons_what_is_open(scene):
    agent = scene.attach()
    ended = []
    for how in (("exit", 0), ("_exit", 1), ("signal", 11), ("signal", 15), ("kill",)):
        for thread in (0, 3):
            d = scene.start()
            opened = left_open(d, thread)
            end = d.kill() if how == ("kill",) else d.exit(*how)
            ended.append((d.pid, opened, end))
    agent.end()
    for pid, opened, end in ended:
        expect_abandoned(one(agent, pid=pid), opened, end)
    nothing_lost(agent)


@pytest.mark.parametrize("ends_by_exit", [True, False])
def test_a_process_without_its_first_thread_is_watched_all_the_same(scene, ends_by_exit):
    d = scene.driver
    agent = scene.attach()
    d.leave_main()
    opened = left_open(d)
    # Drains go by that cannot read through the first thread.
    time.sleep(0.4)
    if ends_by_exit:
        end = d.exit()
        agent.end()
        expect_abandoned(one(agent), opened, end)
    else:
        agent.end()
        counters = one(agent).counters
        assert counters["send_backpressure"] == 102
        assert counters["receive_backpressure"] == 101
        assert counters["send_backpressure_abandoned"] == 0
    nothing_lost(agent)


@pytest.mark.parametrize("round", range(5))
def test_many_threads_that_exit_at_once_exit_once(scene, round):
    """Several of them may take themselves for the last one."""
    agent = scene.attach()
    drivers = [scene.start() for _ in range(8)]
    for driver in drivers:
        driver.init(0, "step")
        for thread in range(1, 8):
            driver.submit(0, REJECTED, thread=thread)
    for driver in drivers:
        driver.exit()
    agent.end()
    for driver in drivers:
        counters = one(agent, pid=driver.pid).counters
        assert counters["send_backpressure"] == 7
        assert counters["send_backpressure_abandoned"] == 1
    nothing_lost(agent)


def test_step_end_abandons_what_is_open(scene):
    d = scene.driver
    agent = scene.attach()
    opened = left_open(d)
    end = d.step_end(0)
    pause()
    agent.end()
    expect_abandoned(one(agent), opened, end)
    nothing_lost(agent)


def test_a_step_with_nothing_open_just_ends(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    d.submit(0, ACCEPTED)
    d.forward(0, ACCEPTED)
    d.step_end(0)
    agent.end()
    expect(one(agent), instances=0, submit_accepted=1, submit_forwarded=1)


def test_a_struct_used_again_after_its_end_is_a_new_instance(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    first = d.submit(0, REJECTED)
    pause()
    end = d.step_end(0)
    pause()
    second = d.submit(0, REJECTED)
    pause()
    closed = d.submit(0, ACCEPTED)
    agent.end()
    took = between(second, closed)
    expect(
        one(agent),
        send=[took],
        send_backpressure=2,
        send_backpressure_episodes=1,
        send_backpressure_abandoned=1,
        send_backpressure_time=between(first, end) + took,
        send_backpressure_self_time=between(first, end) + took,
        submit_accepted=1,
    )
    nothing_lost(agent)


def test_a_new_instance_at_the_same_address_abandons_the_old_one(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    first = d.submit(0, REJECTED)
    pause()
    d.init(0, "other")
    second = d.forward(0, REJECTED)
    pause()
    closed = d.forward(0, ACCEPTED)
    agent.end()
    expect(
        one(agent),
        instances=0,
        send_backpressure=1,
        send_backpressure_abandoned=1,
        send_backpressure_time=between(first, second),
        send_backpressure_self_time=between(first, second),
    )
    expect(one(agent, "other"), **blocked(between(second, closed)), submit_forwarded=1)
    nothing_lost(agent)


# ---- fork and exec ----


def test_a_new_image_at_the_same_addresses_is_another_process(scene):
    """Without randomised addresses even the instance numbers are the old image's."""
    d = scene.start(prefix=["setarch", "-R"])
    agent = scene.attach()
    total = None
    for i in range(3):
        if i:
            took = between(begin, d.exec())
            total = total + took if total else took
        d.init(0, "step")
        begin = d.submit(0, REJECTED)
        d.calls([("submit", 0, REJECTED)], 10)
    end = d.exit()
    agent.end()
    total += between(begin, end)
    expect(
        one(agent),
        instances=0,
        send_backpressure=33,
        send_backpressure_abandoned=3,
        send_backpressure_time=total,
        send_backpressure_self_time=total,
    )
    nothing_lost(agent)


def test_a_forked_child_starts_clean(scene):
    d = scene.driver
    d.init(0, "step")
    d.init(1, "fresh")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    d.calls([("submit", 0, REJECTED)], 10)
    child = scene.fork()
    # What was open there is not; what it begins now may have been open before.
    first = child.submit(0, REJECTED)
    pause()
    known = child.submit(0, ACCEPTED)
    second = child.submit(0, REJECTED)
    pause()
    closed = child.submit(0, ACCEPTED)
    # Never called: nothing was missed.
    fresh = child.submit(1, REJECTED)
    pause()
    fresh_closed = child.submit(1, ACCEPTED)
    end = d.submit(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent, pid=d.pid), **refused(took, attempts=11), submit_accepted=1)
    expect(
        one(agent, pid=child.pid),
        send=[between(second, closed)],
        send_backpressure=2,
        send_backpressure_episodes=1,
        send_backpressure_partial=1,
        send_backpressure_time=between(first, known) + between(second, closed),
        send_backpressure_self_time=between(first, known) + between(second, closed),
        submit_accepted=2,
    )
    expect(one(agent, "fresh"), **refused(between(fresh, fresh_closed)), submit_accepted=1)
    nothing_lost(agent)


def test_a_child_that_calls_nothing_is_not_seen(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    scene.fork().exit()
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    took = between(begin, end)
    expect(one(agent), **refused(took), submit_accepted=1)
    nothing_lost(agent)


@pytest.mark.parametrize("verb", ["exec", "thread_exec"])
def test_exec_abandons_what_is_open_and_begins_anew(scene, verb):
    d = scene.driver
    agent = scene.attach()
    opened = left_open(d)
    end = d.exec(verb)
    d.init(0, "after")
    d.submit(0, ACCEPTED)
    agent.end()
    expect_abandoned(one(agent), opened, end)
    expect(one(agent, "after"), submit_accepted=1)
    nothing_lost(agent)
