"""Builds the web UI while the package is built, so that `pip install` is all there is to do.

SHORTLINE_WEB=auto     (when not set) build when the sources have changed; without Node, warn and
                       go on: the server works without its web UI and says so
SHORTLINE_WEB=require  a web UI that cannot be built fails the installation
SHORTLINE_WEB=skip     leave what is there as it is
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (20, 19)
SOURCES = ("src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json",
           "vite.config.ts")  # fmt: skip
STAMP = ".sources"
MIN_PACKED_BYTES = 1024
PACKED = {".html", ".js", ".mjs", ".css", ".svg", ".json", ".webmanifest", ".txt", ".ttf"}
LAST_LINES = 20
LONGEST_S = 900


class CannotBuild(Exception):
    """In words for whoever installs."""


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        mode = os.environ.get("SHORTLINE_WEB", "auto")
        if mode not in ("auto", "require", "skip"):
            raise ValueError(f"SHORTLINE_WEB={mode}: it may be auto, require or skip")
        if mode == "skip":
            return
        try:
            build(Path(self.root) / "webui", Path(self.root) / "server/app/web")
        except CannotBuild as error:
            if mode == "require":
                raise RuntimeError(f"the web UI could not be built: {error}") from error
            tell(f"warning: the web UI was not built: {error}\n  The server works without it.")


def build(webui: Path, out: Path) -> None:
    """Make `out` what `webui` says, unless it is already. Raises `CannotBuild`."""
    if not (webui / "package.json").is_file():
        raise CannotBuild("its sources are not here")
    stamp = out / STAMP
    wanted = digest(webui)
    if (out / "index.html").is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return
    node, npm = find_node()
    draft = out.with_name(f"{out.name}.new")
    try:
        run([npm, "ci", "--no-audit", "--no-fund"], webui, node)
        run([npm, "run", "build", "--", "--outDir", str(draft), "--emptyOutDir"], webui, node)
        pack(draft)
        (draft / STAMP).write_text(wanted)
        shutil.rmtree(out, ignore_errors=True)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(f"the web UI is in {out}")


def digest(webui: Path) -> str:
    """Of the names and contents of everything that the result depends on."""
    known = hashlib.sha256()
    for file in source_files(webui):
        content = file.read_bytes()
        name = file.relative_to(webui).as_posix().encode()
        known.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return known.hexdigest()


def source_files(webui: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = webui / name
        yield from sorted(p for p in path.rglob("*") if p.is_file())
        if path.is_file():
            yield path


def find_node() -> tuple[str, str]:
    """Where node and npm are. Raises `CannotBuild` for none, and for one that is too old."""
    wanted = ".".join(map(str, OLDEST_NODE))
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotBuild(f"node and npm are not on the PATH; Node {wanted} or newer is needed")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.match(r"v(\d+)\.(\d+)", said)
    if number is None or (int(number[1]), int(number[2])) < OLDEST_NODE:
        raise CannotBuild(f"Node {said.strip() or '?'} is too old; {wanted} is needed")
    return node, npm


def run(command: list[str], folder: Path, node: str) -> None:
    """Raises `CannotBuild` with the end of what the command said."""
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    env = {**os.environ, "PATH": path, "CI": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(str(error)) from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise CannotBuild(f"'npm {command[1]}' ended with code {done.returncode}:\n{tail}")


def pack(folder: Path) -> None:
    """A compressed copy beside every text of some length: it is made once, not for each reader."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in PACKED and file.stat().st_size > MIN_PACKED_BYTES:
            packed = gzip.compress(file.read_bytes(), 9, mtime=0)
            file.with_name(f"{file.name}.gz").write_bytes(packed)


def tell(words: str) -> None:
    sys.stderr.write(f"shortline: {words}\n")
