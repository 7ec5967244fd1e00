from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hatch_build import STAMP, CannotBuild, CustomBuildHook, build

NPM = """#!/bin/sh
echo "npm $*" >> "$LOG"
[ "$1" = "$FAIL" ] && echo "it went wrong" && exit 1
[ "$1" = "ci" ] && exit 0
mkdir -p "$5/assets"
echo page > "$5/index.html"
head -c 5000 /dev/zero > "$5/assets/a.js"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, and a PATH with a Node that only pretends."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"node": "#!/bin/sh\necho v22.1.0\n", "npm": NPM}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAIL", "nothing")
    monkeypatch.delenv("SHORTLINE_WEB", raising=False)
    (tmp_path / "webui/src").mkdir(parents=True)
    (tmp_path / "webui/package.json").write_text("{}")
    (tmp_path / "webui/src/main.ts").write_text("1")
    (tmp_path / "server/app").mkdir(parents=True)
    return tmp_path


def install(root: Path) -> None:
    hook = CustomBuildHook(str(root), {}, None, None, "", "wheel")  # type: ignore[arg-type]
    hook.initialize("standard", {})


def calls(root: Path) -> int:
    log = root / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_an_installation_builds_the_ui_with_compressed_copies(root: Path) -> None:
    install(root)
    out = root / "server/app/web"
    assert (out / "index.html").read_text() == "page\n"
    assert gzip.decompress((out / "assets/a.js.gz").read_bytes()) == bytes(5000)
    assert not (out / "index.html.gz").exists()
    assert not (root / "server/app/web.new").exists()


def test_what_has_not_changed_is_not_built_again(root: Path) -> None:
    install(root)
    install(root)
    assert calls(root) == 2
    (root / "webui/src/main.ts").write_text("2")
    install(root)
    assert calls(root) == 4


def test_a_file_that_moved_is_a_change(root: Path) -> None:
    install(root)
    (root / "webui/src/main.ts").rename(root / "webui/src/other.ts")
    install(root)
    assert calls(root) == 4


def test_what_is_built_already_needs_no_node(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("SHORTLINE_WEB", "require")
    install(root)


def test_without_node_it_warns_and_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    install(root)
    assert "node and npm are not on the PATH" in capsys.readouterr().err
    assert not (root / "server/app/web").exists()


def test_a_ui_that_is_required_fails_the_installation(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLINE_WEB", "require")
    monkeypatch.setenv("FAIL", "run")
    with pytest.raises(RuntimeError, match=r"npm run.*\n.*it went wrong"):
        install(root)


def test_a_failed_build_leaves_the_old_one_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(root)
    (root / "webui/src/main.ts").write_text("2")
    monkeypatch.setenv("FAIL", "run")
    install(root)
    out = root / "server/app/web"
    assert (out / "index.html").is_file()
    monkeypatch.setenv("FAIL", "nothing")
    before = (out / STAMP).read_text()
    install(root)
    assert (out / STAMP).read_text() != before


def test_a_node_that_is_too_old_is_named(root: Path) -> None:
    (root / "tools/node").write_text("#!/bin/sh\necho v18.20.1\n")
    with pytest.raises(CannotBuild, match=r"v18\.20\.1 is too old; 20\.19"):
        build(root / "webui", root / "server/app/web")


def test_skip_does_nothing_and_another_word_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLINE_WEB", "skip")
    install(root)
    assert calls(root) == 0
    monkeypatch.setenv("SHORTLINE_WEB", "maybe")
    with pytest.raises(ValueError, match="auto, require or skip"):
        install(root)


def test_sources_that_are_not_there_are_a_reason(root: Path) -> None:
    with pytest.raises(CannotBuild, match="sources"):
        build(root / "nothing", root / "server/app/web")
