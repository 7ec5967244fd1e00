"""Let the model call a function: `python examples/tools.py`.

`tool_choice="required"` has any model call; a capable one knows by itself when to (`auto`).
"""

import argparse
import json
from typing import Any, Literal

from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

parser = argparse.ArgumentParser()
parser.add_argument("question", nargs="?", default="How is the weather in Paris?")
parser.add_argument("--model", default="shortline-mini")
parser.add_argument("--base-url", default="http://127.0.0.1:20000/v1")
options = parser.parse_args()


class Weather(BaseModel):
    """How the weather is in a city."""

    city: Literal["Paris", "Rome"]

    def look(self) -> str:
        return json.dumps({"city": self.city, "celsius": 21})


client = OpenAI(base_url=options.base_url, api_key="any")
messages: list[Any] = [{"role": "user", "content": options.question}]
tools = [pydantic_function_tool(Weather)]
first = client.chat.completions.parse(
    model=options.model, messages=messages, tools=tools, tool_choice="required"
)
message = first.choices[0].message
messages.append(message)
for call in message.tool_calls or ():
    asked = call.function.parsed_arguments
    assert isinstance(asked, Weather)
    print(f"{call.function.name}({asked.city}) = {asked.look()}")
    messages.append({"role": "tool", "tool_call_id": call.id, "content": asked.look()})
answer = client.chat.completions.create(model=options.model, messages=messages, tools=tools)
print(answer.choices[0].message.content)
