from __future__ import annotations

import pytest
from pydantic import SecretStr

from server.core.errors import ConfigError
from server.core.settings import ControllerSettings
from server.launcher.setup.join import controller_url, fleet_secret, host_towards
from server.launcher.wanted import Wanted

SECRET = "s" * 32
OURS, THEIRS = Wanted(gateway=True), Wanted(local=True)


def test_our_own_controller_says_where_it_is_later() -> None:
    assert controller_url(OURS, ControllerSettings()) == ""


def test_workers_alone_join_the_configured_controller() -> None:
    assert controller_url(THEIRS, ControllerSettings(port=7)) == "http://127.0.0.1:7"


def test_a_configured_ipv6_host_stands_in_brackets() -> None:
    own = ControllerSettings(host="fd00::5", port=7, secret=SecretStr(SECRET))
    assert controller_url(THEIRS, own) == "http://[fd00::5]:7"


def test_a_controller_without_a_port_cannot_be_joined() -> None:
    with pytest.raises(ConfigError, match="Give its address with -c"):
        controller_url(THEIRS, ControllerSettings(port=0))


@pytest.mark.parametrize("given", ["http://c.example:20001", "c.example:20001", "c.example:20001/"])
def test_addresses_come_in_three_spellings(given: str) -> None:
    asked = Wanted(local=True, join=given)
    assert controller_url(asked, ControllerSettings()) == "http://c.example:20001"


@pytest.mark.parametrize(
    "given", ["c.example", "ftp://c:1", "http://c:1/x", "http://c:99999", "http://u@c:1", ""]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="expected an address"):
        controller_url(Wanted(local=True, join=given), ControllerSettings())


def test_a_new_fleet_gets_a_new_secret_each_time() -> None:
    first, second = (fleet_secret(OURS, ControllerSettings()) for _ in range(2))
    assert first != second
    assert len(first.get_secret_value()) >= 32


def test_a_configured_secret_is_kept() -> None:
    own = ControllerSettings(secret=SecretStr(SECRET))
    assert fleet_secret(OURS, own).get_secret_value() == SECRET


def test_joining_without_the_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="SHORTLINE_CONTROLLER__SECRET"):
        fleet_secret(THEIRS, ControllerSettings())


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_workers_of_a_controller_on_this_machine_stay_on_loopback(url: str) -> None:
    assert host_towards(url) == "127.0.0.1"
