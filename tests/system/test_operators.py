"""What an operator sees of the running product, and what happens when one says so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from server.core.limits import HEARTBEAT_S
from server.wire.browser import FleetReport, ModelList, ProcessReport
from tests.browser.server import ECHO, SLOW, Server, sentence, served
from tests.system.launch import is_alive, until
from tests.system.streams import Frames, Listener, asked

pytestmark = [pytest.mark.system, pytest.mark.slow]

FIRST, SECOND, ONLY = "model_worker echo", "model_worker echo#2", "model_worker slow"
SERVERS = ("controller", "openai_api", "api")
BACK_S = 30.0


class Operator:
    def __init__(self, web: Server) -> None:
        self.web = web
        self._http = httpx.Client(base_url=web.url, trust_env=False, timeout=20)

    def report(self) -> FleetReport:
        return FleetReport.model_validate_json(self._http.get("/api/fleet").content)

    def process(self, name: str) -> ProcessReport:
        return next(process for process in self.report().processes if process.name == name)

    def models(self) -> dict[str, str]:
        shown = ModelList.model_validate_json(self._http.get("/api/models").content)
        return {model.id: model.state for model in shown.items}

    def tell(self, name: str, action: str, **headers: str) -> httpx.Response:
        """A `#` in an address would begin what is never sent."""
        path = f"/api/fleet/workers/{name.replace('#', '%23')}/{action}"
        return self._http.post(path, headers=headers)

    def order(self, name: str, action: str) -> None:
        answer = self.tell(name, action)
        assert answer.status_code == 202, answer.text
        assert answer.json()["name"] == name

    def wait(self, name: str, status: str) -> ProcessReport:
        until(lambda: self.process(name).status == status, BACK_S)
        return self.process(name)

    def restart_all(self) -> None:
        for name in (FIRST, SECOND, ONLY):
            process = self.process(name)
            if process.status != "ready":
                self.order(name, "restart" if "restart" in process.can else "start")
            self.wait(name, "ready")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("operators") / "home"
    with served(home, [ECHO | {"replicas": 2}, SLOW]) as running:
        yield running


@pytest.fixture
def operator(web: Server) -> Iterator[Operator]:
    """Everything is up in the test."""
    operator = Operator(web)
    operator.restart_all()
    yield operator


def seen(condition: Callable[[], object]) -> None:
    """The report follows the fleet within a second or two."""
    until(condition, 5)


def test_the_report_lists_everything_that_runs(operator: Operator) -> None:
    seen(lambda: operator.report().state == "ok")
    report = operator.report()
    assert {process.name for process in report.processes} == {*SERVERS, FIRST, SECOND, ONLY}
    assert report.missing == ()
    for process in report.processes:
        assert process.pid is not None
        assert psutil.pid_exists(process.pid)
        assert process.status == "ready"
        assert (process.memory_bytes or 0) > 10 << 20
        assert process.since
        is_worker = process.name not in SERVERS
        assert process.can == (("stop", "restart", "drain") if is_worker else ())
        assert process.models == ((process.name.split()[1].split("#")[0],) if is_worker else ())
    assert operator.models() == {"echo": "ready", "slow": "ready"}


def test_the_report_counts_what_the_gateway_sends(operator: Operator, web: Server) -> None:
    before = operator.process(ONLY)
    listener = Listener(web.url, sentence(80), model="slow").chars(10)
    seen(lambda: operator.process(ONLY).in_flight == 1)
    listener.whole()
    seen(lambda: operator.process(ONLY).in_flight == 0)
    after = operator.process(ONLY)
    assert (after.served or 0) == (before.served or 0) + 1
    assert after.latency is not None
    assert after.latency.whole_p50_s is not None


def test_a_worker_is_stopped_and_started(operator: Operator, web: Server) -> None:
    pid = operator.process(ONLY).pid
    assert pid is not None
    process = psutil.Process(pid)
    operator.order(ONLY, "stop")
    stopped = operator.wait(ONLY, "stopped")
    assert not is_alive(process)
    assert (stopped.pid, stopped.can) == (None, ("start",))
    seen(lambda: operator.models() == {"echo": "ready", "slow": "down"})
    assert "no worker serves slow" in operator.report().missing
    assert httpx.get(f"{web.url}/readyz", trust_env=False).status_code == 503
    operator.order(ONLY, "start")
    assert operator.wait(ONLY, "ready").pid not in (None, pid)
    seen(lambda: operator.models() == {"echo": "ready", "slow": "ready"})
    assert Listener(web.url, "again", model="slow").whole().text == "again"


def test_a_stop_lets_the_running_answer_end(operator: Operator, web: Server) -> None:
    query = sentence(60)
    listener = Listener(web.url, query, model="slow").chars(10)
    operator.order(ONLY, "stop")
    listener.whole()
    assert (listener.text, listener.code) == (query, "done")
    assert listener.queue == []
    operator.wait(ONLY, "stopped")


def test_a_restart_is_a_new_process_and_the_other_goes_on(operator: Operator, web: Server) -> None:
    pid, other = operator.process(SECOND).pid, operator.process(FIRST).pid
    operator.order(SECOND, "restart")
    until(lambda: operator.process(SECOND).pid not in (None, pid), BACK_S)
    assert operator.models()["echo"] == "ready"
    assert Listener(web.url, "meanwhile", model="echo").whole().text == "meanwhile"
    operator.wait(SECOND, "ready")
    assert operator.process(FIRST).pid == other


def test_a_drained_worker_ends_its_answers_and_gets_no_more(
    operator: Operator, web: Server
) -> None:
    query = sentence(80)
    listener = Listener(web.url, query, model="slow").chars(10)
    operator.order(ONLY, "drain")
    drained = operator.wait(ONLY, "draining")
    assert "drain" not in drained.can
    seen(lambda: operator.models()["slow"] == "down")
    assert listener.whole().text == query
    operator.order(FIRST, "drain")
    operator.wait(FIRST, "draining")
    first, second = (operator.process(name).served or 0 for name in (FIRST, SECOND))
    for n in range(4):
        assert Listener(web.url, f"to the other {n}", model="echo").whole().code == "done"
    seen(lambda: operator.process(SECOND).served == second + 4)
    assert operator.process(FIRST).served == first
    operator.order(FIRST, "start")
    operator.wait(FIRST, "ready")
    operator.restart_all()
    seen(lambda: operator.models() == {"echo": "ready", "slow": "ready"})


def test_a_drain_outlives_the_controller(operator: Operator, web: Server) -> None:
    operator.order(FIRST, "drain")
    served = operator.wait(FIRST, "draining").served or 0
    time.sleep(HEARTBEAT_S + 1)  # it hears of it with its next beat
    controller = operator.process("controller")
    assert controller.pid is not None
    os.kill(controller.pid, signal.SIGKILL)
    until(lambda: operator.process("controller").pid not in (None, controller.pid), BACK_S)
    operator.wait("controller", "ready")
    until(lambda: operator.process(FIRST).status == "draining", BACK_S)
    for n in range(4):
        assert Listener(web.url, f"to the other {n}", model="echo").whole().code == "done"
    drained = operator.process(FIRST)
    assert (drained.status, drained.served or 0) == ("draining", served)
    operator.order(FIRST, "start")
    operator.wait(FIRST, "ready")


def test_the_report_comes_by_itself(operator: Operator, web: Server) -> None:
    operator.order(SECOND, "stop")
    with asked(web.url, "GET", "/api/fleet/events") as wire:
        frames = Frames()
        reports = (frame for raw in wire.body() for frame in frames.feed(raw))
        assert any(
            process["name"] == SECOND and process["status"] == "stopped"
            for frame in reports
            for process in frame.data["processes"]
        )


def test_what_is_unknown_or_impossible_is_refused(operator: Operator) -> None:
    before = [(process.pid, process.status) for process in operator.report().processes]
    refusals = [
        ("model_worker none", "stop", 404),
        ("../../etc/passwd", "stop", 404),
        (FIRST, "kill", 404),
        (FIRST, "start", 409),
        *((server, action, 409) for server in SERVERS for action in ("stop", "restart", "drain")),
    ]
    for name, action, status in refusals:
        answer = operator.tell(name, action)
        assert answer.status_code == status, (name, action, answer.text)
        assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert [(process.pid, process.status) for process in operator.report().processes] == before


def test_a_page_of_another_site_gives_no_orders(operator: Operator) -> None:
    before = [(process.pid, process.status) for process in operator.report().processes]
    strangers = [
        ({"origin": "http://evil.example"}, "bad_origin"),
        ({"origin": "null"}, "bad_origin"),
        ({"host": "evil.example"}, "bad_host"),
        ({"host": f"127.0.0.1.evil.example:{operator.web.port}"}, "bad_host"),
    ]
    for headers, code in strangers:
        for action in ("stop", "restart", "drain"):
            answer = operator.tell(FIRST, action, **headers)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == code
            assert "access-control-allow-origin" not in answer.headers
    assert [(process.pid, process.status) for process in operator.report().processes] == before
