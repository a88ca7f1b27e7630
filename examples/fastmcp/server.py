"""A small MCP server with `/health`: notes in an SQLite file."""

import argparse
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from fastmcp import FastMCP

from health import Degraded, add_health

VERSION = "0.1.0"
ENOUGH_BYTES = 50_000_000


def build(database: Path) -> FastMCP:
    """The server over one database file, which is made if it is not there."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)")

    def connect() -> closing[sqlite3.Connection]:
        # Without `mode=rw`, SQLite would silently make a new file in place of one that is gone.
        return closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=0.5))

    mcp = FastMCP("notes", version=VERSION)

    @mcp.tool
    def add_note(text: str) -> str:
        """Keeps a note."""
        with connect() as connection, connection:
            connection.execute("INSERT INTO notes VALUES (?)", (text,))
        return "kept"

    @mcp.tool
    def find_notes(word: str) -> list[str]:
        """The notes with this word in them."""
        with connect() as connection:
            return [text for (text,) in connection.execute("SELECT text FROM notes WHERE instr(text, ?)", (word,))]

    def check_database() -> None:
        with connect() as connection:
            connection.execute("SELECT text FROM notes LIMIT 1").fetchall()

    def check_disk() -> None:
        if shutil.disk_usage(database.resolve().parent).free < ENOUGH_BYTES:
            raise Degraded("less than 50 MB are free")

    add_health(mcp, version=VERSION, checks={"database": check_database, "disk": check_disk})
    return mcp


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8082")))
    parser.add_argument("--database", type=Path, default=Path("notes.db"), help="an SQLite file")
    arguments = parser.parse_args()
    build(arguments.database).run(transport="http", host=arguments.host, port=arguments.port, show_banner=False)


if __name__ == "__main__":
    main()
