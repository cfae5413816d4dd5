"""Worker processes: what they give, how they die, and that none is left."""

import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import worker_jobs as jobs

from noiseflow.base.faults import InvalidInputError
from noiseflow.engine.halving import SeedTooLargeError
from noiseflow.trials import batches, fork_server, worker_process, workers
from noiseflow.trials.plan import make_plan
from noiseflow.trials.workers import InterruptedWorkError, WorkerDiedError, Workers, WorkTimeoutError, worker_processes

pytestmark = pytest.mark.slow
JOB = {"what": "trained circles/mlp/a 0-3", "timeout_seconds": 60}


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "spawned"])
def pool(request):
    """Two workers that load no TensorFlow: forks, and processes of their own as other systems than Linux have them."""
    made = Workers(2, loaded_first=(), forked=request.param)
    yield made
    made.end()


def side_by_side(*calls):
    """What each of the calls gave, or the error."""
    found = [None] * len(calls)

    def run(i, call):
        try:
            found[i] = call()
        except Exception as error:  # noqa: BLE001 - it is looked at by the test
            found[i] = error

    threads = [threading.Thread(target=run, args=given) for given in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end_of(pid, seconds=10):
    deadline = time.monotonic() + seconds
    while runs(pid):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.05)


def test_worker_gives_what_the_function_returns_and_is_used_again(pool):
    assert pool.run(jobs.add, 3, 4, **JOB) == 7
    first = pool.run(jobs.process_id, **JOB)
    assert first == pool.run(jobs.process_id, **JOB) != os.getpid()


def test_two_jobs_run_side_by_side_and_no_third(pool, tmp_path):
    side_by_side(*[functools.partial(pool.run, jobs.note, str(tmp_path), 0.5, **JOB)] * 4)
    spans = sorted(tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir())
    at_once = [sum(began <= at < ended for began, ended in spans) for at, _ in spans]
    assert max(at_once) == 2


def test_progress_logs_and_warnings_arrive_in_the_thread_that_waits(pool, caplog):
    told = []
    with pytest.warns(UserWarning, match="careful"):
        assert pool.run(jobs.tell, progress=told.append, **JOB) == "told"
    assert told == [0, 1, 2]
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("noiseflow.there", "as it was")]


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("ours", InvalidInputError, "a fault\nanother"),
        ("memory", SeedTooLargeError, "the memory of there does not hold the training of one seed"),
        ("python", KeyError, "lost"),
        ("own", RuntimeError, "OwnError: what happened"),
        ("not picklable", RuntimeError, "ValueError: "),
        ("exit", RuntimeError, "SystemExit: 4"),
    ],
)
def test_what_the_function_raises_is_raised_with_its_traceback(pool, kind, error, text):
    with pytest.raises(error) as caught:
        pool.run(jobs.fail, kind, **JOB)
    assert text in str(caught.value)
    assert "worker_jobs.py" in "".join(caught.value.__notes__)
    if kind == "ours":
        assert caught.value.faults == ["a fault", "another"]


def test_result_that_cannot_be_sent_is_an_error_and_the_worker_goes_on(pool):
    with pytest.raises(Exception, match=r"[Cc]an.t pickle"):
        pool.run(jobs.give_what_cannot_be_sent, **JOB)
    assert pool.run(jobs.add, 1, 1, **JOB) == 2


@pytest.mark.parametrize(
    ("function", "arguments", "how"),
    [
        (jobs.die, (signal.SIGSEGV,), r"died of signal 11 \(SIGSEGV\)$"),
        (jobs.read_nowhere, (), r"died of signal 11 \(SIGSEGV\)$"),
        (jobs.die, (signal.SIGKILL,), r"died of signal 9 \(SIGKILL\), as it does when the machine runs out of memory$"),
        (jobs.leave, (), "ended with status 3$"),
    ],
)
def test_worker_that_dies_twice_is_named(pool, caplog, function, arguments, how):
    with pytest.raises(WorkerDiedError, match=f"^the worker process that trained circles/mlp/a 0-3 {how}"):
        pool.run(function, *arguments, **JOB)
    assert "it is tried once more, with nothing beside it" in caplog.text
    assert pool.run(jobs.add, 1, 1, **JOB) == 2


