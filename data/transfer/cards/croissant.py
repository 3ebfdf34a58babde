# SPDX-License-Identifier: Apache-2.0
"""Croissant 1.0 metadata of an exported folder: files with hashes, and a record set of typed fields for each.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html; data catalogues and `mlcroissant` read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path

from data.clock import now
from data.formats.export.column_types import Structure

Columns = Mapping[str, Structure]

CONFORMS = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The names of the specification."""
ENCODINGS = {"jsonl": "application/jsonlines", "csv": "text/csv", "parquet": "application/x-parquet"}
SCALARS = {"string": "sc:Text", "int64": "sc:Integer", "float64": "sc:Float", "bool": "sc:Boolean"}


def describe_files(folder: Path, name: str, summary: str, files: Sequence[str], columns: Columns) -> str:
    """Return the JSON-LD of a folder's files, each with the same columns. The publisher adds licence and address.

    `columns` are structures by name (`data.formats.export.column_types`).
    """
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": summary,
        "conformsTo": CONFORMS,
        "datePublished": now()[:10],
        "distribution": [_file(folder / file) for file in files],
        **({"recordSet": [_records(file, columns) for file in files]} if columns else {}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file(path: Path) -> dict:
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": ENCODINGS[path.name.removesuffix(".gz").rpartition(".")[2]],
        "sha256": digest,
    }


def _records(file: str, columns: Columns) -> dict:
    split = file.partition(".")[0]
    fields = [_field(f"{split}/{name}", name, structure, file) for name, structure in columns.items()]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _field(id: str, name: str, structure: Structure, file: str) -> dict:
    """Return the field of a column, with a field for each part of an object."""
    source = {"fileObject": {"@id": file}, "extract": {"column": name}}
    field = {"@type": "cr:Field", "@id": id, "name": name}
    element, repeated = (structure[0], True) if isinstance(structure, list) else (structure, False)
    many = {"repeated": True} if repeated else {}
    if isinstance(element, str):
        return field | {"dataType": SCALARS[element]} | many | {"source": source}
    parts = [
        {"@type": "cr:Field", "@id": f"{id}/{path}", "name": path, "dataType": "sc:Text"}
        | {"source": source | {"transform": {"jsonPath": path}}}
        for path in _paths(element)
    ]
    return field | many | {"subField": parts}


def _paths(structure: Structure) -> list[str]:
    """Return the JSON paths of the texts in an object."""
    if isinstance(structure, list):
        return [f"[*].{path}" for path in _paths(structure[0])]
    if isinstance(structure, str):
        return [""]
    return [
        f"{name}.{path}".rstrip(".").replace(".[", "[") for name, part in structure.items() for path in _paths(part)
    ]
