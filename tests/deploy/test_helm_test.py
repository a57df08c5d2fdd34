"""The pod of `helm test`: it asks every process of the release, and the script that it runs tells who is not ready."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chart_kit import CHART, CI, component_of, container_of, of_kind, pod_of, rendered, workloads

pytestmark = pytest.mark.deploy

SCRIPT = CHART / "files" / "ask_ready.py"
ASKED_S = 30


@pytest.fixture
def monitor():
    """A monitor that is not ready the first time and ready from then on, under `/late`; never under `/never`."""

    class Handler(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self):
            Handler.asked += 1
            ready = self.path == "/late" and Handler.asked > 1
            self.send_response(200 if ready else 503)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def run(text, *urls):
    """As the pod does: the script is an argument."""
    command = [sys.executable, "-c", text, *urls]
    return subprocess.run(command, capture_output=True, text=True, timeout=ASKED_S, check=False)  # noqa: S603 our own words


def test_the_script_waits_until_a_process_is_ready(monitor):
    done = run(SCRIPT.read_text(), f"{monitor}/late")
    assert (done.returncode, done.stdout) == (0, "1 processes are ready\n")


def test_the_script_names_who_is_not_ready(monitor):
    text = SCRIPT.read_text().replace("LIMIT_S: Final = 60.0", "LIMIT_S: Final = 2.0")
    done = run(text, f"{monitor}/late", f"{monitor}/never", "http://127.0.0.1:9/gone")
    assert done.returncode == 1
    assert done.stderr == f"not ready: {monitor}/never\nnot ready: http://127.0.0.1:9/gone\n"


@pytest.mark.parametrize("values", CI)
def test_it_asks_every_process_by_its_service_and_runs_the_script(values):
    (pod,) = of_kind(rendered(values), "Pod")
    (container,) = pod["spec"]["containers"]
    script, *urls = container["args"]
    assert script.rstrip() == SCRIPT.read_text().rstrip()
    services = {each["metadata"]["name"] for each in of_kind(rendered(values), "Service")}
    expected = set()
    for workload in workloads(rendered(values)):
        name = workload["metadata"]["name"]
        replicas = range(workload["spec"]["replicas"])
        names = [f"{name}-{n}.{name}" for n in replicas] if workload["kind"] == "StatefulSet" else [name]
        expected |= {f"http://{each}:9090/health/ready" for each in names}
        assert name in services
    assert set(urls) == expected


@pytest.mark.parametrize("values", CI)
def test_its_pod_is_as_closed_as_the_others(values):
    (pod,) = of_kind(rendered(values), "Pod")
    (workload, *_) = workloads(rendered(values))
    assert pod["spec"]["securityContext"] == pod_of(workload)["securityContext"]
    assert pod["spec"]["containers"][0]["securityContext"] == container_of(workload)["securityContext"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert component_of(workload)
