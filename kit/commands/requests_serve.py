"""`kit requests serve` and `token`: the queue over HTTP, for those who take requests in."""

from __future__ import annotations

from typing import Annotated

import typer

from kit.commands import options, requests
from kit.commands.options import DebugOption, QuietOption
from kit.commands.requests import ChallengeOption, FolderArgument, KeyOption

_LOCAL = ("127.0.0.1", "::1", "localhost")


def token(
    folder: FolderArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who gets it.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the tokens of this name back instead.")] = False,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a token for somebody who takes requests in; it is shown once. Or take it back.

    Examples:
        kit requests token model desk
        kit requests token model desk --revoke
    """
    from kit.streams import database, tokens

    database.require_queue(folder / database.FOLDER)
    if revoke:
        typer.echo(f"{tokens.revoke(folder / database.FOLDER, name)} tokens of '{name}' are valid no more.")
        return
    typer.echo(tokens.issue(folder / database.FOLDER, name))


def serve(
    folder: FolderArgument,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; TLS is the proxy's in front.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, metavar="N", help="Port to listen on.")] = 8350,
    challenge: ChallengeOption = None,
    key: KeyOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Take requests in over HTTP, and hand evidence out; 'kit requests run' does the work.

    Examples:
        kit requests serve model --port 8350
    """
    loaded = requests.load(folder, challenge, key, debug)
    from kit.streams import service

    service.require_starlette()
    import time

    import uvicorn

    import kit
    from kit.streams.database import FOLDER
    from kit.streams.tokens import Tokens

    served = service.Service.of(folder, loaded, time.time)
    Tokens.read(folder / FOLDER)  # told of now rather than at the first request
    if host not in _LOCAL:
        options.tell(
            [
                f"The service listens on {host} without TLS: tokens and requests can be read on the way. Put a proxy "
                "with TLS in front of it, and let nobody else reach this port."
            ]
        )
    del loaded  # the examples themselves are not needed
    typer.echo(f"http://{host}:{port} (Ctrl-C ends it)", err=True)
    uvicorn.run(service.application(served, kit.__version__), host=host, port=port, log_level="warning")
