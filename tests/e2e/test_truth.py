# SPDX-License-Identifier: MIT
"""Hand-made logs, with results computed by hand from the semantics table."""

import json
import sys

import pytest

import truth
from program import run

BASE = 1000000
HEAD = f"# pushback-demo truth 1\nbase {BASE}\npid 42\n"
ONE = HEAD + "begin 1 0 0 step\n"


def read(tmp_path, text):
    path = tmp_path / "truth.log"
    path.write_text(text)
    return truth.read(path)


def one(tmp_path, records, **options):
    """Result of a log of one step; windows and moments are given relative to its base."""
    for name in ("watched", "observed"):
        if name in options:
            options[name] = [(a + BASE, b and b + BASE) for a, b in options[name]]
    for name in ("until", "exited"):
        if name in options:
            options[name] += BASE
    text = ONE + "".join(record + "\n" for record in records)
    (result,) = truth.compute(read(tmp_path, text), **options)
    return result


def direction(attempts=0, episodes=0, partial=0, abandoned=0, time=0, durations=(), since=None, slack=0):
    return {
        "attempts": attempts,
        "episodes": episodes,
        "partial": partial,
        "abandoned": abandoned,
        "time_ns": time,
        "slack_ns": slack,
        "durations_ns": list(durations),
        "open_since_ns": since and since + BASE,
    }


def send(result):
    return {key: value for key, value in result["send"].items() if not key.startswith("self_")}


def test_a_rejection_opens_and_an_acceptance_closes(tmp_path):
    result = one(tmp_path, ["1 s 1 3 100 50", "1 s 0 2 180 5", "end 1 900"])
    assert send(result) == direction(attempts=3, episodes=1, time=80, durations=[80])
    assert result["send"]["self_ns"] == 80
    assert result["receive"] == direction()
    assert (result["accepted"], result["forwarded"]) == (2, 0)


@pytest.mark.parametrize("outcome", [2, 3, 4, 255])
def test_propagated_and_invalid_submits_change_nothing(tmp_path, outcome):
    result = one(
        tmp_path,
        [f"1 s {outcome} 7 50 10", "1 s 1 1 100 0", f"1 s {outcome} 7 150 10", "1 s 0 1 300 0"],
    )
    assert send(result) == direction(attempts=1, episodes=1, time=200, durations=[200])
    assert result["accepted"] == 1


@pytest.mark.parametrize("outcome", [1, 2])
def test_a_refused_offer_opens_receive(tmp_path, outcome):
    result = one(tmp_path, [f"1 f {outcome} 4 100 60", "1 f 0 1 170 0", "end 1 200"])
    assert result["receive"] == direction(attempts=4, episodes=1, time=70, durations=[70])
    assert send(result) == direction()
    assert (result["accepted"], result["forwarded"]) == (0, 1)


def test_an_invalid_offer_changes_nothing(tmp_path):
    result = one(tmp_path, ["1 f 1 1 100 0", "1 f 3 5 110 9", "1 f 0 1 150 0", "1 f 3 1 200 0"])
    assert result["receive"] == direction(attempts=1, episodes=1, time=50, durations=[50])


def test_a_ready_poll_closes_send_only(tmp_path):
    records = ["1 s 1 1 100 0", "1 f 1 1 120 0", "1 p 0 1 130 0", "1 p 1 1 160 0", "end 1 200"]
    result = one(tmp_path, records)
    assert send(result) == direction(attempts=1, episodes=1, time=60, durations=[60])
    assert result["receive"] == direction(attempts=1, abandoned=1, time=80)
    assert result["send"]["self_ns"] == 20


def test_runs_that_overlap_are_sorted_by_their_first_return(tmp_path):
    # The refused offers begin before the rejection and end after it: their record comes last.
    result = one(tmp_path, ["1 s 1 1 200 0", "1 s 0 1 300 0", "1 f 1 9 100 400", "1 f 0 1 600 0"])
    assert result["send"]["time_ns"] == 100 and result["send"]["self_ns"] == 0
    assert result["receive"]["time_ns"] == 500


