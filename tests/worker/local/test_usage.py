from __future__ import annotations

from server.worker.local.usage import Usage


def test_usage_is_told_with_openais_details() -> None:
    assert Usage(5, 7, cached_tokens=3, reasoning_tokens=2).json() == {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 2,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
