from __future__ import annotations

from base64 import b64encode

import pytest
from pydantic import SecretStr

from server.controller.callers import Callers
from server.core.errors import BadRequest, Unauthorized
from server.web.asgi import Scope
from tests.controller.registrations import A, B

SECRET = "a-secret-of-the-fleet-for-tests-0123"


def call(authorization: str | None = None, peer: str = "127.0.0.1") -> Scope:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return {"headers": headers, "client": (peer, 50000)}


def basic(credentials: str) -> str:
    return "Basic " + b64encode(credentials.encode()).decode()


@pytest.mark.parametrize("offer", [f"Bearer {SECRET}", f"bearer {SECRET}", basic(f"x:{SECRET}")])
def test_the_secret_opens_as_bearer_and_as_password(offer: str) -> None:
    Callers(SecretStr(SECRET)).check(call(offer, peer="10.0.0.9"), A)


@pytest.mark.parametrize(
    "offer",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        SECRET,
        basic(f"{SECRET}:"),
        basic(SECRET),
        "Basic %%%",
        "Basic /////w==",
        f"Digest {SECRET}",
    ],
)
def test_nothing_else_does(offer: str | None) -> None:
    with pytest.raises(Unauthorized):
        Callers(SecretStr(SECRET)).check(call(offer), A)


def test_a_worker_on_the_list_needs_no_secret_from_its_own_host() -> None:
    callers = Callers(SecretStr(SECRET), ["127.0.0.1:30001"])
    callers.check(call(), A)
    with pytest.raises(Unauthorized):
        callers.check(call(), B)
    with pytest.raises(Unauthorized):
        callers.check(call(peer="10.0.0.9"), A)


@pytest.mark.parametrize("address", ["http://user@127.0.0.1:30001", "http://127.0.0.1:30001/x"])
def test_an_address_is_on_the_list_only_as_it_stands_there(address: str) -> None:
    with pytest.raises((Unauthorized, BadRequest)):
        Callers(SecretStr(SECRET), ["127.0.0.1:30001"]).check(call(), address)


def test_only_local_and_listed_workers_are_asked_back() -> None:
    callers = Callers(SecretStr(SECRET), ["10.0.0.5:21002"])
    assert callers.may_ask("http://127.0.0.1:9")
    assert callers.may_ask("http://10.0.0.5:21002")
    assert not callers.may_ask("http://10.0.0.5:80")
    assert not callers.may_ask("http://169.254.169.254:80")
