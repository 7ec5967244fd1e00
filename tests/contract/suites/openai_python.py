"""Runs openai-python's own tests of chats, completions, conversations, embeddings, models and
responses here.

    python -m tests.contract.suites.openai_python [FOLDER]

FOLDER: the sources of openai-python (its repository, or its unpacked sdist) of the version that is
installed; without it, pip fetches them. It prints every test that fails, and why it may; it ends
with 1 if one fails that may not.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tarfile
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import openai

from tests.contract.suites.fleet import fleet
from tests.contract.suites.running import Outcomes, run_suite

TESTED = (
    "chat",
    "conversations",
    "responses",
    "test_completions.py",
    "test_conversations.py",
    "test_embeddings.py",
    "test_models.py",
    "test_responses.py",
)
MAY_FAIL = {
    r"test_models.*_delete": "no client may delete a model",
    r"api_resources\.test_completions.*_create_with_all_params": "OpenAI, too, says null: "
    "nothing stands before the first token",
    r"test_responses.*_create_with_all_params": "nothing compacts a conversation unasked",
    r"test_responses.*_compact": "its class has no place for the user's messages, which OpenAI's "
    "document demands",
}
"""Why, by a pattern of the test's name."""


def main() -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if sys.argv[1:] else _fetched(Path(scratch))
        found = asyncio.run(_run(folder.resolve(), Path(scratch) / "report.xml"))
    wrong = 0
    for name in sorted(found.failed):
        why = next((why for may, why in MAY_FAIL.items() if re.search(may, name)), None)
        wrong += why is None
        sys.stdout.write(f"{why or 'WRONG: ' + found.failed[name]:60}  {name}\n")
    sys.stdout.write(f"{len(found.passed)} passed, {len(found.failed)} failed, {wrong} wrong\n")
    sys.exit(wrong > 0)


def _fetched(scratch: Path) -> Path:
    """The sources of the version that is installed."""
    wanted = f"openai=={openai.__version__}"
    run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:", wanted],
        cwd=scratch,
        check=True,
    )
    [archive] = scratch.glob("openai-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(scratch, filter="data")
    return scratch / archive.name.removesuffix(".tar.gz")


async def _run(folder: Path, report: Path) -> Outcomes:
    async with fleet() as url:
        return await run_suite(
            *(f"tests/api_resources/{name}" for name in TESTED),
            *("-p", "openai_placeholders"),
            report=report,
            cwd=folder,
            PYTHONPATH=str(Path(__file__).parent),
            TEST_API_BASE_URL=url,
            SUITE_MODEL="mini",
            SUITE_EMBEDDING_MODEL="minilm",
        )


if __name__ == "__main__":
    main()