def test_job_of_a_worker_that_dies_once_succeeds_alone_while_the_others_go_on(pool, tmp_path, caplog):
    notes = tmp_path / "notes"
    notes.mkdir()
    (tmp_path / "notes" / "died").unlink(missing_ok=True)
    other = functools.partial(pool.run, jobs.note, str(notes), 0.3, **JOB)
    dying = functools.partial(pool.run, jobs.note_and_die_once, str(notes), 0.3, **JOB)
    assert side_by_side(dying, other, other, other) == [None] * 4
    assert "died of signal 11 (SIGSEGV)" in caplog.text
    files = [path for path in notes.iterdir() if path.name != "died"]
    spans = sorted(tuple(map(float, path.read_text().split())) for path in files)
    assert len(spans) == 4
    alone = [span for span in spans if not any(a < span[1] and span[0] < b for a, b in spans if (a, b) != span)]
    assert alone


@pytest.mark.parametrize("function", [jobs.hang, jobs.hang_in_c])
def test_job_that_hangs_is_killed_with_its_process_and_tried_no_more(pool, function, caplog):
    with pytest.raises(WorkTimeoutError, match=r"trained circles/mlp/a 0-3 took longer than 1 s .*timeout_seconds"):
        pool.run(function, what=JOB["what"], timeout_seconds=1)
    assert not caplog.records
    assert pool.run(jobs.add, 1, 1, **JOB) == 2


def test_worker_that_is_killed_while_it_is_idle_is_replaced_without_a_word(pool, caplog):
    pid = pool.run(jobs.process_id, **JOB)
    os.kill(pid, signal.SIGKILL)
    wait_for_the_end_of(pid)
    time.sleep(0.2)  # its last thread
    assert pool.run(jobs.process_id, **JOB) != pid
    assert not caplog.records


def test_listener_that_raises_ends_the_job(pool):
    with pytest.raises(OSError, match="full"):
        pool.run(jobs.tell, progress=lambda _: (_ for _ in ()).throw(OSError("full")), **JOB)
    assert pool.run(jobs.add, 1, 1, **JOB) == 2


def test_end_kills_what_runs_and_refuses_what_waits():
    pool = Workers(1, loaded_first=())
    timer = threading.Timer(1, pool.end)
    timer.start()
    began = time.monotonic()
    found = side_by_side(*[functools.partial(pool.run, jobs.hang, **JOB)] * 2)
    assert time.monotonic() - began < 10
    assert [type(error) for error in found] == [InterruptedWorkError] * 2
    assert "was dropped, because the run ends" in str(found[0])
    timer.join()


def test_blocks_share_one_pool_and_a_block_after_an_interruption_has_a_new_one(monkeypatch):
    monkeypatch.setattr(workers, "_pools", [])  # a test before may have left the one that stays
    with worker_processes(2) as outer:
        with worker_processes(1) as inner:
            assert inner is outer
        assert not outer.ended
        workers.end_work()
        with worker_processes(1) as fresh:
            assert fresh is not outer
    assert outer.ended
    assert fresh.ended
    assert workers._pools == []


@pytest.fixture
def forking():
    """A worker that is a fork, and what forks it."""
    made = Workers(1, loaded_first=())
    made.run(jobs.process_id, **JOB)
    yield made, worker_process._fork_servers[()]._process.pid
    made.end()


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_workers_are_forks_of_a_process_that_stays_from_pool_to_pool(forking):
    pool, server = forking
    pool.end()
    again = Workers(1, loaded_first=())
    assert parent_of(again.run(jobs.process_id, **JOB)) == server
    again.end()


def test_worker_has_the_environment_of_its_start_and_the_status_of_older_ones_is_told(forking, monkeypatch):
    pool, server = forking
    monkeypatch.setenv("NOISEFLOW_OF_A_TEST", "a {brace}")
    other = Workers(1, loaded_first=())
    assert other.run(os.getenv, "NOISEFLOW_OF_A_TEST", **JOB) == "a {brace}"
    assert pool.run(os.getenv, "NOISEFLOW_OF_A_TEST", **JOB) is None
    with pytest.raises(WorkerDiedError, match="SIGSEGV"):
        pool.run(jobs.die, signal.SIGSEGV, alone=True, **JOB)
    wait_for_the_end_of(server)
    other.end()


