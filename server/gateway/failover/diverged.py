from __future__ import annotations

from server.core.errors import BadAnswer


class Diverged(BadAnswer):
    """An answer that cannot be joined to what was delivered, or cannot be compared with it."""