def test_a_ready_poll_between_rejections_begins_a_new_episode(tmp_path):
    # REJECTED at 100 and 140, not ready at 110 and 150, ready at 160, REJECTED at 170.
    result = one(tmp_path, ["1 s 1 2 100 40", "1 p 0 2 110 40", "1 p 1 1 160 0", "1 s 1 1 170 0"])
    assert send(result) == direction(
        attempts=3, episodes=1, time=60, durations=[60], since=170
    )


def test_a_late_probe_is_slack_where_it_is_an_edge(tmp_path):
    records = ["1 s 1 2 100 50 7000", "1 f 0 1 160 0 300", "1 s 0 1 180 0 20", "1 s 0 1 190 0 5000"]
    result = one(tmp_path, records)
    assert send(result) == direction(attempts=2, episodes=1, time=80, durations=[80], slack=7020)
    assert result["send"]["self_slack_ns"] == 7020
    assert result["receive"] == direction()


def test_two_episodes_and_both_directions_give_self_time(tmp_path):
    records = [
        "1 f 1 2 100 300",  # receive 100 to 450
        "1 s 1 3 200 200",  # send 200 to 500: 50 of it not blocked
        "1 f 0 1 450 0",
        "1 s 0 1 500 0",
        "1 s 1 1 600 0",  # send 600 to 700, blocked from 650
        "1 f 1 1 650 0",
        "1 s 0 1 700 0",
        "1 f 0 1 720 0",
        "end 1 1000",
    ]
    result = one(tmp_path, records)
    assert send(result) == direction(attempts=4, episodes=2, time=400, durations=[300, 100])
    assert result["receive"] == direction(attempts=3, episodes=2, time=420, durations=[350, 70])
    assert result["send"]["self_ns"] == 50 + 50


def test_step_end_abandons_what_is_open_and_its_time_counts(tmp_path):
    result = one(tmp_path, ["1 s 1 5 100 500", "end 1 700", "exit 900"])
    assert send(result) == direction(attempts=5, abandoned=1, time=600)
    assert result["send"]["self_ns"] == 600


def test_exit_abandons_what_no_step_end_did(tmp_path):
    result = one(tmp_path, ["1 s 1 5 100 500", "1 f 2 1 650 0", "exit 900"])
    assert send(result) == direction(attempts=5, abandoned=1, time=800)
    assert result["receive"] == direction(attempts=1, abandoned=1, time=250)
    assert result["send"]["self_ns"] == 550


def test_a_log_cut_off_leaves_it_open_unless_one_knows_when_it_died(tmp_path):
    records = ["1 s 1 5 100 500"]
    assert send(one(tmp_path, records)) == direction(attempts=5, time=500, since=100)
    assert send(one(tmp_path, records, exited=800)) == direction(attempts=5, abandoned=1, time=700)


def test_a_last_line_without_its_end_is_left_out(tmp_path):
    log = read(tmp_path, ONE + "1 s 1 1 100 0\n1 s 0 1 15")
    (result,) = truth.compute(log)
    assert result["accepted"] == 0 and log.exit is None


def test_until_ignores_what_comes_later(tmp_path):
    records = ["1 s 1 1 100 0", "1 s 0 1 200 0", "1 s 1 1 300 0", "1 s 0 1 400 0", "end 1 500"]
    result = one(tmp_path, records, until=350)
    assert send(result) == direction(
        attempts=2, episodes=1, time=150, durations=[100], since=300
    )
    assert result["accepted"] == 1


def test_a_step_never_called_before_the_watch_is_not_missed(tmp_path):
    result = one(tmp_path, ["1 s 1 1 100 0", "1 s 0 1 200 0"], watched=[(50, None)])
    assert send(result) == direction(attempts=1, episodes=1, time=100, durations=[100])


