"""A PostgreSQL server of our own, without a container, on a port that stays its own. `fsync` is on."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.child import Child, launcher
from sps_cli.servers.own_server import OwnServer
from sps_cli.servers.ports import LOOPBACK, free_port
from sps_cli.servers.postgres_binaries import postgres_binaries, unprivileged_user

ASK_S: Final = 3.0
STATEMENT_S: Final = 60.0
INIT_S: Final = 120.0
USER: Final = "sps"
DRIVER: Final = "postgresql+asyncpg"
USUAL_PORT: Final = 5432
SETTINGS: Final[dict[str, str]] = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
}
"""`deploy/local/compose.yaml` says the same."""
NOT_NOW: Final = (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
ONLY_HERE: Final[dict[str, str]] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a test's folder may be longer than the path of a socket may be
}


class PostgresServer(OwnServer):
    """One server that trusts everybody on the loopback. `given` is the URL of somebody's own server."""

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # the fast shutdown: sessions end, data is written
    still_there: ClassVar[tuple[str, ...]] = ("is still in use", '"postmaster.pid" already exists')

    def __init__(self, folder: Path, *, port: int = 0, given: str = "") -> None:
        super().__init__(folder, given)
        self._port = port if given else self._kept_port(port)

    @property
    def address(self) -> str:
        """`HOST:PORT`, for a proxy."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or USUAL_PORT}"

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, or the one that was given."""
        return self._given or f"{DRIVER}://{USER}@{LOOPBACK}:{self._port}/postgres"

    def url_of(self, name: str) -> str:
        """The URL of a database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    async def create_database(self, name: str) -> str:
        """Make an empty database and return its URL. Refusal `DATABASE_EXISTS`."""
        try:
            await self.execute(f"CREATE DATABASE {_quoted(name)}")
        except asyncpg.DuplicateDatabaseError as there:
            raise Refusal("DATABASE_EXISTS", f"the database {name} is there already") from there
        return self.url_of(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database and the connections to it; one that is not there is no error."""
        await self.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    async def execute(self, statement: str) -> str:
        """Run one statement in a connection of its own, outside of a transaction; returns its status line."""
        async with asyncio.timeout(STATEMENT_S):
            connection = await _connect(self.url)
            try:
                return str(await connection.execute(statement))
            finally:
                await connection.close()

    async def answers(self) -> bool:
        """Tell whether it answers a question."""
        try:
            async with asyncio.timeout(ASK_S):
                connection = await _connect(self.url)
                try:
                    return bool(await connection.fetchval("SELECT 1") == 1)
                finally:
                    connection.terminate()
        except (OSError, asyncpg.InterfaceError, *NOT_NOW):
            return False

    def _kept_port(self, port: int) -> int:
        path = self.folder / "port"
        kept = int(path.read_text()) if path.exists() else 0
        chosen = port or kept or free_port()
        path.write_text(f"{chosen}\n")
        return chosen

    async def _prepare(self) -> Child:
        binaries, user, data = postgres_binaries(), unprivileged_user(), self.folder / "data"
        if not data.exists():
            await asyncio.to_thread(self._initialise, binaries, user, data)
        settings = SETTINGS | ONLY_HERE | {"port": str(self._port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Child([str(binaries / "postgres"), "-D", str(data), *options], self.log, user)

    def _initialise(self, binaries: Path, user: str, data: Path) -> None:
        """The folder `data` is there when it is whole."""
        draft = self.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if user:
            shutil.chown(draft, user)
        options = f"-U {USER} --auth=trust --encoding=UTF8 --locale=C --no-sync --no-instructions".split()
        done = subprocess.run(  # noqa: S603 our own words
            [*launcher(user), str(binaries / "initdb"), "-D", str(draft), *options],
            capture_output=True,
            text=True,
            timeout=INIT_S,
            check=False,
            cwd=self.folder,
        )
        if done.returncode:
            raise Trouble(f"initdb failed:\n{done.stdout}{done.stderr}")
        draft.rename(data)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(urlunsplit(urlsplit(url)._replace(scheme="postgresql")), timeout=ASK_S)
