"""Turns that are taken back from work that hangs, and deadlines."""

import random
import threading
import time

import keras
import pytest

from noiseflow.engine.deadline import InterruptedWorkError, WorkTimeoutError, give_up_all, within
from noiseflow.engine.keras_state import KERAS_LOCK, floatx, seeded
from noiseflow.engine.turns import CURRENT, GivenUp, Turns, Work
from noiseflow.engine.workers import workers


@pytest.fixture
def hanging():
    """What hangs until the test has ended."""
    event = threading.Event()
    yield event.wait
    event.set()
    time.sleep(0.1)


def test_turns_are_entered_again_by_the_thread_that_has_one_and_by_no_other():
    turns = Turns(1)
    entered = threading.Event()

    def other():
        with turns:
            entered.set()

    thread = threading.Thread(target=other, daemon=True)
    with turns, turns:
        assert turns.mine()
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    assert not turns.mine()


def test_turns_let_as_many_in_as_they_say():
    turns, inside, most = Turns(2), [], []

    def enter():
        with turns:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2


def test_within_returns_and_raises_what_the_function_does():
    assert within(5, lambda: 7, "seven") == 7
    with pytest.raises(KeyError, match="lost"):
        within(5, lambda: {}["lost"], "key")


def test_within_gives_up_work_that_hangs(hanging):
    with pytest.raises(WorkTimeoutError, match=r"circles/mlp/a 0-3 took longer than 0 s .* resources.timeout_seconds"):
        within(0.3, hanging, "circles/mlp/a 0-3")


def test_work_that_hangs_under_the_lock_of_keras_loses_it_and_leaves_keras_as_it_was(hanging):
    before = random.getstate()

    def hang():
        with floatx("float64"), seeded(3):
            hanging()

    with pytest.raises(WorkTimeoutError):
        within(0.3, hang, "hung")
    assert keras.config.floatx() == "float32"
    assert random.getstate() == before
    assert within(5, lambda: keras.layers.Dense(1).dtype_policy.name, "next") == "float32"


def test_work_that_comes_back_late_changes_nothing_any_more():
    release, ended = threading.Event(), threading.Event()

    def hang():
        try:
            with seeded(3):
                release.wait()
        except GivenUp:
            ended.set()
            raise

    with pytest.raises(WorkTimeoutError):
        within(0.3, hang, "late")
    with seeded(5):
        first = random.random()
        release.set()
        assert ended.wait(5)
        second = random.random()
    with seeded(5):
        assert (random.random(), random.random()) == (first, second)


def test_work_that_is_kept_waiting_by_what_hangs_is_not_blamed(hanging):
    """Both begin together and may take half a second; the one that waits for the other's lock is given up by nobody."""
    has_lock = threading.Event()

    def hang():
        with KERAS_LOCK:
            has_lock.set()
            hanging()

    def wait_for_it():
        has_lock.wait()
        with KERAS_LOCK:
            return "done"

    found = {}

    def attempt(name, function):
        try:
            found[name] = within(0.5, function, name)
        except WorkTimeoutError as error:
            found[name] = str(error)

    threads = [threading.Thread(target=attempt, args=given) for given in (("waits", wait_for_it), ("hangs", hang))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found["waits"] == "done"
    assert "was given up" in found["hangs"]


def test_give_up_all_drops_what_runs(hanging):
    timer = threading.Timer(0.2, give_up_all)
    timer.start()
    with pytest.raises(InterruptedWorkError, match="because the run ends"):
        within(60, hanging, "dropped")
    timer.join()


def test_workers_run_side_by_side_in_the_submitters_context():
    work = Work()
    barrier = threading.Barrier(2, timeout=10)

    def job(value):
        barrier.wait()
        return value, CURRENT.get()

    token = CURRENT.set(work)
    with workers(2) as submit:
        futures = [submit(job, value) for value in (1, 2)]
        assert [future.result(10) for future in futures] == [(1, work), (2, work)]
    CURRENT.reset(token)


def test_workers_drop_what_has_not_begun():
    ran = []

    def go():
        with workers(1) as submit:
            submit(lambda: (time.sleep(0.3), ran.append(1)))
            submit(lambda: ran.append(2))
            time.sleep(0.1)
            raise KeyError

    with pytest.raises(KeyError):
        go()
    assert ran == [1]
