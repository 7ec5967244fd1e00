from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from server.core.clock import SystemClock
from server.launcher.cli import run
from server.launcher.setup.home import Home
from server.ledger.budget import DAY_S, Lease
from server.ledger.key import digest_of
from server.ledger.ledger import Batch, Ledger
from server.ledger.usage import Usage

CODE = Path(__file__).parents[3]
TODAY = int(SystemClock().wall() // DAY_S)

Key = Callable[..., tuple[int, str, str]]


@pytest.fixture
def key(home: Home, capsys: pytest.CaptureFixture[str]) -> Key:
    """`startup.py key …`: its exit code, what it says and what it complains of."""

    def key(*words: str) -> tuple[int, str, str]:
        try:
            code = run(["key", *words, "--home", str(home.root)])
        except SystemExit as end:  # the command line itself is wrong
            code = int(str(end.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return key


def made(key: Key, *words: str) -> dict[str, object]:
    code, out, err = key("create", *words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


def test_a_key_is_made_and_shown_once(home: Home, key: Key) -> None:
    code, out, _ = key("create", "alice", "--rpm", "5")
    assert code == 0
    text = re.search(r"^  (sk-sl-[\w-]{43})$", out, re.M)
    assert text is not None
    assert "from now on every request" in out
    ledger = Ledger.open(home.ledger_file)
    assert list(ledger.digests()) == [digest_of(text[1].encode())]
    ledger.close()
    assert "from now on every request" not in key("create", "bob")[1]
    for words in (("list",), ("list", "--json"), ("usage",), ("revoke", "alice")):
        assert text[1][12:] not in "".join(key(*words)[1:])


def test_every_limit_can_be_said(key: Key) -> None:
    counts = ("--rpm", "1", "--tpm", "2", "--parallel", "3", "--tokens-per-day", "4000")
    rest = ("--lane", "batch", "--admin", "--expires", "2099-12-31", "--models", "m", "n")
    found = made(key, "carol", *counts, *rest)
    assert {name: found[name] for name in ("models", "lane", "admin", "expires", "state")} == {
        "models": ["m", "n"],
        "lane": "batch",
        "admin": True,
        "expires": 4_102_444_800,
        "state": "active",
    }
    line = key("list")[1].splitlines()[1]
    assert "1 requests/min; 2 tokens/min; 3 at a time; 0 of 4,000 tokens used today" in line
    assert "only m, n; lane batch; administrator" in line
    assert "2100-01-01 00:00Z" in line


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a\nb",), "NAME: a name has"),
        (("",), "NAME: a name has"),
        (("\udcff",), "NAME: a name has"),
        (("sk-sl-abc",), "NAME: this looks like a key itself"),
        (("x" * 101,), "NAME: a name has"),
        (("a", "--rpm", "0"), "--rpm: "),
        (("a", "--rpm", "-3"), "--rpm: "),
        (("a", "--tpm", "9" * 30), "--tpm: "),
        (("a", "--parallel", "1.5"), "--parallel: invalid int value"),
        (("a", "--tokens-per-day", "many"), "--tokens-per-day: invalid int value"),
        (("a", "--lane", "express"), "--lane: invalid choice"),
        (("a", "--models", ""), "--models: "),
        (("a", "--models", "m\0"), "--models: "),
        (("a", "--expires", "soon"), "--expires: 12h, 30d"),
        (("a", "--expires", "1999-12-31"), "--expires: this moment is over"),
        ((), "NAME"),
    ],
)
def test_what_makes_no_sense_is_two_and_makes_nothing(
    home: Home, key: Key, words: tuple[str, ...], complaint: str
) -> None:
    code, out, err = key("create", *words)
    assert (code, out) == (2, "")
    assert complaint in err
    assert not home.ledger_file.exists()


def test_all_mistakes_are_told_at_once(key: Key) -> None:
    _, _, err = key("create", "", "--rpm", "0", "--tokens-per-day", "0")
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "NAME",
        "--rpm",
        "--tokens-per-day",
    ]


def test_a_name_in_use_is_one(key: Key) -> None:
    made(key, "alice")
    code, out, err = key("create", "alice")
    assert (code, out) == (1, "")
    assert "already" in err


def test_a_key_is_revoked_by_its_name_or_its_id(key: Key) -> None:
    first, second = made(key, "alice"), made(key, "bob")
    assert key("revoke", "alice")[0] == 0
    assert key("revoke", str(second["id"]))[0] == 0
    assert key("revoke", "alice")[0] == 1
    assert "`key create NAME` makes one" in key("list")[1]
    listed = json.loads(key("list", "--revoked", "--json")[1])["data"]
    assert [(x["id"], x["state"]) for x in listed] == [
        (first["id"], "revoked"),
        (second["id"], "revoked"),
    ]
    for which in ("nobody", "\udcff", "", "%"):
        code, _, err = key("revoke", which)
        assert (code, "There is no key" in err) == (1, True)


def test_looking_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    home.configs.mkdir()
    home.fleet_file.touch()
    for words, code in ((["list"], 0), (["usage"], 0), (["usage", "a"], 1), (["revoke", "a"], 1)):
        assert run(["key", *words, "--home", str(tmp_path)]) == code
    assert not home.data.exists()
    assert "There are no keys" in capsys.readouterr().out


def test_the_first_key_may_be_made_before_the_first_start(tmp_path: Path) -> None:
    home = Home(tmp_path / "a/new home 中")
    home.configs.mkdir(parents=True)
    home.fleet_file.touch()
    assert run(["key", "create", "a", "--home", str(home.root)]) == 0
    assert home.data.stat().st_mode & 0o777 == 0o700
    assert home.ledger_file.stat().st_mode & 0o777 == 0o600


def test_usage_is_told_by_day_key_and_model(home: Home, key: Key) -> None:
    alice = str(made(key, "王", "--tokens-per-day", "5000")["id"])
    ledger = Ledger.open(home.ledger_file)
    rows = [
        Usage(alice, "m", TODAY, 12_345, 1, 2, 3, 4),
        Usage("nobody", "m", TODAY, 1, 0, 1, 1, 0),
        Usage(alice, "n", TODAY - 7, 1, 0, 1, 1, 0),
    ]
    ledger.tell(Batch(rows, [Lease(alice, TODAY, "gw", 900, 700, time.time())]))
    ledger.close()
    head, first, second = key("usage")[1].splitlines()
    assert head.split() == [
        *("DAY", "KEY", "MODEL", "REQUESTS", "FAILED", "PROMPT", "COMPLETION", "ASSUMED")
    ]
    assert first.split()[1:] == ["王", "m", "12,345", "1", "2", "3", "4"]
    assert second.split()[1:] == ["nobody", "m", "1", "0", "1", "1", "0"]
    assert cell_len(first.partition(" m ")[0]) == cell_len(second.partition(" m ")[0])
    for which in (alice, "王"):
        told = json.loads(key("usage", which, "--days", "8", "--json")[1])["data"]
        assert [(x["name"], x["model"]) for x in told] == [("王", "m"), ("王", "n")]
    assert len(json.loads(key("usage", "nobody", "--json")[1])["data"]) == 1
    assert "700 of 5,000 tokens used today" in key("list")[1]
    assert key("usage", "bob")[0] == 1
    for days in ("0", "-1", "401", "x"):
        assert key("usage", "--days", days)[0] == 2


def test_a_damaged_ledger_is_one_and_left_as_it_is(home: Home, key: Key) -> None:
    home.ledger_file.write_bytes(b"")
    for words in (("list",), ("create", "a"), ("revoke", "a"), ("usage",)):
        code, out, err = key(*words)
        assert (code, out) == (1, "")
        assert "cannot be used" in err
    assert home.ledger_file.read_bytes() == b""


def test_an_action_is_needed(key: Key) -> None:
    code, _, err = key()
    assert (code, "ACTION" in err) == (2, True)


def test_no_server_and_no_heavy_library_is_loaded() -> None:
    program = (
        "import sys, server.launcher.care.key\n"
        "heavy = {'torch', 'starlette', 'uvicorn', 'sqlalchemy', 'server.gateway'}\n"
        "print(heavy & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=CODE, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "set()"
