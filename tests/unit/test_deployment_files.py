"""What deploy/ promises is there: files, commands, ports and settings exist, and the tools that read the files accept them."""

import datetime
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ruamel.yaml import YAML

from collect_pipelines.cli.root import collect
from collect_pipelines.local.dagster_storage import DAGSTER_URL_VARIABLE, dagster_url
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.probes import listens
from collect_pipelines.settings import Settings, setting_name

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
VARIABLES = {setting_name(name) for name in Settings.__dataclass_fields__} | {DAGSTER_URL_VARIABLE}
OWN_PROGRAMS = ("dagster", "dagster-daemon", "dagster-webserver")


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


def services() -> dict[str, Any]:
    return dict(read(DEPLOY / "compose.yaml")["services"])


def ours() -> dict[str, Any]:
    return {name: service for name, service in services().items() if service["image"] == "collect-pipelines"}


def resolve(words: list[str]) -> click.Command:
    """The command of `collect` these words name; fails when there is none or it refuses an option."""
    context = click.Context(collect, info_name="collect")
    command: click.Command = collect
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest.pop(0))
        assert found is not None, words
        command = found
    command.make_context("collect", rest)
    return command


def test_every_service_of_ours_runs_a_command_that_exists() -> None:
    for name, service in ours().items():
        if service.get("entrypoint"):
            assert service["entrypoint"][0] in OWN_PROGRAMS, name
        else:
            assert not isinstance(resolve(service["command"]), click.Group), name


def test_every_variable_in_the_files_is_a_setting() -> None:
    files = [*DEPLOY.rglob("*.yaml"), DEPLOY / "Dockerfile", *(DEPLOY / "systemd").iterdir()]
    named = {name for file in files for name in re.findall(r"\bCOLLECT_[A-Z_]+\b", file.read_text("utf-8"))}

    # COLLECT_SECRETS_DIR is read by compose itself: the folder that is mounted.
    assert named - VARIABLES == {"COLLECT_SECRETS_DIR"}


def test_every_file_the_containers_mount_or_copy_is_there() -> None:
    mounted = [volume.split(":")[0] for service in services().values() for volume in service.get("volumes", ()) if volume.startswith("./")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]

    assert [path for path in mounted if not (DEPLOY / path).exists()] == []
    assert names and [name for name in names if not (ROOT / name).exists()] == []


def test_the_build_sees_exactly_what_it_copies() -> None:
    shown = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        for name in line.split()
    }

    assert shown == copied


def test_only_loopback_ports_are_published() -> None:
    published = [port for service in services().values() for port in service.get("ports", ())]

    assert published and all(port.startswith("127.0.0.1:") for port in published)


def test_our_containers_run_unprivileged_and_stop_cleanly() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()

    assert "USER collect" in dockerfile and "HEALTHCHECK" in dockerfile
    for name, service in ours().items():
        assert service["cap_drop"] == ["ALL"] and service["init"] is True, name
        assert "healthcheck" in service or name == "migrate", name


def test_postgres_keeps_what_it_acknowledges() -> None:
    postgres = services()["postgres"]

    assert postgres["image"] == "postgres:18"
    assert {"fsync=on", "synchronous_commit=on", "full_page_writes=on"} <= set(postgres["command"])


def test_the_log_of_postgres_quotes_no_rows() -> None:
    assert "log_error_verbosity=terse" in services()["postgres"]["command"]


def test_dagster_gets_the_url_it_needs() -> None:
    environment = ours()["dagster-code"]["environment"]
    plain = environment["COLLECT_DATABASE_URL"].replace("${POSTGRES_PASSWORD:?set it in .env}", "SECRET")
    there = environment[DAGSTER_URL_VARIABLE].replace("${POSTGRES_PASSWORD}", "SECRET")
    example = dict(line.split("=", 1) for line in (DEPLOY / "systemd" / "environment.example").read_text().splitlines() if line[:1] == "C")

    assert there == dagster_url(plain)
    assert example[DAGSTER_URL_VARIABLE] == dagster_url(example["COLLECT_DATABASE_URL"])


@pytest.mark.parametrize(
    "file", [DEPLOY / "dagster" / "workspace.yaml", DEPLOY / "systemd" / "workspace.yaml"], ids=lambda p: p.parent.name
)
def test_the_workspaces_name_the_code_location_and_its_port(file: Path) -> None:
    server = read(file)["load_from"][0]["grpc_server"]

    assert server["location_name"] == read(ROOT / "workspace.yaml")["load_from"][0]["python_file"]["location_name"]
    assert server["port"] == Settings().code_server_port
    assert file.parent.name == "systemd" or server["host"] in services()


def test_prometheus_scrapes_the_containers_and_reads_the_rules() -> None:
    document = read(DEPLOY / "prometheus" / "prometheus.yml")
    targets = [target for job in document["scrape_configs"] for static in job["static_configs"] for target in static["targets"]]

    assert sorted(targets) == [f"ingest:{Settings().ingest_port}", f"metrics:{Settings().metrics_port}"]
    assert all((DEPLOY / "prometheus" / name).is_file() for name in document["rule_files"])
    told = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_grafana_finds_the_dashboard_where_compose_mounts_it() -> None:
    folder = read(DEPLOY / "grafana" / "provisioning" / "dashboards" / "collect.yaml")["providers"][0]["options"]["path"]
    mounts = [volume.split(":")[1] for volume in services()["grafana"]["volumes"]]

    assert f"{folder}/collect.json" in mounts
    assert json.loads((DEPLOY / "grafana" / "collect.json").read_text())["uid"]


