"""The app server with the pages of any folder: `python -m benchmarks.webui.served`."""

from __future__ import annotations

from pathlib import Path

from server.app.app import create_app
from server.web.process import run
from server.wire.process import AppProcess


class WebProcess(AppProcess):
    web_folder: str


if __name__ == "__main__":
    run(
        WebProcess,
        lambda settings, drain, say, _address: create_app(
            settings, drain, say, web_folder=Path(settings.web_folder)
        ),
    )
