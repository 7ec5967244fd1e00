from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.weights.files import check_place, find_model
from tests.fakes.engines import Said


def model(path: str) -> ModelSettings:
    return ModelSettings(name="wanted", path=path)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_model(model(str(tmp_path)), Said()) == tmp_path


def test_the_bundled_embedding_model_is_found() -> None:
    folder = find_model(model("bundled:all-MiniLM-L6-v2"), Said())
    assert (folder / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "path", ["/no/such/folder", "./nowhere", "../up", "bundled:nothing", "bundled:../../etc"]
)
def test_what_is_nowhere_is_named(path: str) -> None:
    with pytest.raises(StartError, match="'wanted'"):
        find_model(model(path), Said())


def test_a_hub_that_cannot_be_reached_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    said = Said()
    with pytest.raises(StartError, match=r"'wanted': 'some/model' is no folder here.*no network"):
        find_model(model("some/model"), said)
    assert "downloading some/model" in said.reports[0].detail


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "there is nothing in the folder"),
        (["config.json"], "no weights"),
        (["config.json", "pytorch_model.bin"], "pickle .pytorch_model.bin."),
    ],
)
def test_a_folder_without_weights_is_told_before_anything_is_imported(
    files: list[str], says: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(StartError, match=says):
        check_place(model(str(tmp_path)))
    (tmp_path / "model.safetensors").write_text("")
    check_place(model(str(tmp_path)))
