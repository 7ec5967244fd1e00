"""Every error that Shortline raises on purpose, and how a client sees it.

    ShortlineError
    ├─ ConfigError              the set-up is wrong; a process refuses to start with exit code 2
    ├─ StartError               a process could not start (port in use, model missing)
    ├─ TransportError           between two processes, or a provider and us; no client sees it
    │  ├─ ConnectFailed         nothing was sent, so another worker may be asked
    │  ├─ CutOff                the peer hung up in mid-answer
    │  └─ BadAnswer             not HTTP, or over a limit
    │     ├─ KeyRefused         it does not take our key, or wants one
    │     └─ OwnGateway         it is this very fleet: requests would go in a circle
    └─ RequestError             has an HTTP status and OpenAI's type and code
       ├─ BadRequest            400  invalid_request_error
       │  └─ ContextLengthExceeded   context_length_exceeded
       ├─ Unauthorized          401  invalid_api_key
       ├─ Forbidden             403
       ├─ NotFound              404
       │  └─ ModelNotFound           model_not_found
       ├─ MethodNotAllowed      405
       ├─ SlowRequest           408
       ├─ Conflict              409
       ├─ TooLarge              413
       ├─ UnsupportedMedia      415
       ├─ Unprocessable         422  idempotency_key_reused
       ├─ Overloaded            429  with Retry-After
       │  └─ LimitReached            of a key (gateway/customers/refusals.py)
       ├─ Internal              500
       ├─ UpstreamFailed        502
       │  ├─ ProviderRefused         the provider said 401 or 403 to *our* key
       │  └─ WorkerLost              died after its first byte
       ├─ Unavailable           503  with Retry-After
       ├─ UpstreamTimeout       504
       ├─ DeadlineExceeded      504  the client's own time limit
       └─ StorageFull           507  storage_full

The message is for the person who can act on it; the cause stays in `raise … from error`.
`server/web/edge.py` turns a `RequestError` into HTTP; once a stream has begun, `web/relay.py` ends
it with the error as its last event.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ShortlineError(Exception):
    """Root of the tree."""


class ConfigError(ShortlineError):
    """The set-up is wrong. `problems` holds one line for each mistake, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(ShortlineError):
    """A process could not start; the message names the thing and what to do about it."""


class TransportError(ShortlineError):
    """A conversation with another process failed."""


class ConnectFailed(TransportError):
    pass


class CutOff(TransportError):
    pass


class BadAnswer(TransportError):
    pass


class KeyRefused(BadAnswer):
    pass


class OwnGateway(BadAnswer):
    pass


class RequestError(ShortlineError):
    """A request that cannot be served, in the shape OpenAI's clients understand."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Of its answer, beside those that every error has."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code

    def envelope(self, request_id: str | None = None) -> dict[str, Any]:
        """OpenAI's error object; `request_id` is our one extra field."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if request_id is not None:
            error["request_id"] = request_id
        return {"error": error}


class BadRequest(RequestError):
    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(BadRequest):
    code = "context_length_exceeded"


class Unauthorized(RequestError):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(RequestError):
    status = 403
    type = "invalid_request_error"
    code = "forbidden"


class NotFound(RequestError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(RequestError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, *allowed: str) -> None:
        """`allowed`: the methods that the path takes."""
        super().__init__(f"This path takes {' or '.join(allowed)} only.")
        self.headers = ((b"allow", ", ".join(allowed).encode()),)


class SlowRequest(RequestError):
    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class Conflict(RequestError):
    status = 409
    type = "invalid_request_error"
    code = "conflict"


class TooLarge(RequestError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class UnsupportedMedia(RequestError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class Unprocessable(RequestError):
    status = 422
    type = "invalid_request_error"
    code = "idempotency_key_reused"


class Overloaded(RequestError):
    status = 429
    type = "rate_limit_error"
    code = "overloaded"


class Internal(RequestError):
    status = 500
    code = "internal_error"


class UpstreamFailed(RequestError):
    status = 502
    type = "upstream_error"
    code = "upstream_failed"


class ProviderRefused(UpstreamFailed):
    code = "provider_refused"


class WorkerLost(UpstreamFailed):
    code = "worker_lost"


class Unavailable(RequestError):
    status = 503
    code = "unavailable"


class UpstreamTimeout(RequestError):
    status = 504
    type = "upstream_error"
    code = "upstream_timeout"


NO_RETRY = ((b"x-should-retry", b"false"),)
"""OpenAI's clients heed it: the same again would end the same way."""


class DeadlineExceeded(RequestError):
    status = 504
    code = "deadline_exceeded"
    headers = NO_RETRY


class StorageFull(RequestError):
    status = 507
    code = "storage_full"
