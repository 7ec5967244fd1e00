"""WebSockets (RFC 6455) at our own HTTP server, without extensions.

    handshake   a request to upgrade becomes a socket, once the application wants that
    frames      bytes in, whole messages out, and the other way round
    socket      one client: its messages, pings, pace and end

There are few of them, and a library's codec would cost every gateway more than these three files.
"""
