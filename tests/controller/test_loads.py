from __future__ import annotations

from server.controller.loads import Loads
from server.wire import fleet as wire
from server.wire.fleet import FleetView, Load
from tests.controller.registrations import A, B


def told(loads: Loads, seen: int) -> dict[str, int]:
    """Running requests by address, as a gateway reads them."""
    line = loads.since(seen)
    assert line.startswith(wire.LOADS_START)
    assert line.endswith(b"\n")
    said = wire.Loads.model_validate_json(line).loads
    return {address: load.running for address, load in said.items()}


def test_who_has_heard_some_is_told_of_the_rest_once() -> None:
    loads = Loads()
    loads.put(A, Load(running=1))
    seen = loads.changes.revision
    loads.put(B, Load(running=2))
    loads.put(B, Load(running=3))
    assert told(loads, 0) == {A: 1, B: 3}
    assert told(loads, seen) == {B: 3}
    assert told(loads, loads.changes.revision) == {}


def test_one_who_is_gone_is_not_spoken_of() -> None:
    loads = Loads()
    loads.put(A, Load(running=1))
    loads.drop(A)
    loads.drop(B)
    assert told(loads, 0) == {}


def test_an_address_with_quotes_in_it_is_still_json() -> None:
    loads = Loads()
    loads.put('http://"', Load())
    assert told(loads, 0) == {'http://"': 0}


def test_the_whole_fleet_does_not_look_like_loads() -> None:
    assert not FleetView().model_dump_json().encode().startswith(wire.LOADS_START)
