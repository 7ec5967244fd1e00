from __future__ import annotations

import pytest

from server.clients.servers.joining import check_free
from server.core.errors import Conflict
from server.core.settings import JoinedServer

HERE = JoinedServer(url="http://127.0.0.1:8000", name="one")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000/v1/", "http://[::1]:8000/v1"]
)
def test_a_server_joins_once_however_its_address_is_written(url: str) -> None:
    with pytest.raises(Conflict, match="has joined already, as 'one'"):
        check_free(JoinedServer(url=url, name="other"), [HERE], ())


@pytest.mark.parametrize(
    "url", ["http://localhost:8001", "http://gpu:8000", "http://10.0.0.1:8000"]
)
def test_another_server_is_another_one(url: str) -> None:
    check_free(JoinedServer(url=url, name="other"), [HERE], ())


def test_a_name_is_taken_once() -> None:
    for others, names in ([HERE], ()), ([], ("one",)):
        with pytest.raises(Conflict, match="is taken"):
            check_free(JoinedServer(url="http://gpu:8000", name="one"), others, names)
