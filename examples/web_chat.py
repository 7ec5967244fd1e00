"""Ask the app server, and stay with the answer when the connection is lost.

python examples/web_chat.py "What is Shortline?"
"""

import argparse
import json
import time
import uuid
from collections.abc import Iterator

import httpx

parser = argparse.ArgumentParser()
parser.add_argument("question", nargs="?", default="What is Shortline?")
parser.add_argument("--base-url", default="http://127.0.0.1:7861")
options = parser.parse_args()


def lines_of(response: httpx.Response) -> Iterator[str]:
    """Lines end at a line feed and nowhere else: httpx's own would cut JSON at U+2028."""
    rest = ""
    for text in response.iter_text():
        *lines, rest = (rest + text).split("\n")
        yield from lines


client = httpx.Client(base_url=options.base_url, timeout=httpx.Timeout(30))
key = {"Idempotency-Key": uuid.uuid4().hex}
message_id, last_id, end = "", "0", ""
while not end:
    if message_id:
        url = f"/api/chat/{message_id}/events"
        request = client.build_request("GET", url, headers={"Last-Event-ID": last_id})
    else:
        body = {"query": options.question}
        request = client.build_request("POST", "/api/chat", json=body, headers=key)
    try:
        response = client.send(request, stream=True)
        if response.is_error:
            response.read()
            raise SystemExit(f"{response.status_code}: {response.json()['error']['message']}")
        event = ""
        for line in lines_of(response):
            field, _, value = line.partition(": ")
            if field == "id":
                last_id = value
            elif field == "event":
                event = value
            elif field == "data":
                frame = json.loads(value)
                message_id = frame["message_id"]
                if not event:
                    print(frame["text"], end="", flush=True)
                elif event in ("done", "error"):
                    end = frame.get("message", "")
                    end = end or f"({frame['finish_reason']})"
                event = ""
    except httpx.TransportError:
        time.sleep(1)
print(f"\n{end}")
