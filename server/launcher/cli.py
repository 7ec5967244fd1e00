"""The command line. What a command needs is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import NoReturn

from server.core.clock import SystemClock
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.wanted import Wanted, wanted
from server.wire.lanes import LANES

INTERRUPTED = 130
BAD_USAGE = 2

_EPILOG = """\
commands (each with --home DIR):
  status [--json]  what runs; exit code 0: all is ready, 1: something is not, 3: not running
  stop [--force]   finish what runs and stop; exit code 0: nothing runs any more, 1: it still does
  explain REQUEST_ID [--json]  what became of a recent request; exit code 0: told, 1: nobody
                   remembers it, 3: not running
  worker stop|start|restart|drain NAME    what an operator wants of a worker, remembered over
                   every restart until `start`; exit code 0: told, 1: not heard, 3: not running
  worker swap NAME [--path NEW]    a new process, or another model, without a lost request
  join URL [--name NAME] [--key-env VARIABLE]    a server of models that runs already: vLLM, SGLang,
                   Ollama, llama.cpp, TGI, another Shortline; it stays over every restart, until
  leave NAME       exit codes: 0: done, 1: not heard, 2: it cannot join and nothing has changed,
                   3: not running
  key create|list|revoke|usage    API keys: their limits, and what they used; `key -h` says more
  doctor           what is wrong with this set-up and how to mend it; exit code 1: something is

every command ends with 2 where there is no such home, and makes none (doctor says what is missing).

exit codes of a start: 0 after a clean stop, 1 if a part did not start or was ended by force,
2 if the set-up or the command line is wrong (nothing was started then).

