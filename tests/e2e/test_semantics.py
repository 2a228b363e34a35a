# SPDX-License-Identifier: MIT
"""Each row of the design's table of semantics on its own, against the real kernel.

The consumer does a few calls, the observer ends, and every number that it said is compared: counts
exactly, times within the bounds of the calls. All of it with uprobe_multi and with perf uprobes.
"""

import time

import pytest

from driver import ACCEPTED, INVALID, PROPAGATED, REJECTED
from program import wait_until
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

# ---- submit ----


def test_rejections_open_one_episode_and_an_acceptance_closes_it(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    d.submit(0, REJECTED)
    d.submit(0, REJECTED)
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(begin, end, attempts=3), submit_accepted=1)
    nothing_lost(agent)


def test_acceptances_alone_are_only_counted(scene):
    d = scene.step()
    agent = scene.attach()
    for _ in range(5):
        d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), submit_accepted=5)


def test_every_attempt_of_a_spinning_caller_counts(scene):
    d = scene.step()
    agent = scene.attach()
    run = d.run("submit", 0, REJECTED, 1_000_003)
    end = d.submit(0, ACCEPTED)
    agent.end()
    begin = run.before, run.second
    expect(one(agent), refused(begin, end, attempts=1_000_003), submit_accepted=1)


def test_what_a_consumer_does_after_a_rest_is_counted_while_it_rests_again(scene):
    """Of one that does not run nothing is read: what it did before is there all the same, and all of it."""
    d = scene.step()
    agent = scene.attach()
    attempts = 0
    for n in range(1, 5):
        attempts += n * 20_000 + 1
        d.submit(0, REJECTED)
        d.run("submit", 0, REJECTED, n * 20_000)
        d.submit(0, ACCEPTED)
        told = lambda n=n: agent.counters()["step"]["submit_accepted"] == n
        wait_until(told, f"{n} messages to be told of")
        assert one(agent).counters["send_backpressure"] == attempts
        time.sleep(0.75 * n)  # from some drains to more than rest in a row
    agent.end()
    assert one(agent).counters["send_backpressure"] == attempts
    assert one(agent).counters["send_backpressure_episodes"] == 4
    nothing_lost(agent)


# ---- forward ----


@pytest.mark.parametrize("refusal", [REJECTED, PROPAGATED])
def test_a_refusal_of_the_next_step_blocks(scene, refusal):
    d = scene.step()
    agent = scene.attach()
    begin = d.forward(0, refusal)
    pause()
    d.forward(0, refusal)
    end = d.forward(0, ACCEPTED)
    d.forward(0, ACCEPTED)
    agent.end()
    expect(one(agent), blocked(begin, end, attempts=2), submit_forwarded=2)


def test_self_time_stands_still_while_blocked(scene):
    d = scene.step()
    agent = scene.attach()
    send = d.submit(0, REJECTED)
    pause()
    receive = d.forward(0, PROPAGATED)
    pause()
    free = d.forward(0, ACCEPTED)
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(
        one(agent),
        refused(send, end, own=between(send, receive) + between(free, end)),
        blocked(receive, free),
        submit_accepted=1,
        submit_forwarded=1,
    )


@pytest.mark.parametrize(
    "op,episode,closed,outcomes",
    [
        ("submit", refused, "submit_accepted", [PROPAGATED, INVALID, 4, 255, 1 << 30, -1]),
        ("forward", blocked, "submit_forwarded", [INVALID, 4, 255, -1]),
    ],
    ids=["submit", "forward"],
)
def test_what_is_neither_refusal_nor_acceptance_changes_nothing(
    scene, op, episode, closed, outcomes
):
    d = scene.driver
    for i in range(len(outcomes)):
        d.init(2 * i, f"closed{i}")
        d.init(2 * i + 1, f"open{i}")
    agent = scene.attach()
    whole = []
    for i, outcome in enumerate(outcomes):
        d.call(op, 2 * i, outcome)
        d.call(op, 2 * i, outcome)
        begin = d.call(op, 2 * i + 1, REJECTED)
        pause()
        d.call(op, 2 * i + 1, outcome)
        pause()
        whole.append((begin, d.call(op, 2 * i + 1, ACCEPTED)))
    agent.end()
    for i in range(len(outcomes)):
        expect(one(agent, f"closed{i}"))
        expect(one(agent, f"open{i}"), episode(*whole[i]), {closed: 1})


# ---- poll ----


def test_a_ready_poll_ends_the_refusing(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    pause()
    end = d.poll(0, True)
    pause()
    d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(begin, end), submit_accepted=1)


