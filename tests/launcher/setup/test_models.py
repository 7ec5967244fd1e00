from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.core.settings import ModelSettings
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.models import check_models, locate, locate_swap


def test_a_bundled_model_keeps_its_name(home: Home, installation: Installation) -> None:
    for path in ("bundled:tiny", "bundled:all-MiniLM-L6-v2"):
        assert locate(path, home.root, installation) == path


def test_an_unknown_bundled_model_names_those_there_are(
    home: Home, installation: Installation
) -> None:
    with pytest.raises(ConfigError, match=r"there are: all-MiniLM-L6-v2, tiny"):
        locate("bundled:huge", home.root, installation)


def test_a_hub_name_is_left_alone(home: Home, installation: Installation) -> None:
    for path in ("Qwen/Qwen3-0.6B", "gpt2"):
        assert locate(path, home.root, installation) == path


def test_a_relative_folder_is_looked_for_at_home_then_in_the_code(
    home: Home, installation: Installation
) -> None:
    (installation.code / "models/a").mkdir(parents=True)
    assert locate("models/a", home.root, installation) == str(installation.code / "models/a")
    (home.root / "models/a").mkdir(parents=True)
    assert locate("models/a", home.root, installation) == str(home.root / "models/a")


@pytest.mark.parametrize(
    "path", ["/no/such", "./no", "../no", "~/no-such-folder", "a/b/c", "models/"]
)
def test_what_can_only_be_a_folder_must_be_there(
    home: Home, installation: Installation, path: str
) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        locate(path, home.root, installation)


def test_everything_wrong_with_all_models_is_told_at_once(
    home: Home, installation: Installation
) -> None:
    models = [
        ModelSettings(name="a", path="/no/such", engine="warp"),
        ModelSettings(name="b", path="bundled:huge", engine="echo"),
    ]
    with pytest.raises(ConfigError) as caught:
        check_models(models, home.root, installation)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "model 'a'",
        "model 'a'",
        "model 'b'",
    ]
    assert "there is no engine 'warp'; there are: echo, transformers" in str(caught.value)


def test_a_good_model_comes_back_with_its_folder(home: Home, installation: Installation) -> None:
    (home.root / "m").mkdir()
    (model,) = check_models([ModelSettings(name="m", path="./m")], home.root, installation)
    assert Path(model.path) == home.root / "m"


def test_a_model_without_weights_has_no_place(home: Home, installation: Installation) -> None:
    (model,) = check_models([ModelSettings(name="e", engine="echo")], home.root, installation)
    assert model.path == ""


def flags(action: str, path: str) -> Namespace:
    return Namespace(action=action, path=path)


def test_a_swap_may_name_what_a_model_may(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert locate_swap(flags("swap", ""), home.root, installation) == ""
    assert locate_swap(flags("swap", "bundled:tiny"), home.root, installation) == "bundled:tiny"
    assert locate_swap(flags("swap", "/no/where"), home.root, installation) is None
    assert "There is no folder '/no/where'." in capsys.readouterr().err
    assert locate_swap(flags("stop", "bundled:tiny"), home.root, installation) is None
    assert "for `worker swap` only" in capsys.readouterr().err


def test_adapters_come_back_with_their_folders(home: Home, installation: Installation) -> None:
    (home.root / "m").mkdir()
    (home.root / "pirate").mkdir()
    model = ModelSettings(name="m", path="./m", adapters={"one": "pirate", "two": "./pirate"})
    (found,) = check_models([model], home.root, installation)
    assert found.adapters == dict.fromkeys(("one", "two"), str(home.root / "pirate"))
    lost = model.model_copy(update={"adapters": {"one": "some/name", "two": "bundled:huge"}})
    with pytest.raises(ConfigError, match=r"model 'm': .*no folder '.*some/name'"):
        check_models([lost], home.root, installation)
