"""Answers for those who never reach the application: ready-made, and the last on a connection."""

from __future__ import annotations

from typing import Final


class Refusal(Exception):
    """Raised while a request is read; `answer` is all that its client will hear."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer


def _closing(status: str, code: str, message: str, kind: str = "invalid_request_error") -> bytes:
    body = (
        f'{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{code}"}}}}'
    ).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    if status.startswith("503"):
        head += "retry-after: 1\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


MALFORMED: Final = _closing("400 Bad Request", "invalid_http", "This is not valid HTTP.")
BAD_HOST: Final = _closing(
    "400 Bad Request", "bad_host", "Send exactly one Host header, with a host and a port in it."
)
BAD_TARGET: Final = _closing(
    "400 Bad Request", "bad_target", "Ask for a path of this server; it is not a proxy."
)
TIMEOUT: Final = _closing("408 Request Timeout", "request_timeout", "The headers came too slowly.")
TOO_LARGE: Final = _closing(
    "431 Request Header Fields Too Large", "headers_too_large", "The headers are too large."
)
FAILED: Final = _closing(
    "500 Internal Server Error", "internal_error", "Something went wrong here.", "server_error"
)
UNKNOWN_CODING: Final = _closing(
    "501 Not Implemented", "unknown_coding", "Send the body in chunks or with its length."
)
BUSY: Final = _closing(
    "503 Service Unavailable",
    "too_many_connections",
    "Too many connections, or too many requests on one of them.",
    "server_error",
)
WRONG_VERSION: Final = _closing(
    "505 HTTP Version Not Supported", "http_version", "This server speaks HTTP/1.1."
)


def meaning_of(answer: bytes) -> tuple[int, str]:
    """The status and the code of one of them."""
    code = answer.rpartition(b'"code":"')[2].partition(b'"')[0]
    return int(answer[9:12]), code.decode()


def without_body(answer: bytes) -> bytes:
    """What a HEAD request gets of it."""
    return answer[: answer.index(b"\r\n\r\n") + 4]
