"""A server of PostgreSQL for tests: begun in a folder, ended with the test."""

import contextlib
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

FOLDERS = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
LONG = 60


def missing():
    """Return why there can be no server, None if there can."""
    if not FOLDERS and shutil.which("initdb") is None:
        return "no server of PostgreSQL is installed"
    if importlib.util.find_spec("psycopg") is None:
        return "the driver psycopg is not installed"
    if os.getuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser"
    return None


@contextlib.contextmanager
def server(address="127.0.0.1", clients="127.0.0.1/32"):
    """Return a context with a server; gives the URL of an empty database.

    Args:
        address: String, where to listen.
        clients: String, from where anyone is trusted.
    """
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        data, port = f"{folder}/data", _free_port(address)
        _call("initdb", "-D", data, "-A", "trust", "-U", "postgres")
        with open(f"{data}/pg_hba.conf", "a") as file:
            file.write(f"host all all {clients} trust\n")
        options = f"-p {port} -c listen_addresses={address} "
        options += f"-c unix_socket_directories={folder}"
        _call("pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://postgres@{address}:{port}/postgres"
        finally:
            _call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _call(program, *arguments):
    path = str(FOLDERS[-1] / program) if FOLDERS else shutil.which(program)
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    # Not a pipe, which the server would keep open.
    subprocess.run(
        [*user, path, *arguments],
        check=True,
        timeout=LONG,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _free_port(address):
    with socket.socket() as bound:
        bound.bind((address, 0))
        return bound.getsockname()[1]
