"""What every answer tells a browser not to do."""

from __future__ import annotations

from server.web.asgi import Header

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    # Vue binds styles, and KaTeX and Mermaid place things by them; a style cannot load anything
    # from elsewhere, because img-src and font-src say from where.
    "style-src": "'self' 'unsafe-inline'",
    # A picture elsewhere would tell its server what an answer said: the UI opens it in a new tab.
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", "; ".join(f"{k} {v}" for k, v in POLICY.items()).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"permissions-policy",
        b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
