"""Responses over WebSocket, one after the other on one connection.

    conversation   what a client says, and when it ends
    events         the events of a client, and errors as events
    lanes          what runs side by side, and what waits
    turn           one response's client, as the relay knows it
    memory         what a connection remembers of responses that are kept nowhere

https://developers.openai.com/api/docs/guides/websocket-mode
"""
