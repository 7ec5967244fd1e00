"""The Grafana dashboard that we ship asks for what we have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.gateway.sight.faults import FAULTS
from server.gateway.sight.metrics import exposition
from server.gateway.sight.usage import Usage
from tests.gateway.sight.seen import A, a_request, a_sight, refuse, serve, worker

FILE = Path(__file__).parents[3] / "docs/grafana/shortline.json"
DOCS = Path(__file__).parents[3] / "docs/operations.md"
OF_EVERY_TARGET = {"job", "instance"}
_METRIC = re.compile(r"\b(?:shortline|process)_\w+")
_SELECTOR = re.compile(r"((?:shortline|process)_\w+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*=~?\s*"')
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_FAULT = re.compile(r'shortline_requests_failed_total\{[^}]*fault="(\w+)"')
_LEGEND = re.compile(r"\{\{(\w+)\}\}")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The labels of each metric of a gateway that has seen everything."""
    told = worker(cancelled=1, tokens_after_cancel=1, generated_tokens=1)
    sight = a_sight(workers=lambda: [told])
    record = a_request(sight, stream=True)
    record.chose(A)
    record.failed(A, "lost", "x")
    record.first_byte()
    record.ended("error_event", 200, "worker_lost", Usage(1, 1, "estimated"))
    sight.end(record)
    serve(sight, usage=Usage(1, 1, "reported"))
    refuse(sight, 401, "invalid_api_key")
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(exposition([sight.numbers()]).decode())
        for sample in family.samples
    }


def targets(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield from panel.get("targets", ())


def test_every_metric_it_asks_for_is_there(
    dashboard: dict[str, Any], known: dict[str, set[str]]
) -> None:
    asked = {name for target in targets(dashboard) for name in _METRIC.findall(target["expr"])}
    assert len(asked) > 20
    assert asked <= known.keys()


def test_every_label_it_asks_for_is_there(
    dashboard: dict[str, Any], known: dict[str, set[str]]
) -> None:
    for target in targets(dashboard):
        expr = target["expr"]
        of_all = OF_EVERY_TARGET.union(*(known[name] for name in _METRIC.findall(expr)))
        for name, matchers in _SELECTOR.findall(expr):
            assert set(_MATCHER.findall(matchers)) <= known[name] | OF_EVERY_TARGET, expr
        for group in _GROUPING.findall(expr):
            assert set(filter(None, re.split(r",\s*", group))) <= of_all | {"le"}, expr
        assert set(_LEGEND.findall(target["legendFormat"])) <= of_all, expr


def test_every_metric_can_be_narrowed_to_one_fleet(dashboard: dict[str, Any]) -> None:
    for target in targets(dashboard):
        asked = _METRIC.findall(target["expr"])
        selected = _SELECTOR.findall(target["expr"])
        assert asked == [name for name, _ in selected], target["expr"]
        assert all('job=~"$job"' in matchers for _, matchers in selected)


def test_it_names_no_data_source_of_ours(dashboard: dict[str, Any]) -> None:
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "job", "model", "lane"]
    for part in (*targets(dashboard), *dashboard["templating"]["list"][1:]):
        assert part["datasource"]["uid"] == "${datasource}"


def test_its_variables_are_filled_from_metrics_that_are_there(
    dashboard: dict[str, Any], known: dict[str, set[str]]
) -> None:
    for variable in dashboard["templating"]["list"][1:]:
        metric, label = re.findall(r"label_values\((\w+), (\w+)\)", variable["definition"])[0]
        assert label in known[metric] | OF_EVERY_TARGET


def test_no_panel_lies_over_another(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_every_alert_of_the_guide_asks_for_what_is_there(known: dict[str, set[str]]) -> None:
    (alerts,) = re.findall(r"```promql\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert set(_METRIC.findall(alerts)) <= known.keys()
    for name, matchers in _SELECTOR.findall(alerts):
        assert {re.split(r"[!=~]", m)[0] for m in matchers.split(",")} <= known[name]
    for group in _GROUPING.findall(alerts):
        assert set(filter(None, re.split(r",\s*", group))) <= set().union(*known.values())
    assert set(_FAULT.findall(alerts)) == {"server", "setup"}


def test_the_dashboard_tells_failures_apart_as_the_alerts_do(dashboard: dict[str, Any]) -> None:
    text = json.dumps([target["expr"] for target in targets(dashboard)]).replace('\\"', '"')
    assert set(_FAULT.findall(text)) == set(FAULTS) - {"client"}
    assert 'outcome="error_event"' not in text


def test_the_guide_names_every_metric(known: dict[str, set[str]]) -> None:
    text = DOCS.read_text("utf-8")
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    missing = [name for name in names if name.startswith("shortline") and f"`{name}`" not in text]
    assert missing == []
