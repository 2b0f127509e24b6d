"""The map of the flow and the tasks that exist are one and the same."""

from __future__ import annotations

import inspect

import celeryconfig
from app.flow import ENGINE_SWEEPS, FLOW, QUEUES, SWEEPS, Happening, Queue
from tasks.app import app
from tasks.sweep import Sweep


def our_tasks():
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def test_every_step_of_the_flow_is_a_task_and_every_task_is_a_step():
    assert set(our_tasks()) == set(QUEUES)


def test_everything_that_can_happen_has_a_next_step():
    assert set(FLOW) == set(Happening)


def test_a_step_passes_exactly_the_argument_its_task_takes():
    for step in FLOW.values():
        parameters = inspect.signature(our_tasks()[step.task].run).parameters
        assert list(parameters) == ([] if step.argument is None else [step.argument]), step.task


def test_sweeps_take_no_argument_and_run_on_beat():
    for step, seconds in SWEEPS.items():
        assert not inspect.signature(our_tasks()[step.task].run).parameters
        assert celeryconfig.beat_schedule[step.task]["schedule"] == seconds


def test_a_worker_whose_clock_is_a_minute_ahead_of_beats_still_runs_every_sweep():
    assert all(entry["options"]["expires"] >= 60 for entry in celeryconfig.beat_schedule.values())


def test_what_only_beat_hints_runs_once_a_period_however_many_messages_piled_up():
    hinted_by_rows_too = {step.task for step in FLOW.values()}
    cheap = {"signals.drain", "events.replay"}  # a look at this machine's own disk
    for step in (*SWEEPS, *ENGINE_SWEEPS):
        is_sweep = isinstance(our_tasks()[step.task], Sweep)
        assert is_sweep is (step.task not in hinted_by_rows_too | cheap), step.task


def test_every_task_goes_to_its_own_queue():
    for task, queue in QUEUES.items():
        assert celeryconfig.task_routes[task] == {"queue": queue.value}


def test_nothing_but_the_emergency_stop_and_the_ways_out_runs_on_the_critical_queue():
    assert {task for task, queue in QUEUES.items() if queue is Queue.CRITICAL} == {
        "ess.acknowledge",
        "ess.watch",
        "protections.tend",
        "protections.resolve",
        "protections.sweep",
    }


def test_countdowns_stay_far_below_the_visibility_timeout():
    from app.adapters.celery.task_queue import COUNTDOWN_SECONDS_MAX

    assert celeryconfig.broker_transport_options["visibility_timeout"] >= COUNTDOWN_SECONDS_MAX * 5
