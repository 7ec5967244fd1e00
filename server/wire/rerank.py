"""Reranking, as Jina, Cohere and vLLM have it: which documents answer a query best.

Unknown fields are ignored, and so is `max_chunks_per_doc`: a document is read in one piece.

https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from server.wire.openai import Count, Request
from server.wire.openai_faults import fault

RERANK: Final = "/v1/rerank"
OTHER_PATHS: Final = frozenset({"/rerank", "/v2/rerank"})
"""Where clients of vLLM, LiteLLM and Cohere look for the same."""
MAX_DOCUMENTS: Final = 2048


def _text_of(document: Any) -> Any:
    """A string, or what stands in the `text` of an object; anything else as it is."""
    if not isinstance(document, dict):
        return document
    text = document.get("text")
    if not isinstance(text, str):
        raise fault("it must be a string in a document that is an object", ".text")
    return text


def _not_blank(query: str) -> str:
    if not query.strip():
        raise fault("it must not be blank")
    return query


Query = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]
Document = Annotated[str, BeforeValidator(_text_of)]


class RerankRequest(Request):
    query: Query
    documents: Annotated[
        list[Document], Field(fail_fast=True, min_length=1, max_length=MAX_DOCUMENTS)
    ]
    top_n: Count | None = None
    """So many of the best; None, or more than there are: all of them."""
    return_documents: bool | None = None
    """None: yes, as Jina and vLLM do."""
    max_tokens_per_doc: Count | None = None
    """Of each document, only so many tokens are read."""
    rank_fields: Annotated[list[Literal["text"]], Field(fail_fast=True, max_length=1)] | None = None
    """Cohere's: what to read of documents that are objects. Nothing else is read."""
