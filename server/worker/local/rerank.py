"""`POST /v1/rerank` over one local model."""

from __future__ import annotations

from typing import Any

from server.core.ids import new_id
from server.core.limits import WRITE_STALL_S
from server.web.asgi import Receive, Scope, Send, send_json
from server.web.table import Routes
from server.wire.rerank import RERANK, RerankRequest
from server.worker.asked import Reranked
from server.worker.local.bodies import read_request
from server.worker.local.model import Model
from server.worker.terms import terms_of


class RerankRoute:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Routes:
        return {("POST", RERANK): self.rerank}

    async def rerank(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(RerankRequest, scope, receive)
        self._model.check(request.model, "rerank")
        terms = terms_of(scope)
        async with self._model.turn(terms, receive) as limit:
            reranked = await self._model.engine.rerank(
                request.query,
                request.documents,
                request.max_tokens_per_doc,
                lane=terms.lane,
                customer=terms.customer,
            )
            limit.allow(WRITE_STALL_S, "client")
            await send_json(send, reranking(request, reranked))


def reranking(request: RerankRequest, reranked: Reranked) -> dict[str, Any]:
    """The best first; of equals, the one that came first."""
    scores = reranked.scores
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index]} for index in order[: request.top_n]
    ]
    if request.return_documents is not False:
        for result in results:
            result["document"] = {"text": request.documents[result["index"]]}
    return {
        "id": new_id("rerank"),
        "model": request.model,
        "results": results,
        "usage": {"prompt_tokens": reranked.tokens, "total_tokens": reranked.tokens},
    }
