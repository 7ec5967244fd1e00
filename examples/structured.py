"""An answer that is an object: `python examples/structured.py`."""

import argparse
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel, Field

parser = argparse.ArgumentParser()
parser.add_argument("text", nargs="?", default="The second time it crashed, I lost an hour!")
parser.add_argument("--model", default="shortline-mini")
parser.add_argument("--base-url", default="http://127.0.0.1:20000/v1")
options = parser.parse_args()


class Ticket(BaseModel):
    kind: Literal["bug", "question", "praise"]
    urgency: int = Field(ge=1, le=5)


client = OpenAI(base_url=options.base_url, api_key="any")
answer = client.chat.completions.parse(
    model=options.model,
    messages=[
        {"role": "system", "content": "Sort this message of a customer."},
        {"role": "user", "content": options.text},
    ],
    response_format=Ticket,
)
ticket = answer.choices[0].message.parsed
assert ticket is not None
print(f"{ticket.kind}, urgency {ticket.urgency}")
