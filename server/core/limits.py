"""Every promised constant, with its unit. Docs print them, tests assert them."""

from __future__ import annotations

from typing import Final

HEARTBEAT_S: Final = 2.0
"""A worker tells the controller how busy it is,"""
BEAT_SOON_S: Final = 0.05
"""and after every change, but not more often than this,"""
BEATS_PER_S: Final = 1000.0
"""nor all workers together more often than this: a seventh of a core, for the controller."""
SUSPECT_S: Final = 5.0
"""Silent for so long, a worker gets no new requests."""
EVICT_S: Final = 15.0
"""Silent for so long, a worker must register anew."""
SETTLE_S: Final = 2 * HEARTBEAT_S + 1.0
"""A new controller has heard from every worker by then; before, an absence means nothing."""
LOADS_S: Final = 0.5
"""Who follows the fleet hears of changed loads at most this often; of everything else at once."""
LOADS_SOON_S: Final = 0.05
"""The same for gateways, which are told of the changed loads alone."""
FASTCHAT_SUSPECT_S: Final = 60.0
"""FastChat's workers beat every 45 s."""
FASTCHAT_EVICT_S: Final = 90.0
"""FastChat's own expiry."""

RESTART_MIN_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
CRASHES_TO_QUARANTINE: Final = 5
CRASH_WINDOW_S: Final = 60.0

FROZEN_ASK_S: Final = 5.0
"""The launcher asks each process so often whether it lives."""
FROZEN_MISSES: Final = 6
"""No answer to any of so many questions in a row (30 s), and it is replaced. Almost without
processor time our processes answer within 1 s (`tests/system/test_starvation.py`)."""
FROZEN_LATE_S: Final = 1.0
"""When the launcher itself comes so much later than it wanted (the machine slept, or is out of
memory), it says nothing about others that they did not answer, and counting begins anew."""

WAKE_S: Final = 120.0
"""A request waits so long for a model that is loaded for it, unless settings say otherwise."""
WAKE_RETRY_S: Final = 10.0
"""What could not be loaded is not tried again any sooner."""

CONNECT_S: Final = 2.0
FIRST_TOKEN_S: Final = 60.0
BETWEEN_TOKENS_S: Final = 30.0
WHOLE_REQUEST_S: Final = 600.0
DRAIN_S: Final = 20.0
WRITE_STALL_S: Final = 30.0
SSE_PING_S: Final = 15.0

TEMPLATE_S: Final = 10.0
"""For a model's chat template to make a prompt of a request."""

QUEUE_PER_WORKER: Final = 32
"""Requests that wait for a slot; one more is answered with 429 and Retry-After."""
TRIES_PER_REQUEST: Final = 2
"""How many workers are sent one request while nothing has reached its client."""
MAX_TRIES: Final = 4
"""The same where a route names several models: one more for each of them, up to this."""
RETRY_AFTER_S: Final = 1.0
"""At least; a worker that knows how fast its line moves says more."""
RETRY_AFTER_MAX_S: Final = 60.0
KEPT_FROM_BATCH: Final = 0.25
"""Of a worker's slots, and of the places in its line; one at least, where there are several."""
NORMAL_BEHIND_S: Final = 3.0
BATCH_BEHIND_S: Final = 15.0
"""A waiting request counts as come so much later than it did: by then it is before every
interactive one that is newer. Well below `FIRST_TOKEN_S`, so that its turn can still come."""
RETRY_SHARE: Final = 0.2
"""Retries for each request, on the whole: the workers are asked 1.2 times as often at most."""
RETRY_RESERVE: Final = 32
"""Retries that may come at once: those of one worker's death."""
BREAKER_LAST: Final = 10
"""Requests of a worker whose outcome its circuit breaker remembers."""
BREAKER_REST_MIN_S: Final = 1.0
BREAKER_REST_MAX_S: Final = 8.0
"""A worker that has healed is asked again within it."""

HEADERS_S: Final = 5.0
MAX_HEADER_BYTES: Final = 32 * 1024
LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and thrown away."""
MAX_CONNECTIONS: Final = 10_000
"""Of one process, where it may open as many files; one more is told 503."""
MAX_PIPELINED: Final = 32
"""Requests of one client that wait behind the one being answered."""
UNREAD_BYTES: Final = 64 * 1024
"""Of a body nobody has taken yet, of one client; beyond it the client has to wait."""
MAX_UNREAD_BYTES: Final = 64 * 1024 * 1024
"""The same of all clients of a process together."""
MAX_HELD_BYTES: Final = 512 * 1024 * 1024
"""Of bodies that are kept until they are answered, of all clients of a process together; who brings
more is told 503."""
SMALL_BODY_BYTES: Final = 16 * 1024
"""Shorter ones are not counted: `MAX_CONNECTIONS` bounds them."""
SOCKET_S: Final = 3600.0
"""A WebSocket lasts so long, as OpenAI's do."""
SOCKET_PING_S: Final = 20.0
"""Its client is asked whether it is there, when it has said nothing for so long,"""
SOCKET_SILENT_S: Final = 60.0
"""and is gone when it has said nothing for so long."""
BODY_IDLE_S: Final = 10.0
BODY_S: Final = 60.0
"""For a whole body, however steadily it drips."""
MAX_JSON_BYTES: Final = 2 * 1024 * 1024
MAX_CHAT_BYTES: Final = 20 * 1024 * 1024
"""Chat bodies may carry images."""
MAX_JSON_DEPTH: Final = 64
MAX_JSON_VALUES: Final = 500_000
"""Values, keys and brackets in one body; more would hold up everybody else for seconds."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""A whole answer that is held before it is passed on."""
MAX_EVENT_BYTES: Final = 1024 * 1024
"""One server-sent event; a longer one is an upstream gone wrong."""
