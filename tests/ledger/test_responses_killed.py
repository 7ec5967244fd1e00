"""A process that keeps responses, killed while it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.ledger import conversations
from server.ledger.responses import Answers

KEEPS = """
import sys
from pathlib import Path
from server.ledger.items import Addition
from server.ledger.responses import Answers, Kept

answers = Answers.open(Path(sys.argv[1]))
number, now = 0, 1_700_000_000.0
answers.put(Kept("conv_1", "key-a", None, now, "", now, b"", b"", "conversation"))
while True:
    now = 1_700_000_000.0 + number
    answers.put(
        Kept(f"resp_{number}", "key-a", None, now, "", now, b"[]", b"x" * 10_000),
        Addition("conv_1", "key-a", now, [(str(number), b"%d" % number)]),
    )
    print(number, flush=True)
    number += 1
"""
FEW = 20


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "responses.db"
    argv = (sys.executable, "-c", KEEPS, str(file))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [next(process.stdout) for _ in range(FEW)]
        process.kill()
        said += list(process.stdout)
    answers = Answers.open(file)
    for number in map(int, said):
        kept = answers.find("key-a", f"resp_{number}", 1_700_000_000.0)
        assert kept is not None
        assert kept.document == b"x" * 10_000
    items = conversations.all_items(answers, "key-a", "conv_1", 1_700_000_000.0) or []
    assert [int(item) for item in items][: len(said)] == [int(number) for number in said]
    answers.close()
