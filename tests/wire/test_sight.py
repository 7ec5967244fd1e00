from __future__ import annotations

from pydantic import SecretStr

from server.wire.sight import reading_key


def test_the_reading_key_follows_from_the_secret_and_does_not_show_it() -> None:
    secret = SecretStr("s" * 32)
    key = reading_key(secret)
    assert key == reading_key(SecretStr("s" * 32))
    assert key != reading_key(SecretStr("s" * 33))
    assert len(key.get_secret_value()) == 64
    assert secret.get_secret_value() not in key.get_secret_value()
    assert key.get_secret_value() not in repr(key)