@pytest.mark.parametrize("unseen", ["1 s 0 1 10 0", "1 p 0 1 10 0", "1 f 3 1 10 0"])
def test_attached_to_a_step_that_ran_its_first_episode_is_partial(tmp_path, unseen):
    records = [unseen, "1 s 1 2 100 20", "1 s 0 1 200 0", "1 s 1 1 300 0", "1 s 0 1 350 0"]
    result = one(tmp_path, records, watched=[(50, None)])
    assert send(result) == direction(
        attempts=3, episodes=1, partial=1, time=150, durations=[50]
    )
    assert result["accepted"] == 2


def test_an_acceptance_seen_first_makes_the_next_episode_whole(tmp_path):
    records = ["1 s 1 1 10 0", "1 s 0 1 100 0", "1 s 1 1 200 0", "1 s 0 1 260 0"]
    result = one(tmp_path, records, watched=[(50, None)])
    assert send(result) == direction(attempts=1, episodes=1, time=60, durations=[60])
    # It closes nothing: whether something was open nobody knows.
    assert result["accepted"] == 2


def test_directions_are_unknown_each_on_its_own(tmp_path):
    records = ["1 s 0 1 10 0", "1 p 1 1 60 0", "1 f 1 1 70 0", "1 s 1 1 80 0", "1 f 0 1 90 0"]
    result = one(tmp_path, records + ["1 s 0 1 95 0"], watched=[(50, None)])
    assert send(result) == direction(attempts=1, episodes=1, time=15, durations=[15])
    assert result["receive"] == direction(attempts=1, partial=1, time=20)


def test_attached_in_mid_run(tmp_path):
    # Returns at 100, 120, ... 200: three of them before 150, three after, the first at 160.
    result = one(tmp_path, ["1 s 1 6 100 100", "1 s 0 1 230 0"], watched=[(150, None)])
    assert send(result) == direction(attempts=3, partial=1, time=70)
    assert result["uncertain"] == 4


def test_a_run_of_two_is_certain_on_both_sides_of_an_edge(tmp_path):
    result = one(tmp_path, ["1 s 1 2 100 100", "1 s 0 1 230 0"], watched=[(110, None)])
    assert send(result) == direction(attempts=1, partial=1, time=30)
    assert result["uncertain"] == 0


def test_an_edge_belongs_to_what_comes_after_it(tmp_path):
    records = ["1 s 1 2 100 100", "1 s 0 1 230 0"]
    result = one(tmp_path, records, watched=[(200, 230)])
    assert send(result) == direction(attempts=1, time=30)
    result = one(tmp_path, records, watched=[(100, 231)])
    assert send(result) == direction(attempts=2, episodes=1, time=130, durations=[130])


def test_detached_in_mid_episode_it_is_dropped_and_its_time_counts(tmp_path):
    records = ["1 s 1 1 100 0", "1 s 0 1 300 0", "1 s 1 1 400 0", "1 s 0 1 500 0", "end 1 600"]
    result = one(tmp_path, records, watched=[(0, 200)])
    assert send(result) == direction(attempts=1, time=100)
    assert result["accepted"] == 0


def test_detached_and_attached_again_without_a_call_between(tmp_path):
    # None ends by it; the duration is the whole, the time only what was watched.
    records = ["1 s 1 1 100 0", "1 s 0 1 400 0", "end 1 600"]
    result = one(tmp_path, records, watched=[(0, 200), (300, None)])
    assert send(result) == direction(attempts=1, episodes=1, time=200, durations=[300])


def test_detached_and_attached_again_with_a_call_between(tmp_path):
    records = ["1 s 1 1 100 0", "1 p 0 1 250 0", "1 s 1 1 350 0", "1 s 0 1 400 0", "end 1 600"]
    result = one(tmp_path, records, watched=[(0, 200), (300, None)])
    assert send(result) == direction(attempts=2, partial=1, time=100 + 50)


def test_a_second_observer_sees_the_true_beginning_and_its_own_time(tmp_path):
    records = ["1 s 1 1 100 0", "1 s 1 1 250 0", "1 s 0 1 400 0"]
    result = one(tmp_path, records, watched=[(0, None)], observed=[(300, None)])
    assert send(result) == direction(episodes=1, time=100, durations=[300])
    assert result["send"]["self_ns"] == 100
    assert result["accepted"] == 1


