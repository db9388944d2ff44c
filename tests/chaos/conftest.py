"""The stage of a run, and for each case a restore on it with dice of its own."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos.restore import Restore
from tests.chaos.scale import chosen
from tests.chaos.stage import Stage


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each case: how long it took in all, and after how many seconds it was taken over."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    ended = [report for report in reports if getattr(report, "when", "") == "teardown"]
    figures = {
        report.nodeid: told["taken over"]
        for report in ended
        if "taken over" in (told := dict(report.user_properties))
    }
    if figures:
        terminalreporter.section("restores that were disturbed")
    for report in reports:
        if getattr(report, "when", "") == "call" and report.nodeid in figures:
            name = report.nodeid.rpartition("::test_")[2].replace("_", " ")
            said = " ".join(f"{seconds:.1f}" for seconds in figures[report.nodeid])
            after = f": taken over after {said} s" if said else ""
            terminalreporter.line(f"{report.outcome:>6} {report.duration:5.0f} s  {name}{after}")


@pytest.fixture(scope="session")
def the_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("chaos"), chosen()) as stage:
        yield stage


@pytest.fixture
def stage(the_stage: Stage) -> Iterator[Stage]:
    with the_stage.calm():
        yield the_stage


@pytest.fixture
def plan(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Callable[..., Restore]]:
    """``plan()``: a pool, a backup and a plan of this case; ``plan("silent")`` writes to nobody."""
    made: list[Restore] = []

    def give(messages: str = "invite") -> Restore:
        seed = secrets.randbelow(1_000_000)
        print(f"seed {seed}, logs in {stage.folder}")
        name = f"{request.node.originalname.removeprefix('test_')[:60]}-{seed}".replace("_", "-")
        made.append(Restore(stage, name, random.Random(seed), messages))
        return made[-1]

    yield give
    for restore in made:
        request.node.user_properties.append(("taken over", restore.takeovers))
        restore.close()


@pytest.fixture
def start(plan: Callable[..., Restore]) -> Callable[..., Restore]:
    """``start()``: a restore that was asked for."""

    def give(messages: str = "invite") -> Restore:
        restore = plan(messages)
        restore.start()
        return restore

    return give