A setting can be overridden by SHORTLINE_<SECTION>__<FIELD>, as in SHORTLINE_OPENAI_API__PORT=0.
"""


def main(argv: list[str] | None = None) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `startup.py status | head`
        sys.stderr.close()
        code = 1
    sys.exit(code)


def run(argv: list[str]) -> int:
    installation = Installation()
    parser = build_parser()
    flags = parser.parse_args(argv)
    home = Home((flags.home or installation.default_home()).expanduser().resolve())
    if flags.version:
        sys.stdout.write(f"shortline {installation.version()}\n")
        return 0
    if flags.command:
        if flags.command != "doctor" and not home.is_there:
            return _no_home(home, installation)
        return _command(flags, home, installation)
    wish = wanted(flags)
    if not wish.anything:
        parser.print_help(sys.stderr)
        return BAD_USAGE
    return _start(home, wish, flags.quiet, installation)


def _start(home: Home, wish: Wanted, quiet: bool, installation: Installation) -> int:
    from server.core.config import environment
    from server.launcher.start import start

    return start(home, wish, quiet=quiet, environ=environment(), installation=installation)


def _no_home(home: Home, installation: Installation) -> int:
    sys.stderr.write(
        f"There is no home of Shortline in {home.root}: no configs/fleet.yaml, no data/run/.\n"
        f"Is --home right? `{installation.command('-a', home.root)}` would make one there.\n"
    )
    return BAD_USAGE


def _command(flags: argparse.Namespace, home: Home, installation: Installation) -> int:
    if flags.command == "status":
        from server.launcher.care.status import status

        return status(home, as_json=flags.json, clock=SystemClock())
    if flags.command == "stop":
        from server.launcher.care.stop import stop

        return stop(home, force=flags.force)
    if flags.command == "worker":
        from server.launcher.care.tell import tell
        from server.launcher.setup.models import locate_swap

        path = locate_swap(flags, home.root, installation)
        if path is None:
            return BAD_USAGE
        return tell(home, flags.action, flags.name, SystemClock(), path)
    if flags.command in ("join", "leave"):
        return _joining(flags, home)
    if flags.command == "explain":
        from server.launcher.care.explain import explain

        return explain(home, flags.request_id, as_json=flags.json)
    if flags.command == "key":
        from server.launcher.care.key import key

        return key(home, flags, SystemClock())
    from server.core.config import environment
    from server.launcher.care.doctor import doctor

    return doctor(home, environment(), installation)


def _joining(flags: argparse.Namespace, home: Home) -> int:
    from server.core.config import environment
    from server.launcher.care.joining import join, leave

    return join(home, flags, environment()) if flags.command == "join" else leave(home, flags.name)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="startup.py",
        description="Start Shortline: every request joins the shortest line.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_parts(parser.add_argument_group("what to start"))
    _add_choices(parser.add_argument_group("which, where and how"))
    parser.set_defaults(home=None, command=None)
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    about = {
        "status": "what runs",
        "stop": "stop it",
        "doctor": "what is wrong, and how to mend it",
        "explain": "what became of a recent request: candidates, choice, retries, times",
    }
    for name, help_text in about.items():
        command = commands.add_parser(name, help=help_text)
        _add_home(command)
        if name == "explain":
            command.add_argument("request_id", metavar="REQUEST_ID", help="as in `x-request-id`")
        if name in ("status", "explain"):
            command.add_argument("--json", action="store_true", help="for programs")
        if name == "stop":
            command.add_argument("--force", action="store_true", help="do not wait for requests")
    _add_worker(commands.add_parser("worker", help="stop, start, restart, drain or swap one"))
    _add_join(commands.add_parser("join", help="a server of models that runs already, by its URL"))
    leave = commands.add_parser("leave", help="a server that was joined so")
    leave.add_argument("name", metavar="NAME", help="as `status` shows it after online_api")
    _add_home(leave)
    _add_key(commands.add_parser("key", help="API keys: make, list, revoke, what they used"))
    return parser


def _add_worker(parser: argparse.ArgumentParser) -> None:
    what = {
        "stop": "finish what it does, and end; it stays so until `start`",
        "start": "run and serve, whatever was said before",
        "restart": "a new process",
        "drain": "send it nothing new; it stays so until `start`",
        "swap": "a new process before the old one ends; with --path, other weights",
    }
    parser.add_argument(
        "action", choices=what, help="; ".join(f"{a}: {w}" for a, w in what.items())
    )
    parser.add_argument("name", metavar="NAME", help="as `status` shows it")
    parser.add_argument("--path", default="", metavar="NEW", help="of a swap: the model to load")
    _add_home(parser)


def _add_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="such as http://gpu1:8000")
    parser.add_argument("--name", metavar="NAME", help="default: made from the URL, as gpu1-8000")
    parser.add_argument(
        "--key-env", metavar="VARIABLE", help="holds its key, in the environment or configs/.env"
    )
    parser.add_argument(
        "--abilities",
        nargs="+",
        choices=("chat", "completions", "embeddings", "rerank"),
        metavar="ABILITY",
        help="where the server does not tell them: chat, completions, embeddings, rerank",
    )
    parser.add_argument(
        "--slots", type=int, metavar="N", help="requests sent to it at the same time (64)"
    )
    _add_home(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key, and show it this once")
    create.add_argument("name", metavar="NAME", help="whom it is for")
    create.add_argument("--models", nargs="+", metavar="MODEL", help="only these models and routes")
    for flag, what in {
        "--rpm": "requests per minute",
        "--tpm": "tokens per minute",
        "--parallel": "requests at the same time",
        "--tokens-per-day": "tokens from midnight to midnight UTC",
    }.items():
        create.add_argument(flag, type=int, metavar="N", help=f"{what} (default: no limit)")
    create.add_argument("--lane", choices=LANES, help="put all of its requests there")
    create.add_argument("--admin", action="store_true", help="it may change keys and routes")
    create.add_argument(
        "--expires", default="never", metavar="WHEN", help="12h, 30d, 2030-12-31 or never (default)"
    )
    show = actions.add_parser("list", help="the keys, and what they may")
    show.add_argument("--revoked", action="store_true", help="revoked ones too")
    revoke = actions.add_parser("revoke", help="end a key for good")
    revoke.add_argument("key", metavar="ID_OR_NAME")
    usage = actions.add_parser(
        "usage",
        help="requests and tokens of each key, model and day",
        epilog="REQUESTS: those that limits let in, for models and routes that exist. FAILED: of "
        "them, those without a whole answer, whoever's fault. ASSUMED: tokens that were charged "
        "where nobody could tell how many were used.",
    )
    usage.add_argument("key", metavar="ID_OR_NAME", nargs="?", help="of this key only")
    usage.add_argument("--days", type=int, default=7, metavar="N", help="so many days (7)")
    for action in (create, show, usage):
        action.add_argument("--json", action="store_true", help="for programs")
    for action in (create, show, revoke, usage):
        _add_home(action)


def _add_home(to: argparse._ActionsContainer) -> None:
    to.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where configs/, knowledge_base/ and data/ live (default: the checkout)",
    )


def _add_parts(group: argparse._ArgumentGroup) -> None:
    parts = {
        ("-a", "--all-webui"): "everything: web UI, app server, OpenAI API, controller, all models",
        ("--all-api",): "everything but the web UI",
        ("--llm-api",): "controller, OpenAI API, local models and online providers",
        ("-o", "--openai-api"): "controller and OpenAI API",
        ("-m", "--model-worker"): "local models; without -o they join a controller that runs",
        ("-p", "--api-worker"): "online providers whose keys are in the environment",
        ("-i", "--lite"): "no local models: controller, OpenAI API and online providers",
        ("--api",): "the app server; without -o it asks an OpenAI API that runs",
        ("-w", "--webui"): "the app server with the web UI",
    }
    for names, help_text in parts.items():
        group.add_argument(*names, action="store_true", help=help_text)


def _add_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-n",
        "--model-name",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these models and providers",
    )
    group.add_argument(
        "-c",
        "--controller",
        metavar="ADDR",
        help="join the controller at this address instead of starting one; "
        "SHORTLINE_CONTROLLER__SECRET must hold its secret",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="plain lines, no live table")
    _add_home(group)
