"""A taken port is an error that names the process and the setting."""

import os
import socket
import subprocess
import sys

import pytest

from collect_pipelines.errors import PortTaken
from collect_pipelines.local.ports import free_port, holder_of, require_free

LISTENER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_a_free_port_can_be_bound() -> None:
    port = free_port()
    require_free(port, "COLLECT_INGEST_PORT")

    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_names_the_process_that_holds_it_and_the_setting(address: str) -> None:
    with subprocess.Popen([sys.executable, "-c", LISTENER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        holder = holder_of(port)
        with pytest.raises(PortTaken) as caught:
            require_free(port, "COLLECT_DAGSTER_PORT")
        other.communicate()

    assert holder is not None
    assert holder.pid == other.pid
    assert f"Port {port} on 127.0.0.1 is used by {holder.name} (pid {other.pid})." in str(caught.value)
    assert caught.value.fix == "Stop that process, or set COLLECT_DAGSTER_PORT to another port."


def test_a_port_left_by_a_closed_connection_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # our side closes first, so our side keeps TIME_WAIT
            assert client.recv(1) == b""

    require_free(port, "COLLECT_INGEST_PORT")
    assert holder_of(port) is None


def test_a_port_of_no_process_has_no_holder() -> None:
    assert holder_of(free_port()) is None


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(PortTaken, match=r"on 203\.0\.113\.1 can't be used") as caught:
        require_free(8080, "COLLECT_INGEST_PORT", host="203.0.113.1")
    assert "COLLECT_INGEST_PORT" in str(caught.value.fix)


def test_we_find_ourselves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holder = holder_of(server.getsockname()[1])

    assert holder is not None and holder.pid == os.getpid()
