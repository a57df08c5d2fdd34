"""`sps tools manifests`: the chart rendered to plain files, for people without Helm; a test compares them."""

import subprocess
from pathlib import Path
from typing import Final

from sps.runtime.errors import Trouble
from sps_cli.documents.chart_files import CHART
from sps_cli.tools.go_tools import HELM_4, KUBERNETES, tool_path

MANIFESTS: Final = Path("deploy", "k8s", "manifests")
MODULES: Final = Path("deploy", "tools")
RELEASE: Final = "sps"
RENDER_S: Final = 60.0
APIS: Final = (
    "kafka.strimzi.io/v1",
    "postgresql.cnpg.io/v1",
    "external-secrets.io/v1",
    "monitoring.coreos.com/v1",
)
"""What a cluster has to know for all values files together."""
HEAD: Final = "# Built from the chart and ci/{name}-values.yaml by `make manifests`. Do not edit.\n"


def write_manifests(root: Path) -> int:
    """Render every values file of the chart in this repository; says what it wrote."""
    for path in sorted((root / CHART / "ci").glob("*-values.yaml")):
        name = path.name.removesuffix("-values.yaml")
        target = root / MANIFESTS / f"{name}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(manifest(root, name), encoding="utf-8")
        print(f"written {target}")
    return 0


def manifest(root: Path, name: str, *more: str) -> str:
    """The text of one. Without the pod of `helm test`, and without dashboards, which are files of their own.

    Refusal `TOOL_MISSING`; Trouble when Helm refuses.
    """
    chart = root / CHART
    words = [
        "template",
        RELEASE,
        str(chart),
        "--values",
        str(chart / "ci" / f"{name}-values.yaml"),
        "--skip-tests",
    ]
    words += ["--kube-version", KUBERNETES, "--set", "monitoring.dashboards.enabled=false", *more]
    words += [word for api in APIS for word in ("--api-versions", api)]
    helm = str(tool_path(HELM_4, root / MODULES))
    done = subprocess.run([helm, *words], capture_output=True, text=True, timeout=RENDER_S, check=False)  # noqa: S603 our own words
    if done.returncode:
        raise Trouble(f"Helm did not render {name}:\n{done.stderr}")
    return HEAD.format(name=name) + done.stdout
