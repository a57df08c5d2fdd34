"""What the chart pulls is what the Containerfile makes."""

import re
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPONENTS = {"contractApi", "consensusNode", "carrierGateway", "paymentGateway", "settlement", "sandbox"}


def test_every_image_of_the_chart_is_a_target_of_the_containerfile():
    values = yaml.safe_load((DEPLOY / "k8s/charts/smart-payment-service/values.yaml").read_text())
    pulled = {name: part["image"]["repository"] for name, part in values.items() if name in COMPONENTS}
    made = set(
        re.findall(r"^FROM runtime AS (\S+)$", (DEPLOY / "images/Containerfile").read_text(), re.MULTILINE)
    )
    assert set(pulled) == COMPONENTS
    assert set(pulled.values()) <= made