def commands_of(unit: Path) -> Iterator[list[str]]:
    for line in unit.read_text().splitlines():
        if re.match(r"Exec\w+=", line):
            yield line.partition("=")[2].split()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_every_unit_runs_commands_that_exist(unit: Path) -> None:
    for program, *words in commands_of(unit):
        if program == "/opt/collect-pipelines/.venv/bin/collect":
            resolve(words)
        elif program.startswith("/opt/collect-pipelines/"):
            assert Path(program).name in OWN_PROGRAMS
            files = [word for word in words if word.endswith((".yaml", ".py"))]
            assert all((ROOT / file).is_file() for file in files), words
        else:
            assert program == "/usr/bin/install"


def test_the_target_wants_every_unit() -> None:
    wanted = re.search(r"^Wants=(.+)$", (DEPLOY / "systemd" / "collect.target").read_text(), re.MULTILINE)

    assert wanted is not None
    assert sorted(wanted[1].split()) == [unit.name for unit in UNITS]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    stand_in = shutil.which("true")
    assert stand_in is not None
    for file in (*UNITS, DEPLOY / "systemd" / "collect.target"):
        # Only the programs are exchanged: those of the installation are not on this machine.
        text = re.sub(r"/opt/collect-pipelines/\.venv/bin/[\w-]+", stand_in, file.read_text())
        (tmp_path / file.name).write_text(text)
    names = [f"./{file.name}" for file in sorted(tmp_path.iterdir())]
    told = subprocess.run(["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (told.returncode, told.stderr) == (0, "")


def self_signed(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collect.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_nginx_accepts_the_gateway(tmp_path: Path) -> None:
    self_signed(tmp_path)
    gateway = (DEPLOY / "nginx" / "collect.conf").read_text().replace("/etc/ssl/collect/", f"{tmp_path}/")
    (tmp_path / "collect.conf").write_text(gateway)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  include {tmp_path}/collect.conf;\n}}\n"
    )
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program is not None, "make tools installs nginx"
    command = [program, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr


def test_the_gateway_lets_every_allowed_batch_through_and_hides_our_numbers() -> None:
    from collect_pipelines.ingest.body import BATCH_BODY_BYTES

    text = (DEPLOY / "nginx" / "collect.conf").read_text()
    size = re.search(r"client_max_body_size (\d+)m;", text)

    assert size is not None and int(size[1]) * 1024 * 1024 > BATCH_BODY_BYTES
    assert "location / { return 404; }" in text
    assert not re.search(r"location [^{]*(metrics|readyz)", text)


class _Upstream(BaseHTTPRequestHandler):
    """Stands for whatever is behind the gateway: answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Both servers of the gateway in front of an upstream, without TLS and login, by name."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program is not None, "make tools installs nginx"
    self_signed(tmp_path)
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    ports = [free_port(), free_port()]
    text = (DEPLOY / "nginx" / "collect.conf").read_text().replace("/etc/ssl/collect/", f"{tmp_path}/")
    text = re.sub(r"server 127\.0\.0\.1:\d+;", f"server 127.0.0.1:{upstream.server_port};", text).replace('"operations"', "off")
    for port in ports:
        text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};", 1)
    head = f"daemon off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\n"
    (tmp_path / "nginx.conf").write_text(f"{head}http {{\naccess_log off;\n{text}\n}}\n")
    process = subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not listens("127.0.0.1", ports[1]):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "error.log").read_text()
        yield {"ingest": f"http://127.0.0.1:{ports[0]}", "dagster": f"http://127.0.0.1:{ports[1]}"}
    finally:
        process.terminate()
        process.wait(10)
        upstream.shutdown()
        upstream.server_close()


def test_a_foreign_page_in_an_operators_browser_commands_nothing_through_the_gateway(gateway: dict[str, str]) -> None:
    command = gateway["dagster"] + "/graphql?query=mutation"

    def status(url: str, site: str) -> int:
        return httpx.get(url, headers={"Sec-Fetch-Site": site}).status_code

    assert [status(command, site) for site in ("cross-site", "same-site", "same-origin", "none")] == [403, 403, 200, 200]
    assert status(gateway["dagster"] + "/runs", "cross-site") == 200  # a link in a chat leads to a page
    assert httpx.get(command).status_code == 200


def test_the_gateway_shows_what_is_public_and_nothing_else(gateway: dict[str, str]) -> None:
    public = ["/openapi.json", "/livez", "/problems", "/problems/json-empty", "/v1/forms"]
    hidden = ["/metrics", "/readyz", "/", "/v1/../metrics", "/v1/%2e%2e/metrics", "/problems/../metrics", "/livez/../metrics"]

    def status(path: str) -> int:
        connection = HTTPConnection("127.0.0.1", int(gateway["ingest"].rpartition(":")[2]))
        connection.request("GET", path)  # as it is: httpx would tidy the path up first
        found = connection.getresponse().status
        connection.close()
        return found

    assert [status(path) for path in public] == [200] * len(public)
    assert [status(path) for path in hidden] == [404] * len(hidden)
