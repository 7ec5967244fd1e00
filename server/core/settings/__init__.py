"""What can be set, with its defaults: `configs/fleet.yaml` and `configs/app.yaml`.

Every field of `FleetSettings` can be overridden by `SHORTLINE_<SECTION>__<FIELD>`.
"""

from server.core.settings.app import AppSettings, ChatSettings
from server.core.settings.controller import ControllerSettings
from server.core.settings.fleet import FleetSettings, LauncherSettings
from server.core.settings.gateway import GatewaySettings, TracingSettings
from server.core.settings.model import ModelSettings
from server.core.settings.route import RouteSettings
from server.core.settings.section import Section, ServerSettings, is_loopback, is_wildcard
from server.core.settings.server import JoinedServer

__all__ = [
    "AppSettings",
    "ChatSettings",
    "ControllerSettings",
    "FleetSettings",
    "GatewaySettings",
    "JoinedServer",
    "LauncherSettings",
    "ModelSettings",
    "RouteSettings",
    "Section",
    "ServerSettings",
    "TracingSettings",
    "is_loopback",
    "is_wildcard",
]
