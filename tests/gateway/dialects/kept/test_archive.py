"""The thread that keeps responses: many at once share one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.core.errors import StorageFull
from server.gateway.dialects.kept.archive import Archive
from server.ledger.responses import Answers, Kept

NOW = 1_700_000_000.0


def kept(number: int) -> Kept:
    return Kept(f"resp_{number}", "", None, NOW, "", NOW, b"[]", b"{}")


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    made = Archive(tmp_path / "responses.db")
    yield made
    await made.close()


async def there(archive: Archive, number: int) -> bool:
    return await archive.ask(Answers.find, "", f"resp_{number}", NOW) is not None


async def test_what_comes_while_the_disk_is_busy_is_written_together(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    put = Answers.put

    def noting(answers: Answers, *several: Kept) -> None:
        sizes.append(len(several))
        put(answers, *several)

    monkeypatch.setattr(Answers, "put", noting)
    await asyncio.gather(*(archive.put(kept(number)) for number in range(50)))
    await archive.put(kept(50))
    assert sum(sizes) == 51
    assert len(sizes) <= 3
    assert all([await there(archive, number) for number in range(51)])


async def test_who_stops_waiting_changes_nothing_for_the_others(archive: Archive) -> None:
    tasks = [asyncio.create_task(archive.put(kept(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks[1:])
    assert tasks[0].cancelled()
    assert all([await there(archive, number) for number in range(3)])


async def test_all_of_them_hear_that_it_could_not_be(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Answers, "put", full)
        told = await asyncio.gather(
            *(archive.put(kept(number)) for number in range(3)), return_exceptions=True
        )
    assert [type(error) for error in told] == [StorageFull] * 3
    await archive.put(kept(1))
    assert await there(archive, 1)
