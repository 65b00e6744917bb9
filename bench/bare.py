"""`python -m bench.bare FILE`: what Litestar and uvicorn cost by themselves. Answers every path with the bytes of a file."""

import socket
import sys
from pathlib import Path

import uvicorn
from litestar import Litestar, MediaType, Response, get

__all__ = ["main"]


def main(path: str) -> None:
    """Serve until told to stop; prints the URL."""
    body = Path(path).read_bytes()

    @get("/{anything:path}")
    async def bare() -> Response[bytes]:
        return Response(body, media_type=MediaType.JSON)

    # asyncio sends at once on TCP sockets only, and takes for one what says that it is
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        Litestar([bare], openapi_config=None), http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