def test_a_poll_that_is_not_ready_ends_nothing_and_no_poll_ends_the_blocking(scene):
    d = scene.step()
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
        refused(send, end, own=between(send, receive)),
        blocked(receive, free),
        submit_forwarded=1,
    )


def test_marks_and_depth_are_no_outcomes(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    for op in ("submit_enter", "poll_enter", "depth"):
        d.call(op, 0, 7)
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(begin, end), submit_accepted=1)


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


def test_the_memory_is_read_while_a_thread_has_it(scene):
    """None lives any more when the last one has begun to end; others that have let go of it may be ahead of it."""
    agent = scene.attach()
    ended = []
    for _ in range(5):
        d = scene.start()
        d.init(0, "step")
        for thread in range(4):
            refuse(d, thread=thread)
        d.calls([("submit", 0, ACCEPTED)], 100)
        d.ask("timers", 5000)  # the last one is held up by them
        d.kill()
        ended.append(d.pid)
    agent.end()
    for pid in ended:
        assert one(agent, pid=pid).counters["submit_accepted"] == 104
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
    d = scene.step()
    agent = scene.attach()
    d.submit(0, ACCEPTED)
    d.forward(0, ACCEPTED)
    d.step_end(0)
    agent.end()
    expect(one(agent), instances=0, submit_accepted=1, submit_forwarded=1)


def test_a_struct_used_again_after_its_end_is_a_new_instance(scene):
    d = scene.step()
    agent = scene.attach()
    first = d.submit(0, REJECTED)
    pause()
    end = d.step_end(0)
    pause()
    second = refuse(d)
    agent.end()
    expect(one(agent), refused(first, end, "abandoned"), refused(*second), lives=2, submit_accepted=1)
    nothing_lost(agent)


def test_a_new_instance_at_the_same_address_abandons_the_old_one(scene):
    d = scene.step()
    agent = scene.attach()
    first = d.submit(0, REJECTED)
    pause()
    d.init(0, "other")
    second = d.forward(0, REJECTED)
    pause()
    closed = d.forward(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(first, second, "abandoned"), instances=0)
    expect(one(agent, "other"), blocked(second, closed), submit_forwarded=1)
    # Its memory was written over: nobody knows what it may have done since.
    assert agent.lost() == {"replaced": 1}


def test_a_step_that_is_made_anew_ends_the_old_one(scene):
    """Without step_end, at the same address, and all that it did is counted."""
    d = scene.step()
    agent = scene.attach()
    first = d.submit(0, REJECTED)
    pause()
    d.calls([("submit", 0, REJECTED)], 100)
    end = d.renew(0, "other")
    second = d.forward(0, REJECTED)
    pause()
    closed = d.forward(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(first, end, "abandoned", attempts=101), instances=0)
    expect(one(agent, "other"), blocked(second, closed), submit_forwarded=1)
    nothing_lost(agent)


# ---- fork and exec ----


def test_a_new_image_at_the_same_addresses_is_another_process(scene):
    """Without randomised addresses even the instance numbers are the old image's."""
    d = scene.start(prefix=["setarch", "-R"])
    agent = scene.attach()
    episodes = []
    for end in (d.exec, d.exec, d.exit):
        d.init(0, "step")
        begin = d.submit(0, REJECTED)
        d.calls([("submit", 0, REJECTED)], 10)
        episodes.append(refused(begin, end(), "abandoned", attempts=11))
    agent.end()
    expect(one(agent), *episodes, instances=0)
    nothing_lost(agent)


def test_a_forked_child_starts_clean(scene):
    d = scene.step()
    d.init(1, "fresh")
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    d.calls([("submit", 0, REJECTED)], 10)
    child = scene.fork()
    # What was open there is not; what it begins now may have been open before.
    first = child.submit(0, REJECTED)
    pause()
    known = child.submit(0, ACCEPTED)
    second = refuse(child)
    # Never called: nothing was missed.
    fresh = refuse(child, 1)
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent, pid=d.pid), refused(begin, end, attempts=11), submit_accepted=1)
    expect(
        one(agent, pid=child.pid),
        refused(first, known, "partial"),
        refused(*second),
        submit_accepted=2,
    )
    expect(one(agent, "fresh"), refused(*fresh), submit_accepted=1)
    nothing_lost(agent)


def test_a_child_that_calls_nothing_is_not_seen(scene):
    d = scene.step()
    agent = scene.attach()
    begin = d.submit(0, REJECTED)
    scene.fork().exit()
    pause()
    end = d.submit(0, ACCEPTED)
    agent.end()
    expect(one(agent), refused(begin, end), submit_accepted=1)
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
