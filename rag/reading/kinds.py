"""Which kind of document a suffix, or a server's content type, tells of."""

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["markdown", "rst", "plain", "code", "json", "table", "html", "pdf", "docx", "pptx", "xlsx", "parquet"]

# The languages that langchain-text-splitters cuts at functions and classes, by suffix.
LANGUAGES = {
    ".c": "c",
    ".cc": "cpp",
    ".cob": "cobol",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".cxx": "cpp",
    ".ex": "elixir",
    ".exs": "elixir",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".java": "java",
    ".js": "js",
    ".jsx": "js",
    ".kt": "kotlin",
    ".lua": "lua",
    ".mjs": "js",
    ".php": "php",
    ".pl": "perl",
    ".proto": "proto",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sol": "sol",
    ".swift": "swift",
    ".tex": "latex",
    ".ts": "ts",
    ".tsx": "ts",
}
OTHER_CODE = ".bash .cfg .clj .css .dart .erl .ini .jl .sass .scss .sh .sql .svelte .toml .vue .xml .yaml .yml .zig"
KINDS: dict[str, Kind] = {
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".txt", ".text", ".log"), "plain"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".csv", ".tsv", ".jsonl"), "table"),
    **dict.fromkeys((*LANGUAGES, *OTHER_CODE.split()), "code"),
    ".rst": "rst",
    ".json": "json",
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
}
OFFICE = "application/vnd.openxmlformats-officedocument."
CONTENT_TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/x-rst": ".rst",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/pdf": ".pdf",
    f"{OFFICE}wordprocessingml.document": ".docx",
    f"{OFFICE}presentationml.presentation": ".pptx",
    f"{OFFICE}spreadsheetml.sheet": ".xlsx",
}
WRITTEN: set[Kind] = {"markdown", "rst", "plain", "code", "json", "table"}  # files that a text editor shows as they are


def kind_of(suffix: str) -> Kind | None:
    """Return the kind of document that a file's suffix tells of; None if there is no reader for it."""
    return KINDS.get(suffix.lower())


def suffix_of(content_type: str, path: str) -> str | None:
    """Return the suffix for what a server sends: text/plain may be any written kind, which the address's path tells.

    None if there is no reader for it.
    """
    if content_type in CONTENT_TYPES:
        return CONTENT_TYPES[content_type]
    if content_type in ("text/plain", "application/octet-stream", "binary/octet-stream"):
        suffix = PurePosixPath(path).suffix.lower()
        if kind_of(suffix) and (content_type != "text/plain" or kind_of(suffix) in WRITTEN):
            return suffix
    return ".txt" if content_type.startswith("text/") else None
