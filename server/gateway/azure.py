"""Azure's paths of OpenAI's API: a deployment is a model. `api-version` means nothing here.

https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from __future__ import annotations

from typing import Final

from server.web.asgi import Scope

AZURE: Final = "/openai/"
DEPLOYMENT: Final = "deployment"
"""In a scope: the model that is meant, whatever the body says."""
_DEPLOYMENTS: Final = "deployments/"
_ENDINGS: Final = ("/chat/completions", "/completions", "/embeddings")


def as_openai(scope: Scope) -> Scope:
    """Of a request whose path begins with `AZURE`. What Azure does not have either is a path of
    `/v1` that is not there."""
    rest: str = scope["path"].removeprefix(AZURE).removeprefix("v1/")
    if rest.startswith(_DEPLOYMENTS):
        for ending in _ENDINGS:
            if rest.endswith(ending):
                name = rest.removeprefix(_DEPLOYMENTS).removesuffix(ending)
                return {**scope, "path": f"/v1{ending}", DEPLOYMENT: name}
    return {**scope, "path": f"/v1/{rest}"}
