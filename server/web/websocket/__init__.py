"""WebSockets (RFC 6455) at our own HTTP server, without extensions.

    handshake   a request to upgrade becomes a socket
    socket      one client: its messages, pings, pace and end

Both speak the protocol by `websockets`' Sans-I/O layer, and bring it: import them when there is a
socket to open.
"""
