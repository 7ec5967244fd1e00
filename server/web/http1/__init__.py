"""HTTP/1.1 for our processes: an ASGI server protocol on httptools, under `uvicorn.Server`.

uvicorn keeps the sockets, the signals, the lifespan and the shutdown; everything between a socket
and the application is here, one idea a file:

    connection      one client: what is being answered, and when it must go
    channel         bytes to and from a client, at the pace of the slower side
    backlog         what it sends before it is its turn
    reader          bytes in, requests out: limits on the head, and what is not HTTP
    request_head    what HTTP's grammar leaves to the server
    incoming        a request's body, and its client's leaving: the application's `receive`
    pieces          a body that does not come whole together with its head
    exchange        a request and its answer: the application's run, and its `send`
    answer_head     status line and headers as bytes
    refusals        ready-made answers for those who never reach the application
    deadline        one timer for each connection
    service         what all connections of one server share
    line            the connection, as its exchanges know it

An application may switch a connection to another protocol (`Exchange.switch`), as
`server/web/websocket` does.

A client that ends its side of the connection has left, answer or no answer: a cut is a cancel.
"""
