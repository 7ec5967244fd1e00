from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from server.launcher.running.orphans import Orphans
from tests.system.launch import until

CODE = Path(__file__).parents[3]
ADOPTING = """
import os, subprocess, sys, time
import psutil
from server.launcher.running.orphans import adopt_orphans
adopt_orphans()
parent = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
subprocess.run([sys.executable, '-c', parent])
[orphan] = psutil.Process().children()
print(orphan.name())
orphan.kill()
"""


def test_the_dead_are_collected_unless_they_died_a_moment_ago() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)
    orphans = Orphans()
    orphans.collect()
    assert psutil.pid_exists(pid)
    orphans.collect()
    assert not psutil.pid_exists(pid)


def test_the_living_are_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        orphans = Orphans()
        orphans.collect()
        orphans.collect()
        assert child.poll() is None
        child.kill()


def test_an_orphan_in_a_session_of_its_own_comes_to_us_too() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", ADOPTING], cwd=CODE, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "sleep"
