"""The benchmark of the web UI: its texts, its gateway, its verdicts, and that it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from benchmarks.webui.long import Opened
from benchmarks.webui.page import CHROMIUM, Slow
from benchmarks.webui.report import Results, as_text, goals
from benchmarks.webui.scripted import MODEL, Script, create_scripted
from benchmarks.webui.stream import Streamed
from benchmarks.webui.text import ending, rich
from benchmarks.webui.trace import longest_cpu_ms
from benchmarks.webui.visit import Visit
from server.app.web_files import FOLDER

ROOT = Path(__file__).resolve().parents[2]
CALM = Slow(160.0, 60.0, 80.0, 17.0, 300)
BUSY = Slow(600.0, 400.0, 500.0, 50.0, 300)


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.browser
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium")
@pytest.mark.skipif(not (FOLDER / "index.html").is_file(), reason="the web UI is not built")
def test_a_quick_run_sees_everything_drawn_and_prints_its_tables(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.webui", "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first visit" in done.stdout
    found = orjson.loads(figures.read_bytes())
    assert "/" in found["visits"][0]["bytes_by_path"]
    assert found["streamed"][0]["slow"]["frames"] > 0


def test_a_folder_without_pages_is_refused_in_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.webui", "--web", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path} holds no built web UI")


def test_rich_text_is_whole_sections_that_differ() -> None:
    text = rich(3_000)
    assert 3_000 <= len(text) < 6_000
    assert text.count("## Part ") * 2 == text.count("\n```") // 2
    assert rich(3_000, first=7) != text
    assert rich(0) == ""


@pytest.mark.parametrize("piece", [7, 10_000])
async def test_the_scripted_gateway_says_all_of_the_script(piece: int) -> None:
    script = Script(chars=500, piece=piece, number=3)
    transport = httpx.ASGITransport(create_scripted())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        question = {"role": "user", "content": script.model_dump_json()}
        answer = await http.post("/v1/chat/completions", json={"messages": [question]})
        models = (await http.get("/v1/models")).json()
    *events, last = answer.text.strip().removeprefix("data: ").split("\n\ndata: ")
    said = [orjson.loads(event)["choices"][0] for event in events]
    assert "".join(one["delta"].get("content", "") for one in said) == script.text()
    assert script.text().endswith(ending(3))
    assert (said[-1]["finish_reason"], last) == ("stop", "[DONE]")
    assert models["data"][0]["id"] == MODEL


def test_the_median_round_decides() -> None:
    results = Results(
        visits=[Visit({"/": 1_000, "/assets/a.js": 200_000}, 300.0)] * 3,
        streamed=[Streamed(13_000, slow, 30.0) for slow in (CALM, BUSY, CALM)],
        opened=[
            Opened(300, 1_500, shown, CALM, 900.0, CALM) for shown in (900.0, 5_000.0, 4_000.0)
        ],
    )
    weight, task, shown = goals(results)
    assert (weight.figure, weight.met) == (201.0, True)
    assert (task.figure, task.met) == (60.0, True)
    assert (shown.figure, shown.met) == (4.0, False)
    assert "/assets/a.js" in as_text(results)


def test_only_tasks_of_a_pages_main_thread_count() -> None:
    task = {"name": "ThreadControllerImpl::RunTask", "pid": 7}
    events = [
        {"name": "thread_name", "pid": 7, "tid": 1, "args": {"name": "CrRendererMain"}},
        {"name": "thread_name", "pid": 7, "tid": 2, "args": {"name": "Compositor"}},
        {**task, "tid": 1, "dur": 90_000, "tdur": 40_000},
        {**task, "tid": 1, "dur": 10_000},
        {**task, "tid": 2, "dur": 900_000, "tdur": 900_000},
    ]
    assert longest_cpu_ms(events) == 40.0
    assert longest_cpu_ms([]) == 0.0
