from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.core.errors import Conflict, NotFound
from server.ledger.key import Key, digest_of
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey

WISH = NewKey(
    name="alice",
    models=("b", "a"),
    requests_per_minute=1,
    tokens_per_minute=2,
    parallel=3,
    tokens_per_day=10**15,
    lane="batch",
    admin=True,
    expires=2_000_000_000,
)


def test_a_key_comes_back_as_it_was_made(file: Path, ledger: Ledger) -> None:
    made, text = ledger.create_key(WISH, 5.5)
    assert re.fullmatch(r"sk-sl-[A-Za-z0-9_-]{43}", text)
    assert re.fullmatch(r"key-[0-9a-f]{24}", made.id)
    again = Ledger.open(file)
    assert again.all_keys() == [made]
    assert again.digests() == {digest_of(text.encode()): made.id}
    assert (made.name, made.limits, made.lane, made.admin) == ("alice", WISH.limits, "batch", True)
    assert (made.created, made.expires, made.revoked) == (5.5, 2_000_000_000, None)
    again.close()


def test_no_two_keys_have_one_text(ledger: Ledger) -> None:
    assert len({ledger.create_key(NewKey(name=f"{n}"), 1.0)[1] for n in range(50)}) == 50


def test_the_text_of_a_key_is_nowhere_in_the_files(file: Path, ledger: Ledger) -> None:
    key, text = ledger.create_key(WISH, 1.0)
    ledger.revoke_key(key.id, 2.0)
    for path in file.parent.iterdir():
        held = path.read_bytes()
        assert text.encode() not in held
        assert text[12:].encode() not in held
    assert text[12:] not in repr(ledger.all_keys())


def test_a_name_is_in_use_until_its_key_is_revoked(ledger: Ledger) -> None:
    first, _ = ledger.create_key(WISH, 1.0)
    with pytest.raises(Conflict, match=first.id):
        ledger.create_key(NewKey(name="alice"), 2.0)
    assert len(ledger.all_keys()) == 1
    ledger.revoke_key("alice", 3.0)
    second, _ = ledger.create_key(NewKey(name="alice"), 4.0)
    assert ledger.revoke_key("alice", 5.0).id == second.id
    with pytest.raises(NotFound):
        ledger.revoke_key("alice", 6.0)


def test_the_first_revocation_counts(ledger: Ledger) -> None:
    key, _ = ledger.create_key(WISH, 1.0)
    assert ledger.revoke_key(key.id, 7.0).revoked == 7.0
    assert ledger.revoke_key(key.id, 8.0).revoked == 7.0


def test_a_key_that_is_not_there_cannot_be_revoked(ledger: Ledger) -> None:
    key, _ = ledger.create_key(WISH, 1.0)
    for which in ("", "nobody", "a'; DROP TABLE keys; --", "%", "\0", "\ud800", "x" * 10**6):
        with pytest.raises(NotFound):
            ledger.revoke_key(which, 2.0)
    assert ledger.all_keys() == [key]


def test_a_key_ends_when_it_expires_or_is_revoked() -> None:
    assert Key("i", "n").state(10.0**12) == "active"
    assert Key("i", "n", expires=5.0).state(4.9) == "active"
    assert Key("i", "n", expires=5.0).state(5.0) == "expired"
    assert Key("i", "n", expires=5.0, revoked=1.0).state(0.0) == "revoked"


def test_changes_of_keys_and_of_routes_are_counted_apart(ledger: Ledger, file: Path) -> None:
    before = ledger.changes()
    other = Ledger.open(file)
    key, _ = other.create_key(WISH, 1.0)
    made = ledger.changes()
    assert (made["keys"] != before["keys"], made["routes"]) == (True, before["routes"])
    other.revoke_key(key.id, 2.0)
    assert ledger.changes()["keys"] != made["keys"]
    other.put_route("gpt-4o", "{}")
    assert ledger.changes()["routes"] != before["routes"]
    other.close()


def test_routes_are_kept_as_they_are_given(ledger: Ledger) -> None:
    ledger.put_route("gpt-4o", '{"to": ["a"]}')
    ledger.put_route("a route 中", "2")
    ledger.put_route("gpt-4o", "3")
    assert ledger.routes() == {"a route 中": "2", "gpt-4o": "3"}
    assert ledger.delete_route("gpt-4o")
    assert not ledger.delete_route("gpt-4o")
    assert ledger.routes() == {"a route 中": "2"}
