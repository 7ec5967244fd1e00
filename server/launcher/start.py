"""`startup.py -a` and its like: from flags to a running fleet, and down again."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from shlex import quote

from server.core.clock import Clock, SystemClock
from server.core.errors import ConfigError, StartError
from server.launcher.running.leftovers import clear_leftovers
from server.launcher.running.logs import log_to, rotate
from server.launcher.running.orphans import adopt_orphans
from server.launcher.running.reading_key import kept_reading_key
from server.launcher.running.state import read_state, start_of, write_state
from server.launcher.running.supervisor import Supervisor
from server.launcher.screen.banner import ready_block
from server.launcher.screen.view import View, open_view
from server.launcher.setup.home import Home, furnish
from server.launcher.setup.installation import Installation
from server.launcher.setup.lock import locked
from server.launcher.setup.plan import MODULES, Role
from server.launcher.setup.prepare import Prepared, prepare
from server.launcher.wanted import Wanted
from server.wire.fleet import fleet_id
from server.wire.launcher import ChildState, LauncherState

log = logging.getLogger(__name__)

BAD_SETUP = 2


def start(
    home: Home,
    wanted: Wanted,
    *,
    quiet: bool,
    environ: Mapping[str, str],
    installation: Installation,
    modules: Mapping[Role, str] = MODULES,
) -> int:
    """The exit code: 0 after a clean stop, 1 if a part did not start, 2 for a bad set-up."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        if furnish(home, installation.configs()):
            _say(f"New home made in {home.root}: {home.configs} is a copy of what we ship.")
        else:
            _say(f"Home: {home.root}")
        with locked(home.lock_file):
            clear_leftovers(read_state(home.state_file))
            prepared = prepare(home, wanted, environ, installation, modules)
            rotate(home.log_of("launcher"))
            log_to(home.log_of("launcher"), prepared.launcher.log_level)
            adopt_orphans()
            try:
                with kept_reading_key(home, prepared.secret):
                    return asyncio.run(_Launch(home, prepared, installation, quiet).run())
            finally:
                home.state_file.unlink(missing_ok=True)
    except ConfigError as error:
        _complain("Nothing was started. What is wrong:", *(f"  {p}" for p in error.problems))
    except StartError as error:
        stop = installation.command("stop", home.root)
        _complain(f"{home.root}: {error}. `{stop}` stops it; --home DIR starts one elsewhere.")
    return BAD_SETUP


class _Launch:
    """One launch, with the state file that tells the other commands about it."""

    def __init__(
        self, home: Home, prepared: Prepared, installation: Installation, quiet: bool
    ) -> None:
        self._home = home
        self._prepared = prepared
        self._installation = installation
        self._quiet = quiet
        self._clock: Clock = SystemClock()
        self._state = LauncherState(
            pid=os.getpid(),
            created=start_of(os.getpid()) or 0.0,
            version=installation.version(),
            home=str(home.root),
            log_folder=str(home.logs),
            drain_s=prepared.launcher.drain_s,
            controller_url=prepared.controller_url or None,
            fleet=fleet_id(prepared.secret),
        )

    async def run(self) -> int:
        view = open_view(quiet=self._quiet, clock=self._clock)
        supervisor = Supervisor(
            self._prepared,
            self._home,
            view,
            cwd=self._installation.code,
            clock=self._clock,
            changed=self._remember,
        )

        def stop() -> None:
            self._update(phase="stopping")
            supervisor.ask_to_stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, stop)
        return await supervisor.run(lambda: self._welcome(supervisor, view))

    def _welcome(self, supervisor: Supervisor, view: View) -> None:
        self._update(phase="running")
        command = self._installation.command
        view.say(
            ready_block(
                supervisor.keepers,
                self._prepared.providers,
                self._home,
                joined=self._prepared.controller_url,
                stop=command("stop", self._home.root),
                doctor=command("doctor", self._home.root),
                start=lambda name: command(f"worker start {quote(name)}", self._home.root),
            )
        )

    def _remember(self, children: Sequence[ChildState]) -> None:
        self._update(children=tuple(children))

    def _update(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        try:
            write_state(self._state, self._home.state_file)
        except OSError as error:  # `status` is blind then, but serving goes on
            log.warning("cannot write the state file", extra={"reason": str(error)})


def _say(text: str) -> None:
    with suppress(OSError):
        sys.stdout.write(text + "\n")


def _complain(*lines: str) -> None:
    with suppress(OSError):
        sys.stderr.write("\n".join(lines) + "\n")
