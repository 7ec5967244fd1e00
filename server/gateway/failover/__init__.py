"""Mid-stream failover: a stream whose worker died goes on at another worker.

Where a request's answer is determined (`repeatable`), another worker of the same model is asked
exactly the same request again. Its answer is compared with what the client has, and only what is
new is passed on; a client sees one answer. An answer that turns out differently is not joined to
the old one: the stream then ends in the usual error event.

    Delivered    while the first worker speaks: the whole events that were passed on, unparsed
    Told         when it has died: what these events said, choice by choice
    Splice       while the second one speaks: its whole events in, what is new of them out
    Diverged     why there is nothing to go on with; a `BadAnswer`

What is compared. Everything in a choice that grows, wherever it stands: `delta.content`,
`delta.reasoning_content`, `delta.refusal`, names and arguments of tool calls, `text` of
completions, and any text that does not exist yet; lists grow by items, so the tokens of
`logprobs` are counted and compared, and their odds are not. Workers may cut an answer into
different chunks. Nothing new of a choice passes while anything that was delivered of it has not
come again, and a choice must not end before that. Texts are compared by code points; JSON with
half of a surrogate pair cannot be compared.

What is changed. A chunk that was delivered in part is passed on without that part. What is said
once is not said again: the role, the id and type of a tool call, a finish reason, the usage,
`[DONE]`. Every chunk carries the first worker's `id`, `created`, `model` and
`system_fingerprint`. Comments are left out. The first chunk that is passed on says so in one extra
field:

    "shortline": {"resumed": true, "worker": 2}

`worker`: the how manyeth worker of this answer speaks from here on. Usage is the second worker's,
which has made the whole answer. When only the end mark was missing, there is no such chunk.

What it costs. A request that may fail over keeps its events until it ends, `KEPT_PER_ANSWER` at
most and `KEPT_IN_ALL` for one gateway; beyond that its failover is off. Nothing is parsed until a
worker dies.
"""