def test_forks_outlive_what_forked_them_and_the_next_has_a_new_one(forking):
    """How they end is unknown then: not a signal, which would be taken for a lack of memory."""
    pool, server = forking
    worker = pool.run(jobs.process_id, **JOB)
    os.kill(server, signal.SIGKILL)
    wait_for_the_end_of(server)
    assert pool.run(jobs.process_id, **JOB) == worker
    with pytest.raises(WorkerDiedError, match="ended with status 1") as died:
        pool.run(jobs.leave, alone=True, **JOB)
    assert died.value.number is None
    assert pool.run(jobs.add, 1, 1, **JOB) == 2


def test_fork_whose_modules_cannot_be_imported_is_an_error():
    pool = Workers(1, loaded_first=("noiseflow.is_not_there",))
    with pytest.raises(WorkerDiedError, match="ended with status 1"):
        pool.run(jobs.add, 1, 1, **JOB)
    pool.end()


SLOW_TO_LOAD = "worker_jobs_slow"


@pytest.fixture
def slow_to_load(tmp_path, monkeypatch):
    """A pool of one worker, of a module that takes three seconds to import; its processes are gone in the end."""
    (tmp_path / f"{SLOW_TO_LOAD}.py").write_text("import time; time.sleep(3)")
    monkeypatch.syspath_prepend(tmp_path)
    pool = Workers(1, loaded_first=(SLOW_TO_LOAD,))
    yield pool
    pool.end()
    worker_process._fork_servers.pop((SLOW_TO_LOAD,)).end()


def test_pool_that_ends_before_its_fork_began_ends_at_once_and_the_next_is_served(slow_to_load, capfd):
    slow_to_load.start(1)
    server = worker_process._fork_servers[SLOW_TO_LOAD,]
    timer = threading.Timer(0.3, slow_to_load.end)
    timer.start()
    began = time.monotonic()
    with pytest.raises(InterruptedWorkError):
        slow_to_load.run(jobs.add, 1, 1, **JOB)
    timer.join()
    assert time.monotonic() - began < 2
    other = Workers(1, loaded_first=(SLOW_TO_LOAD,))
    assert other.run(jobs.add, 1, 1, **JOB) == 2
    other.end()
    assert worker_process._fork_servers[SLOW_TO_LOAD,] is server
    assert capfd.readouterr().err == ""


def test_large_job_that_nobody_reads_yet_is_dropped_at_once(slow_to_load):
    timer = threading.Timer(0.3, slow_to_load.end)
    timer.start()
    began = time.monotonic()
    with pytest.raises(InterruptedWorkError):
        slow_to_load.run(len, bytes(10**8), **JOB)
    timer.join()
    assert time.monotonic() - began < 2


def test_server_that_loads_is_ended_at_once(slow_to_load):
    slow_to_load.start(1)
    began = time.monotonic()
    worker_process._fork_servers[SLOW_TO_LOAD,].end()
    assert time.monotonic() - began < 1
    assert slow_to_load.run(jobs.add, 1, 1, **JOB) == 2


def test_server_that_never_loads_is_asked_no_more(slow_to_load, monkeypatch):
    slow_to_load.start(1)
    server = worker_process._fork_servers[SLOW_TO_LOAD,]
    monkeypatch.setattr(fork_server, "SECONDS_TO_LOAD", 0.0)
    other = Workers(1, loaded_first=(SLOW_TO_LOAD,))
    other.start(1)
    assert worker_process._fork_servers[SLOW_TO_LOAD,] is not server
    other.end()
    server.end()


def test_server_without_work_ends_and_the_next_job_has_another():
    made = Workers(1, loaded_first=())
    made.run(jobs.process_id, **JOB)
    server = worker_process._fork_servers[()]
    server._requests.shutdown(socket.SHUT_WR)  # as it does itself when it has been idle for long
    made.end()
    wait_for_the_end_of(server._process.pid)
    again = Workers(1, loaded_first=())
    assert again.run(jobs.add, 1, 1, **JOB) == 2
    again.end()


