"""The house keeps its floors: imports go down only, and the process that serves pages never loads torch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from serving import serving, signed_in
from tiny import make_tiny_model
from tiny_home import PASSWORD, make_tiny_home

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "data": set(),
    "labeling": {"data"},
    "reward": {"labeling", "data"},
    "rlhf": {"reward", "labeling", "data"},
    "app": {"rlhf", "reward", "labeling", "data"},
}
MODELS = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "safetensors"}
THIRD_PARTY = {
    "data": {"sqlite_utils", "numpy", "psutil", "tokenizers", "pyarrow", "huggingface_hub", "httpx"},
    "labeling": {"authlib", "joserfc", "numpy", "starlette", "markdown_it", "mdit_py_plugins", "latex2mathml", "nh3"},
    "reward": MODELS | {"numpy"},
    "rlhf": MODELS | {"numpy", "matplotlib", "pyarrow", "sklearn", "scipy", "sentence_transformers"},
    "app": {"uvicorn", "sqlite_utils"},
}
PAGES = {"gradio", "pandas", "starlette", "fastapi"}
TORCHLESS = ("settings.py", "ppo_settings.py", "commands.py", "kinds.py", "launch.py", "checks.py", "supervisor.py", "locks.py", "home.py", "page.py")


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


@pytest.mark.parametrize("path", [path for path in files() if path.name in TORCHLESS or "pages" in path.relative_to(ROOT).parts], ids=str)
def test_settings_commands_and_pages_do_not_load_models_by_themselves(path):
    assert not imports(path, top_level=True) & MODELS


def test_the_entrance_stays_small():
    assert len((ROOT / "app.py").read_text().splitlines()) < 150


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux: looks at what the server's process has mapped")
def test_the_server_opens_every_page_without_torch(tmp_path):
    make_tiny_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"), pairs=2).close()
    with serving(tmp_path / "home") as server:
        client = signed_in(server, "rae", PASSWORD)
        for page in ("/train/", "/label/", "/train/config", "/label/config", "/healthz"):
            assert client.get(page).status_code == 200
        for call in looks(client):
            assert client.post("/train/gradio_api/run/predict", json=call).status_code == 200
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "sqlite" in mapped
    assert "libtorch" not in mapped


def page_names() -> list[str]:
    from rlhf.pages.train import PAGES

    return [name for name, _ in PAGES]


def looks(client) -> list[dict]:
    """A call of every page's look at the store, with that page on the screen."""
    config = client.get("/train/config").json()
    given = {each["id"]: each["props"].get("value") or "" for each in config["components"]}
    calls = []
    for each in config["dependencies"]:
        places = [f"#{name}" for name in page_names()] if each["js"] and each["inputs"] else []
        calls += [{"fn_index": each["id"], "session_hash": "test", "data": [place, *(given[id] for id in each["inputs"][1:])]} for place in places]
    return calls
