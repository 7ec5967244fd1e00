"""FastChat's controller endpoints, on their old paths with their old JSON.

Reading is open; registering and beating need the fleet's secret or a place on the allow-list,
see `server/controller/callers.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import ValidationError

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.controller.addresses import check_address
from server.controller.callers import Callers
from server.controller.messages import asking, telling
from server.controller.picker import Picker, queue_length
from server.controller.registry import Registry
from server.core.errors import BadRequest, Forbidden, TransportError, UpstreamFailed
from server.core.ids import new_id
from server.core.limits import CONNECT_S, MAX_JSON_BYTES
from server.web.asgi import JSON, Scope, header
from server.web.table import Routes
from server.wire.fastchat import HeartBeat, ModelAsked, RegisterWorker, WorkerStatus
from server.wire.fleet import Ability, Load, Registration

WRITES = frozenset({"/register_worker", "/receive_heart_beat"})
SLOTS = 5
"""FastChat's default `--limit-worker-concurrency`; its workers do not say theirs."""
ABILITIES: tuple[Ability, ...] = ("chat", "completions", "embeddings")
STATUS_S = CONNECT_S


class FastChatRoutes:
    def __init__(
        self, registry: Registry, picker: Picker, callers: Callers, http: HTTPClient
    ) -> None:
        self._registry = registry
        self._picker = picker
        self._callers = callers
        self._http = http

    def routes(self) -> Routes:
        return {
            ("POST", "/register_worker"): telling(RegisterWorker, self._register),
            ("POST", "/receive_heart_beat"): telling(HeartBeat, self._beat),
            # Our table is always current, so reading it anew would change nothing.
            ("POST", "/refresh_all_workers"): asking(lambda: None),
            ("POST", "/list_models"): asking(lambda: self._models("all")),
            ("POST", "/list_language_models"): asking(lambda: self._models("language")),
            ("POST", "/list_multimodal_models"): asking(lambda: self._models("multimodal")),
            ("POST", "/get_worker_address"): telling(ModelAsked, self._address),
            ("POST", "/worker_get_status"): asking(self._status),
            ("GET", "/test_connection"): asking(lambda: "success"),
        }

    async def _register(self, scope: Scope, new: RegisterWorker) -> None:
        address = new.worker_name
        self._callers.check(scope, address)
        check_address(address)
        status = new.worker_status or await self._ask_status(address)
        if not status.model_names:
            raise BadRequest("A worker serves at least one model.", param="worker_status")
        self._registry.register(
            Registration(
                address=address,
                generation=new_id("fastchat"),
                models=status.model_names,
                abilities=(*ABILITIES, "vision") if new.multimodal else ABILITIES,
                protocol="fastchat",
                kind="fastchat",
                speed=status.speed or 1.0,
                slots=SLOTS,
                load=_load(status.queue_length),
            ),
            expires=new.check_heart_beat,
        )

    async def _ask_status(self, address: str) -> WorkerStatus:
        if not self._callers.may_ask(address):
            raise Forbidden(
                f"Send worker_status: {address} is not in controller.fastchat_workers, "
                "so it is not asked for it.",
                code="address_not_allowed",
            )
        try:
            async with (
                asyncio.timeout(STATUS_S),
                self._http.request(
                    Origin.parse(address), b"/worker_get_status", b"{}", (JSON,)
                ) as answer,
            ):
                body = b""
                while (part := await answer.chunk()) and len(body) <= MAX_JSON_BYTES:
                    body += part
                if answer.status == 200:
                    return WorkerStatus.model_validate_json(body)
        except (TransportError, TimeoutError, ValidationError) as error:
            raise UpstreamFailed(f"The worker at {address} did not tell its status.") from error
        raise UpstreamFailed(f"The worker at {address} answered {answer.status}.")

    async def _beat(self, scope: Scope, beat: HeartBeat) -> object:
        self._callers.check(scope, beat.worker_name)
        load = _load(beat.queue_length)
        return {"exist": self._registry.beat_of_fastchat(beat.worker_name, load)}

    def _models(self, which: str) -> object:
        names: dict[str, None] = {}
        for entry in self._picker.workers():
            multimodal = "vision" in entry.view.abilities
            if which == "all" or (which == "multimodal") == multimodal:
                names |= dict.fromkeys(entry.view.models)
        if which != "multimodal":  # no model of a launcher's sees pictures
            names |= dict.fromkeys(self._registry.asleep())
        return {"models": list(names)}

    async def _address(self, scope: Scope, asked: ModelAsked) -> object:
        """A worker's address; for one of ours, which are closed to strangers, and for a model that
        has yet to be loaded, our own by the name that the caller knows us by (see
        `server/controller/fastchat_relay.py`)."""
        entry = self._picker.pick(asked.model)
        if entry is None and self._registry.resting(asked.model) is None:
            return {"address": ""}
        if entry is not None and entry.view.protocol == "fastchat":
            entry.handed_out += 1
            return {"address": entry.view.address}
        return {"address": "http://" + (header(scope, b"host") or b"").decode("latin-1")}

    def _status(self) -> dict[str, Any]:
        """All workers as one, for a controller above this one."""
        workers = list(self._picker.workers())
        return {
            "model_names": sorted(
                {model for entry in workers for model in entry.view.models}
                | set(self._registry.asleep())
            ),
            "speed": sum(entry.view.speed for entry in workers),
            "queue_length": sum(queue_length(entry) for entry in workers),
        }


def _load(queue: int) -> Load:
    return Load(running=min(queue, SLOTS), waiting=max(0, queue - SLOTS))
