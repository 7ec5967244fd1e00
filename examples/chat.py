"""Chat with a streamed answer: `python examples/chat.py "What is Shortline?"`."""

import argparse

from openai import OpenAI

parser = argparse.ArgumentParser()
parser.add_argument("question", nargs="?", default="What is Shortline?")
parser.add_argument("--model", default="shortline-mini")
parser.add_argument("--base-url", default="http://127.0.0.1:20000/v1")
options = parser.parse_args()

client = OpenAI(base_url=options.base_url, api_key="any")
stream = client.chat.completions.create(
    model=options.model,
    messages=[{"role": "user", "content": options.question}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
