# SPDX-License-Identifier: Apache-2.0
"""The container starts a command that the app knows; lock file and workflow fit the requirements and the supported Pythons."""

from __future__ import annotations

import json
import re
import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.printed_commands import parse_line
from tests.support import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PYTHONS = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"])


def requirements(name: str) -> dict[str, list[Requirement]]:
    """Return the requirements of a file by the package's name; one package may stand there once per platform."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if wanted := line.partition("#")[0].strip():
            requirement = Requirement(wanted)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_the_lock_file_pins_every_requirement_within_its_range():
    locked = requirements("requirements.lock")
    outside = {
        name: [str(pin) for pin in locked.get(name, [])]
        for name, [wanted] in requirements("requirements.txt").items()
        if not locked.get(name)
        or not all(wanted.specifier.contains(str(pin.specifier).removeprefix("==")) for pin in locked[name])
    }
    assert outside == {}


def test_every_line_of_the_lock_file_pins_one_version():
    loose = [
        str(pin)
        for pins in requirements("requirements.lock").values()
        for pin in pins
        if pin.specifier and not re.fullmatch(r"==[^,*]+", str(pin.specifier))
    ]
    assert loose == []


def test_the_container_starts_a_server_that_other_machines_reach():
    command = json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    assert json.loads(re.findall(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1]) == ["preference-loop"]
    arguments = parse_line(" ".join(["preference-loop", *command]))
    assert (arguments.host, arguments.port) == ("0.0.0.0", 7860)  # noqa: S104 (inside the container)


def test_compose_keeps_the_home_in_a_volume_and_publishes_the_port_on_loopback_only():
    app = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["app"]
    assert app["volumes"] == ["home:/data"]
    assert "PREFERENCE_LOOP_HOME=/data" in DOCKERFILE
    assert all(port.startswith("127.0.0.1:") and port.endswith(":7860") for port in app["ports"])


def test_the_workflow_tries_every_supported_python():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    supported = [f"3.{minor}" for minor in range(8, 30) if PYTHONS.contains(f"3.{minor}")]
    assert workflow["jobs"]["linux"]["strategy"]["matrix"]["python"] == supported
