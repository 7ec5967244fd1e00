"""huggingface_hub itself fetches, from a hub of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.gguf.files import find_gguf
from server.worker.weights import fetching
from server.worker.weights.fetching import RATE_S, TELL_S, Telling
from server.worker.weights.files import find_model
from tests.fakes.engines import Said
from tests.fakes.hub import SHA, Hub, ask_this, serving_hub

NAME = "some/model"
WEIGHTS = bytes(range(256)) * 8192
FILES = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "README.md": b"# A model",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(fetching, "TELL_S", 0.0)
    with serving_hub(NAME, FILES) as hub:
        ask_this(hub, str(tmp_path / "cache"), monkeypatch)
        yield hub


def model(engine: str = "transformers", **more: object) -> ModelSettings:
    values = {"name": "wanted", "path": NAME, "engine": engine} | more
    return ModelSettings.model_validate(values)


def test_bytes_of_all_bytes_are_told_while_they_come(hub: Hub) -> None:
    said = Said()
    folder = find_model(model(), said)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors"}
    first, *told = said.reports
    assert first.detail == "downloading some/model from the hub"
    shares = [report.done or 0.0 for report in told]
    assert len(shares) >= 10
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[-1].detail.startswith("downloading some/model, 2 of 2 MB (100%), ")
    assert told[-1].detail.endswith(" MB/s")


def test_what_is_here_is_not_fetched_again_nor_asked_for(hub: Hub) -> None:
    folder = find_model(model(), Said())
    asked, said = len(hub.asked), Said()
    assert find_model(model(), said) == folder
    assert len(hub.asked) == asked
    assert said.reports == []


def test_what_was_cut_goes_on_where_it_was(hub: Hub) -> None:
    hub.cut_at = len(WEIGHTS) // 2
    said = Said()
    folder = find_model(model(), said)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [wanted for method, path, wanted in hub.asked if method == "GET" and wanted]
    assert len(ranges) == 1
    assert int(ranges[0].removeprefix("bytes=").rstrip("-")) > 0
    assert said.reports[-1].done == 1.0


INDEX = b'{"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}'


@pytest.mark.parametrize(
    ("files", "begun", "engine"),
    [
        (
            {"model.safetensors.index.json": INDEX, "a.safetensors": b"a", "b.safetensors": b"b"},
            ["model.safetensors.index.json", "a.safetensors"],
            "transformers",
        ),
        (
            {"m-00001-of-00002.gguf": b"1", "m-00002-of-00002.gguf": b"2"},
            ["m-00001-of-00002.gguf"],
            "llama_cpp",
        ),
    ],
)
def test_what_others_have_begun_to_fetch_is_not_taken_for_whole(
    files: dict[str, bytes], begun: list[str], engine: str, hub: Hub, tmp_path: Path
) -> None:
    hub.files = files
    cached = tmp_path / "cache" / "models--some--model"
    snapshot = cached / "snapshots" / SHA
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(SHA)
    for name in begun:
        (snapshot / name).write_bytes(files[name])
    if engine == "llama_cpp":
        find_gguf(model(engine, options={"file": begun[0]}), Said())
    else:
        find_model(model(engine), Said())
    assert {file.name: file.read_bytes() for file in snapshot.iterdir()} == files


def test_a_gguf_file_is_fetched_in_the_same_way(hub: Hub) -> None:
    hub.files = {"a.gguf": WEIGHTS, "b.gguf": b"another one"}
    said = Said()
    found = find_gguf(model("llama_cpp", options={"file": "a.gguf"}), said)
    assert found.read_bytes() == WEIGHTS
    assert hub.fetched() == ["a.gguf"]
    assert said.reports[0].detail == "downloading a.gguf of some/model from the hub"
    assert "a.gguf of some/model, 2 of 2 MB (100%)" in said.reports[-1].detail


def test_a_model_that_the_hub_does_not_have_is_told(hub: Hub) -> None:
    with pytest.raises(StartError, match=r"'other/one' is no folder here.*cannot be downloaded"):
        find_model(model(path="other/one"), Said())


def test_the_rate_is_that_of_the_last_seconds() -> None:
    now, said = 0.0, Said()
    telling = Telling(10_000_000_000, "it", said, lambda: now)
    for second in range(1, 21):
        now = float(second)
        telling.at(second * 100e6 if second <= 10 else 1e9 + (second - 10) * 20e6)
    assert said.reports[4].detail == "downloading it, 0.5 of 10.0 GB (5%), 100 MB/s"
    assert said.reports[-1].detail == "downloading it, 1.2 of 10.0 GB (12%), 20 MB/s"
    assert RATE_S < 10


def test_between_two_words_some_time_passes() -> None:
    now, said = 0.0, Said()
    telling = Telling(100, "it", said, lambda: now)
    telling.at(1)
    now = TELL_S / 2
    telling.at(2)
    assert len(said.reports) == 1
