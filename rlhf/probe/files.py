# SPDX-License-Identifier: Apache-2.0
"""The files of a model folder, read without torch: the class it names, and whether its weights are all there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.errors import BadInput

INDEX = "model.safetensors.index.json"
CONVERT = (
    "Convert them with transformers: "
    "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER), in a place that you trust with pickles."
)
ANOTHER = "Give the folder of a causal language model, such as Llama, Qwen, Gemma or GPT-2."
GENERATING = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def check_class(folder: Path) -> str:
    """Return the class that config.json names. Raises BadInput if it does not generate text from left to right."""
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise BadInput(
                "this is a LoRA adapter without its base",
                "Import it: preference-loop import FOLDER --as policy",
                file=str(folder),
            )
        raise BadInput("there is no config.json", ANOTHER, file=str(folder))
    config = read_json(folder / "config.json")
    names = config.get("architectures") or []
    kind = config.get("model_type") or "unknown"
    if config.get("is_encoder_decoder"):
        raise BadInput(f"{_first(names, kind)} is an encoder-decoder, no causal language model", ANOTHER)
    if names and not any(name.endswith(GENERATING) for name in names):
        raise BadInput(f"{_first(names, kind)} does not generate text: its output layer is another one", ANOTHER)
    return f"{_first(names, kind)} ({kind})"


def check_files(folder: Path) -> str:
    """Return the number and size of the weight files. Raises BadInput for pickled, missing or cut ones."""
    files = sorted(folder.glob("*.safetensors"))
    if (folder / INDEX).is_file():
        named = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        lost = [name for name in named if not (folder / name).is_file()]
        if lost:
            raise BadInput(f"weight files are missing: {', '.join(lost[:3])}", "Download the model again.")
        files = [folder / name for name in named]
    if not files:
        pickled = [path.name for path in sorted(folder.glob("*.bin"))]
        if pickled:
            raise BadInput(f"the weights are pickled ({pickled[0]}), which can run code when loaded", CONVERT)
        raise BadInput("the folder holds no *.safetensors weights", "Save the model as safetensors.", file=str(folder))
    for path in files:
        check_length(path)
    size = sum(path.stat().st_size for path in files)
    return f"{len(files)} safetensors {'files' if len(files) > 1 else 'file'}, {size / 1e6:,.1f} MB"


def check_length(path: Path) -> None:
    """Raise BadInput if a safetensors file is shorter or longer than its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(start)) if start < size else None
        except ValueError:
            header = None
    if not isinstance(header, dict):
        raise BadInput("this is no safetensors file", "Download the file again.", file=str(path))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    expected = 8 + start + max(ends, default=0)
    if size != expected:
        raise BadInput(
            f"the file has {size:,} bytes, its header says {expected:,}", "Download the file again.", file=str(path)
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file. Raises BadInput if there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"cannot be read: {problem}", "Save the model again.", file=str(path)) from None
    if not isinstance(document, dict):
        raise BadInput("this is not a JSON object", "Save the model again.", file=str(path))
    return document


def _first(names: list[str], kind: str) -> str:
    return names[0] if names else kind