def test_descriptors_may_be_many():
    """`select` takes none above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        other = Workers(1, loaded_first=("json",))
        assert other.run(jobs.add, 1, 1, **JOB) == 2
        other.end()
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


PARENT = """
import os, sys, threading, time
import worker_jobs as jobs
from noiseflow.trials.workers import Workers

pool = Workers(2, loaded_first=())
print(pool.run(jobs.process_id, what="", timeout_seconds=60), flush=True)
function = getattr(jobs, sys.argv[1])
threading.Thread(target=lambda: pool.run(function, what="", timeout_seconds=600), daemon=True).start()
time.sleep(600)
"""


@pytest.mark.parametrize("function", ["hang", "hang_in_c"])
def test_killed_parent_leaves_no_worker(function):
    folders = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    environment = os.environ | {"PYTHONPATH": folders}
    command = [sys.executable, "-c", PARENT, function]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        server = parent_of(worker)
        assert server != parent.pid
        time.sleep(1)
        assert runs(worker)
        parent.kill()
    wait_for_the_end_of(worker)
    wait_for_the_end_of(server)


LOADING = """
import os, sys, time
from noiseflow.trials import worker_process, workers

workers.Workers(1, loaded_first=("worker_jobs_slow",)).start(1)
print(next(iter(worker_process._fork_servers.values()))._process.pid, flush=True)
time.sleep(600)
"""


def test_parent_that_is_killed_while_its_workers_load_leaves_nothing(tmp_path):
    (tmp_path / f"{SLOW_TO_LOAD}.py").write_text("import time; time.sleep(60)")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])}
    command = [sys.executable, "-c", LOADING]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        server = int(parent.stdout.readline())
        time.sleep(2)  # it imports by then
        parent.kill()
        wait_for_the_end_of(server, 5)
        assert parent.stderr.read() == ""


def test_ctrl_c_of_the_terminal_does_not_reach_a_worker(pool):
    pid = pool.run(jobs.process_id, **JOB)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert pool.run(jobs.process_id, **JOB) == pid


def test_batch_that_the_machine_has_no_memory_for_is_trained_in_halves(small_study, monkeypatch, caplog):
    monkeypatch.setattr(batches, "tables_of", jobs.take_two_of)
    monkeypatch.setattr(workers, "LOADED_FIRST", ())
    batch = make_plan(small_study, "vectorized").batches(set(), 100)[0]
    with worker_processes(1):
        given = {"study": "small", "device": "cpu", "timeout_seconds": 60, "progress": print}
        tables = batches.train_in_worker(batch, **given)
    assert list(tables["trials"]["trial_id"]) == [trial.id for trial in batch.trials]
    assert "out of memory with 4 seeds in one batch; going on with 2" in caplog.text


def test_rows_are_bitwise_those_of_a_training_in_this_process(small_study):
    import pandas as pd

    from noiseflow.trials.training import train_trials

    batch = make_plan(small_study, "vectorized").batches(set(), 100)[1]
    told = []
    with worker_processes(1):
        given = {"study": "small", "device": "cpu", "timeout_seconds": 250, "progress": told.append}
        tables = batches.train_in_worker(batch, **given)
    here = vars(train_trials(batch, study="small", device="cpu", progress=lambda _: None))
    assert told[-1].epochs_done == 6
    assert tables.keys() == here.keys() == {"trials", "curves", "predictions"}
    for name, table in tables.items():
        other = ["train_seconds", "finished_at"] if name == "trials" else []
        pd.testing.assert_frame_equal(table.drop(columns=other), here[name].drop(columns=other), check_exact=True)


def test_worker_imports_what_keras_does_without_only_when_it_is_used():
    """Keras imports it for galleries and wrappers; that takes a second at every start."""
    workers = Workers(1)  # of its own: one that other tests have used may have imported anything
    try:
        assert workers.run(jobs.loaded, "keras", "matplotlib", "sklearn", "statsmodels", **JOB) == ["keras"]
        assert workers.run(jobs.draw, **JOB) == 1
        assert workers.run(jobs.scale, **JOB) == [-1, 1]
    finally:
        workers.end()
