"""Workers come, go and come back at other addresses; what was counted of them stays."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from server.gateway.sight.metrics import exposition
from server.gateway.sight.roll import MAX_GONE, MAX_PAST, Roll
from server.gateway.worker import Worker
from server.wire.fleet import WorkerView
from server.wire.sight import GatewayNumbers, WorkerNumbers
from tests.gateway.sight.seen import A, B

NAME = "model_worker m@host"
C = "http://127.0.0.1:1003"


def a_worker(address: str = A, name: str = NAME, served: int = 0, **more: object) -> Worker:
    fields = {"address": address, "name": name, "models": ("m",), "slots": 2, **more}
    worker = Worker(WorkerView.model_validate(fields), "gw")
    worker.tally.served = served
    return worker


def only(numbers: tuple[WorkerNumbers, ...]) -> WorkerNumbers:
    (one,) = numbers
    return one


def counters(*numbers: GatewayNumbers) -> dict[str, float]:
    """Of `NAME`, by the metric."""
    return {
        sample.name.removeprefix("shortline_worker_"): sample.value
        for family in text_string_to_metric_families(exposition(numbers).decode())
        for sample in family.samples
        if sample.labels.get("worker") == NAME
    }


def test_a_worker_that_is_started_again_goes_on_under_its_name() -> None:
    roll = Roll()
    first, second = a_worker(A, served=10), a_worker(B, served=1)
    assert only(roll.numbers([first])).served == 10
    told = only(roll.numbers([second]))
    assert (told.name, told.addresses, told.served) == (NAME, (B,), 11)


def test_the_counters_of_one_that_is_gone_stay_and_its_gauges_end() -> None:
    roll = Roll()
    gone = a_worker(served=10, load={"cancelled": 3, "running": 2})
    before = counters(GatewayNumbers(gateway="gw", workers=roll.numbers([gone])))
    after = counters(GatewayNumbers(gateway="gw", workers=roll.numbers([])))
    assert {"served_total", "running", "state"} <= before.keys()
    assert after == {name: value for name, value in before.items() if name.endswith("_total")}
    assert (after["served_total"], after["cancelled_total"]) == (10, 3)


def test_a_request_that_ends_after_its_worker_has_gone_is_counted_too() -> None:
    roll = Roll()
    gone = a_worker(served=10)
    roll.look([gone])
    roll.look([])
    gone.tally.failed += 1
    assert only(roll.numbers([])).failed == 1


def test_one_that_came_and_went_between_two_scrapes_is_counted() -> None:
    roll = Roll()
    for _ in range(3 * MAX_PAST):
        roll.look([a_worker(served=1)])
    roll.look([])
    assert only(roll.numbers([])).served == 3 * MAX_PAST


def test_what_a_worker_says_begins_anew_with_its_process() -> None:
    roll = Roll()
    said = [
        only(roll.numbers(workers)).generated_tokens
        for workers in (
            [a_worker(A, load={"generated": 100})],
            [],
            [a_worker(B, load={"generated": 3})],
        )
    ]
    assert said == [100, 100, 3]


def test_of_several_gateways_the_best_informed_one_is_believed() -> None:
    """Or a counter would fall whenever one lags behind."""
    heard, lags = (
        GatewayNumbers(
            gateway=gateway, workers=Roll().numbers([a_worker(load={"generated": count})])
        )
        for gateway, count in (("gw-1", 100), ("gw-2", 90))
    )
    assert counters(heard, lags)["generated_tokens_total"] == 100
    assert counters(lags, heard)["generated_tokens_total"] == 100


def test_two_of_one_name_are_added_up() -> None:
    told = only(
        Roll().numbers(
            [
                a_worker(A, served=1, load={"running": 1, "waiting": 2}, state="suspect"),
                a_worker(B, served=2, load={"running": 2, "by_lane": {"batch": 4}, "waiting": 4}),
            ]
        )
    )
    assert (told.addresses, told.served, told.running, told.slots) == ((A, B), 3, 3, 4)
    assert told.waiting == {"interactive": 0, "normal": 0, "batch": 4, "other": 2}
    assert told.state == "ready"


def test_one_without_a_name_is_known_by_its_address() -> None:
    names = {told.name for told in Roll().numbers([a_worker(A, ""), a_worker(B, "")])}
    assert names == {A, B}


def test_not_all_that_ever_were_are_remembered() -> None:
    roll = Roll()
    here = a_worker(C, "here")
    for number in range(2 * MAX_GONE):
        roll.look([here, a_worker(A, f"worker-{number}")])
    names = [told.name for told in roll.numbers([here])]
    assert len(names) == MAX_GONE + 1
    assert {"here", f"worker-{2 * MAX_GONE - 1}"} <= set(names)


def test_a_breaker_is_half_open_once_its_rest_is_over() -> None:
    now = 100.0
    worker = a_worker()
    worker.breaker_of("m").fail("refused", now, probe=False)
    states = [
        only(Roll(lambda at=at: at).numbers([worker])).breaker  # type: ignore[misc]
        for at in (now, now + 60)
    ]
    assert states == ["open", "half_open"]