def test_step_end_when_only_another_observer_is_left(tmp_path):
    records = ["1 s 1 1 100 0", "end 1 500"]
    result = one(tmp_path, records, watched=[(0, None)], observed=[(0, 300)])
    assert send(result) == direction(attempts=1, time=200)


def test_step_end_unwatched_counts_nothing(tmp_path):
    result = one(tmp_path, ["1 s 1 1 100 0", "end 1 500"], watched=[(0, 300)])
    assert send(result) == direction(attempts=1, time=200, since=100)


def test_step_end_after_a_gap_without_a_call_abandons(tmp_path):
    result = one(tmp_path, ["1 s 1 1 100 0", "end 1 500"], watched=[(0, 200), (300, None)])
    assert send(result) == direction(attempts=1, abandoned=1, time=300)


def test_abandoned_wins_over_partial(tmp_path):
    records = ["1 s 0 1 10 0", "1 s 1 1 100 0", "end 1 150"]
    result = one(tmp_path, records, watched=[(50, None)])
    assert send(result) == direction(attempts=1, abandoned=1, time=50)


def test_self_time_within_the_windows_only(tmp_path):
    records = ["1 s 1 1 100 0", "1 f 1 1 300 0", "1 f 0 1 400 0", "1 s 0 1 500 0"]
    result = one(tmp_path, records, watched=[(0, None)], observed=[(200, 450)])
    assert result["send"]["time_ns"] == 250
    assert result["send"]["self_ns"] == 100 + 50
    assert result["receive"]["time_ns"] == 100


def test_instances_names_and_the_chain(tmp_path):
    log = read(
        tmp_path,
        HEAD
        + "begin 1 0 0 sink with: spaces\nbegin 2 1 0 head\n"
        + "1 s 0 5 10 10\n2 f 0 5 11 10\n1 s 1 1 30 0\n2 f 1 1 31 0\nend 2 40\nend 1 50\n"
        + "begin 3 0 60 sink with: spaces\nbegin 4 3 60 head\n"
        + "3 s 0 2 70 1\n4 f 0 3 71 1\n3 s 1 1 80 0\nend 4 90\nend 3 95\nexit 99\n",
    )
    assert log.pid == 42 and log.exit == BASE + 99
    results = truth.compute(log)
    assert [(r["step"], r["instance"], r["next"]) for r in results][:2] == [
        ("sink with: spaces", 1, 0),
        ("head", 2, 1),
    ]
    assert truth.chain_breaks(results) == [("head", 3, "sink with: spaces", 2)]
    merged = truth.merge(results)
    assert merged["sink with: spaces"]["instances"] == 2
    assert merged["sink with: spaces"]["accepted"] == 7
    assert merged["sink with: spaces"]["send"]["abandoned"] == 2
    assert merged["sink with: spaces"]["send"]["time_ns"] == 20 + 15
    assert merged["head"]["forwarded"] == 8


@pytest.mark.parametrize(
    "line", ["1 x 0 1 1 0", "1 s 0 0 1 0", "2 s 0 1 1 0", "1 s 0 1 1", "1 s 0 one 1 0", "huh", ""]
)
def test_what_is_no_log_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(ValueError, match=r"truth.log:5: "):
        read(tmp_path, ONE + line + "\n")


def test_the_command_prints_json(tmp_path):
    path = tmp_path / "truth.log"
    path.write_text(ONE + "1 s 0 1 10 0\n1 s 1 1 100 0\n1 s 0 1 250 0\nend 1 300\nexit 400\n")
    done = run(sys.executable, truth.__file__, path, "--watch", f"{BASE + 50}:")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert printed["pid"] == 42 and printed["complete"] is True
    assert printed["steps"] == truth.compute(truth.read(path), watched=[(BASE + 50, None)])
    assert printed["steps"][0]["send"]["partial"] == 1


def test_the_command_says_what_is_wrong(tmp_path):
    done = run(sys.executable, truth.__file__, tmp_path / "missing")
    assert done.returncode == 1
    assert "missing" in done.stderr and "Traceback" not in done.stderr
