"""How several gateways keep one limit together without asking one another on each request.

Each counts exactly what it does itself and hears every `SYNC_S` what the others have done. Until
it hears of them again it takes its share, rounded up, of what was left then. So one client's
requests may all come to one gateway and still get nearly all of the limit, in a few steps. When
all gateways are asked at once they may together exceed it by what was rounded up, and by what
they did since they last heard of each other: at most their shares of what was left then.
"""

from __future__ import annotations


def most_of(limit: int, mine: int, others: int, processes: int) -> int:
    """How much of `limit` may be in use here until the next word from the others."""
    left = max(0, limit - mine - others)
    return mine + -(-left // processes)
