# SPDX-License-Identifier: Apache-2.0
"""The house keeps its floors: imports go down only, and the process that serves pages never loads torch."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.serving import serving, signed_in
from tests.support.tiny_home import PASSWORD, make_tiny_home
from tests.support.tiny_model import make_tiny_model

FLOORS = {
    "data": set(),
    "labeling": {"data"},
    "reward": {"labeling", "data"},
    "rlhf": {"reward", "labeling", "data"},
    "app": {"rlhf", "reward", "labeling", "data"},
}
MODELS = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "safetensors"}
THIRD_PARTY = {
    "data": {
        "pydantic",
        "pydantic_core",
        "sqlite_utils",
        "numpy",
        "psutil",
        "charset_normalizer",
        "tokenizers",
        "pyarrow",
        "huggingface_hub",
        "httpx",
    },
    "labeling": {
        "authlib",
        "fastapi",
        "httpx",
        "prometheus_client",
        "pydantic",
        "pydantic_core",
        "joserfc",
        "numpy",
        "starlette",
        "markdown_it",
        "mdit_py_plugins",
        "latex2mathml",
        "nh3",
    },
    "reward": MODELS | {"numpy", "jinja2", "psutil"},
    "rlhf": MODELS
    | {"numpy", "httpx", "pydantic", "uvicorn", "h11", "pyarrow", "sklearn", "scipy", "sentence_transformers"}
    | {"tokenizers", "yaml"},
    "app": {"sqlite_utils"},
}
PAGES = {"gradio", "pandas", "starlette", "fastapi"}
TORCHLESS = {"settings", "commands", "run_commands", "settings_help", "kinds", "launch", "preflight", "supervisor"} | {
    "locks",
    "first_start",
    "page",
    "pages",
}
# Packages and single modules of each layer, lowest first: a line imports only lines above it, names on one line may import each other downwards in order.
ORDER = """
data.version data.texts data.errors data.clock data.splits data.ids data.intervals data.settings data.records data.logs
data.json_text data.thoughts data.turns
data.watched_loop
data.sqlite.schema data.sqlite
data.tables
data.store
data.formats data.selection data.starter data.everyday
data.run_context data.views
data.maintenance
data.transfer
data.command_help data.cli data.audit_commands data.store_commands data.commands
labeling.texts
labeling.quality
labeling.queue
labeling.session
labeling.http
labeling.accounts
labeling.simulate
labeling.page labeling.rating labeling.writing
labeling.api
labeling.projects labeling.commands
reward.placement_settings reward.training_settings reward.optional_packages reward.model_shape reward.memory_estimate
reward.gpu_need reward.prompt_parts reward.labels reward.settings reward.roles reward.protocol
reward.base
reward.heads
reward.about reward.member reward.model
reward.report
reward.training
reward.page
reward.commands
rlhf.garbage rlhf.settings rlhf.kinds rlhf.presets
rlhf.common
rlhf.models
rlhf.sampling
rlhf.probe
rlhf.ppo rlhf.online
rlhf.methods
rlhf.evaluation
rlhf.clinic
rlhf.scoring rlhf.runs
rlhf.packed_base rlhf.model_card rlhf.export rlhf.merge rlhf.model_runs rlhf.starter rlhf.tour
rlhf.playground
rlhf.pages
rlhf.settings_help
rlhf.shell_completion
rlhf.run_commands rlhf.commands
app
""".split()  # noqa: SIM905 (one package order per line)
FACES = {"data", "labeling", "reward", "rlhf"}  # each layer's own __init__, which names what lies above it


def files() -> list[Path]:
    return [ROOT / "app.py", *(path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py")))]


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def is_page(path: Path) -> bool:
    return path.name in ("page.py", "view.py") or "pages" in path.parts


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Top names of everything a file imports, inside functions too; those of the module's own level with `top_level`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_floor_may(path):
    floor = floor_of(path)
    allowed = FLOORS[floor] | {floor} | THIRD_PARTY[floor] | (PAGES if is_page(path) else set())
    assert imports(path) <= allowed


@pytest.mark.parametrize(
    "path", [path for path in files() if TORCHLESS & {path.stem, *path.relative_to(ROOT).parts}], ids=str
)
def test_settings_commands_and_pages_do_not_load_models_by_themselves(path):
    assert not imports(path, top_level=True) & MODELS


def module_of(path: Path) -> str:
    """The dotted name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    """The entry of ORDER that holds a module."""
    parts = module.split(".")
    return next(name for length in (3, 2, 1) if (name := ".".join(parts[:length])) in ORDER)


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """The modules of this project that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
    return found & modules - FACES


def test_every_file_belongs_to_a_package_of_the_order():
    modules = {module_of(path) for path in files()} - FACES
    assert {package_of(module) for module in modules} == set(ORDER)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_packages_below_it(path):
    modules = {module_of(each) for each in files()}
    if module_of(path) in FACES:
        return
    place = ORDER.index(package_of(module_of(path)))
    above = {module for module in imported_modules(path, modules) if ORDER.index(package_of(module)) > place}
    assert above == set()


def test_no_folder_holds_more_python_files_than_a_reader_can_scan():
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "__pycache__" not in path.parts]
    counts = Counter(path.parent for path in [*files(), *tests])
    roomy = {ROOT / "data" / "tables", ROOT / "rlhf" / "pages"}
    assert {folder: count for folder, count in counts.items() if count > (42 if folder in roomy else 20)} == {}


def test_the_entrance_stays_small():
    assert len((ROOT / "app.py").read_text().splitlines()) < 150


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs Linux: looks at what the server's process has mapped"
)
def test_the_server_opens_every_page_without_torch(tmp_path):
    make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"), pairs=2).close()
    with serving(tmp_path / "home") as server:
        client = signed_in(server, "rae", PASSWORD)
        for page in ("/train/", "/label/", "/train/config", "/label/config", "/healthz"):
            assert client.get(page).status_code == 200
        calls = looks(client)
        assert len(calls) >= len(page_names())
        for call in calls:
            assert client.post("/train/gradio_api/run/predict", json=call).status_code == 200
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "sqlite" in mapped
    assert "libtorch" not in mapped


def page_names() -> list[str]:
    from rlhf.pages.train import PAGES

    return list(PAGES)


def looks(client) -> list[dict]:
    """A call of every handler that reads the store when its page is opened, with what the browser then sends."""
    config = client.get("/train/config").json()
    openers, given = set(), {}
    for part in config["components"]:
        if (part["props"].get("elem_id") or "").startswith(("look-", "open-")):
            openers.add(part["id"])
        given[part["id"]] = part["props"].get("value") or ("" if part["type"] == "textbox" else None)
    return [
        {"fn_index": handler["id"], "session_hash": "test", "data": [given[id] for id in handler["inputs"]]}
        for handler in config["dependencies"]
        if openers & {id for id, _ in handler["targets"]}
    ]


def test_the_picture_of_the_architecture_is_that_of_the_imports():
    from docs.architecture import PICTURE, picture

    assert PICTURE.read_text(encoding="utf-8") == picture(), "run: make architecture"
