"""Which of these sentences means the same? `python examples/embeddings.py`."""

import argparse

from openai import OpenAI

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="all-MiniLM-L6-v2")
parser.add_argument("--base-url", default="http://127.0.0.1:20000/v1")
options = parser.parse_args()

question = "How do I reset my password?"
answers = [
    "Click on 'forgotten' below the login form.",
    "Our office opens at nine.",
    "The cat sleeps on the printer.",
]
client = OpenAI(base_url=options.base_url, api_key="any")
data = client.embeddings.create(model=options.model, input=[question, *answers]).data
first, *others = (item.embedding for item in data)
for answer, other in zip(answers, others, strict=True):
    print(f"{sum(a * b for a, b in zip(first, other, strict=True)):.2f}  {answer}")
