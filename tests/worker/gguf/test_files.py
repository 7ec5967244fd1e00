from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.gguf.files import find_gguf
from tests.fakes.engines import Said
from tests.fakes.hub import Hub, ask_this, serving_hub


def model(path: Path | str, **options: str) -> ModelSettings:
    return ModelSettings(name="wanted", path=str(path), engine="llama_cpp", options=dict(options))


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"GGUF")
    return folder


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = files(tmp_path, "a.gguf", "b.gguf") / "b.gguf"
    assert find_gguf(model(file), Said()) == file


def test_the_only_model_of_a_folder_is_found(tmp_path: Path) -> None:
    files(tmp_path, "a-00001-of-00002.gguf", "a-00002-of-00002.gguf", "mmproj-a.gguf", "readme.md")
    assert find_gguf(model(tmp_path), Said()).name == "a-00001-of-00002.gguf"


def test_of_several_one_has_to_be_named(tmp_path: Path) -> None:
    files(tmp_path, "a-q4.gguf", "a-q8.gguf")
    with pytest.raises(StartError, match=r"'wanted'.*options.file: a-q4.gguf, a-q8.gguf"):
        find_gguf(model(tmp_path), Said())
    assert find_gguf(model(tmp_path, file="a-q8.gguf"), Said()).name == "a-q8.gguf"
    with pytest.raises(StartError, match=r"no file a-q2\.gguf"):
        find_gguf(model(tmp_path, file="a-q2.gguf"), Said())


def test_a_folder_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"'wanted': there is no \*.gguf"):
        find_gguf(model(tmp_path), Said())


@pytest.mark.parametrize("path", ["/no/such/file.gguf", "models/file.gguf", "file.gguf", "a b/c"])
def test_what_is_nowhere_is_named(path: str) -> None:
    with pytest.raises(StartError, match="'wanted': there is no file or folder"):
        find_gguf(model(path), Said())


def test_a_file_of_the_hub_has_to_be_named() -> None:
    with pytest.raises(StartError, match=r"options\.file"):
        find_gguf(model("some/model-GGUF"), Said())


HUB = ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf", "b.gguf", "readme.md")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving_hub("some/model", {name: name.encode() for name in HUB}) as hub:
        ask_this(hub, str(tmp_path), monkeypatch)
        yield hub


def test_all_parts_of_a_model_are_fetched_and_nothing_else(hub: Hub) -> None:
    said = Said()
    found = find_gguf(model("some/model", file=HUB[0]), said)
    assert {file.name for file in found.parent.iterdir()} == {*HUB[:2]}
    assert sorted(hub.fetched()) == [*HUB[:2]]
    assert "downloading a-00001-of-00002.gguf of some/model" in said.reports[0].detail
    with pytest.raises(StartError, match=r"some/model has no file c\.gguf"):
        find_gguf(model("some/model", file="c.gguf"), said)


def test_what_is_here_is_not_fetched(hub: Hub) -> None:
    found = find_gguf(model("some/model", file="b.gguf"), Said())
    asked = len(hub.asked)
    assert find_gguf(model("some/model", file="b.gguf"), Said()) == found
    assert len(hub.asked) == asked


def test_a_hub_that_cannot_be_reached_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(StartError, match=r"its file a.gguf cannot be downloaded .*no network"):
        find_gguf(model("some/model", file="a.gguf"), Said())
