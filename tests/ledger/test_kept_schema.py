"""Files of older versions are brought up to date, and go on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from server.ledger.responses import Answers, Kept

NOW = 1_700_000_000.0
FIRST = (
    """
    CREATE TABLE responses (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, previous TEXT, created REAL NOT NULL,
        holder TEXT NOT NULL, beaten REAL NOT NULL, input BLOB NOT NULL, document BLOB NOT NULL
    )
    """,
    "CREATE INDEX of_owner ON responses (owner, created)",
    "CREATE INDEX by_age ON responses (created)",
    """
    CREATE TABLE owners (
        id TEXT PRIMARY KEY, responses INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE TRIGGER put AFTER INSERT ON responses BEGIN SELECT 1; END",
    "CREATE TRIGGER changed AFTER UPDATE OF document ON responses BEGIN SELECT 1; END",
    "CREATE TRIGGER gone AFTER DELETE ON responses BEGIN SELECT 1; END",
    "INSERT INTO responses VALUES ('resp_1', 'key-a', NULL, 1700000000.0, '', 0, x'5b5d', x'7b7d')",
    "INSERT INTO owners VALUES ('key-a', 1, 4)",
)
"""As the version made it that kept responses alone; its triggers are shortened."""


def test_what_an_older_version_kept_is_there_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "responses.db"
    db = sqlite3.connect(file)
    with db:
        for statement in FIRST:
            db.execute(statement)
    db.close()
    for _ in range(2):  # the second time there is nothing to do
        answers = Answers.open(file)
        kept = answers.find("key-a", "resp_1", NOW)
        assert kept == Kept("resp_1", "key-a", None, NOW, "", 0.0, b"[]", b"{}")
        answers.close()
    answers = Answers.open(file)
    chat = Kept("chatcmpl-1", "key-a", None, NOW, "", NOW, b"[]", b"{}", "chat", "m", "{}")
    answers.put(chat)
    assert answers.find("key-a", "chatcmpl-1", NOW, "chat") == chat
    assert list(answers._db.execute("SELECT * FROM owners")) == [("key-a", 2, 10)]
    assert answers.delete("key-a", "resp_1")
    assert answers.delete("key-a", "chatcmpl-1", "chat")
    assert list(answers._db.execute("SELECT * FROM owners")) == []
    answers.close()
