"""The promised constants, as users were promised them."""

from __future__ import annotations

from server.core import limits

KIB, MIB = 1024, 1024 * 1024


def test_the_limits_are_the_promised_ones() -> None:
    assert (limits.HEARTBEAT_S, limits.SUSPECT_S, limits.EVICT_S) == (2, 5, 15)
    assert (limits.BEAT_SOON_S, limits.LOADS_SOON_S, limits.BEATS_PER_S) == (0.05, 0.05, 1000)
    assert (limits.RESTART_MIN_S, limits.RESTART_MAX_S) == (0.5, 30)
    assert (limits.CRASHES_TO_QUARANTINE, limits.CRASH_WINDOW_S) == (5, 60)
    assert (limits.CONNECT_S, limits.FIRST_TOKEN_S, limits.BETWEEN_TOKENS_S) == (2, 60, 30)
    assert (limits.WHOLE_REQUEST_S, limits.DRAIN_S, limits.QUEUE_PER_WORKER) == (600, 20, 32)
    assert (limits.HEADERS_S, limits.MAX_HEADER_BYTES, limits.BODY_IDLE_S) == (5, 32 * KIB, 10)
    assert (limits.MAX_JSON_BYTES, limits.MAX_CHAT_BYTES) == (2 * MIB, 20 * MIB)
    assert (limits.MAX_JSON_DEPTH, limits.SSE_PING_S, limits.WRITE_STALL_S) == (64, 15, 30)
