"""Four commands that are started at the same moment on the same sweep, where nothing is yet."""

from __future__ import annotations

import re

import pytest
from audit import audit
from command import Command
from scene import Scene

NAME = "four"
TOTAL = 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_runs_and_three_say_who_does(scene: Scene) -> None:
    commands = [
        Command.start(scene, NAME, f"trials={TOTAL}", log=scene.folder / f"{number}.log")
        for number in range(4)
    ]
    codes = [command.end() for command in commands]
    assert sorted(codes) == [0, 2, 2, 2], [command.said for command in commands]
    winner = commands[codes.index(0)]
    for command in commands:
        if command is not winner:
            assert "Traceback" not in command.said
            assert re.match(
                rf"error: the sweep '{NAME}' is being run by process {winner.process.pid} on \S+; "
                "wait until it ends, stop it, or start another sweep with --new NAME$",
                command.last_line,
            ), command.said
            assert "started" not in command.said
    found = audit(scene.folder, NAME, total=TOTAL, keep=2, disk_limit=5_000_000)
    assert found.is_clean, f"{found}\n{winner.said}"
    assert scene.orphans() == []
