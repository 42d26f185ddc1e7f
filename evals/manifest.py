"""What a run was made of: enough to run it again, and to say what differs when the answers do."""

import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from evals.suite import READ_BY, ApproachName, Arm, Suite, recorded_suite
from lab.devices import choose_device, choose_precision
from lab.embeddings import EMBEDDED_MINILM
from lab.errors import BakeoffError
from lab.llm.weights import EMBEDDED
from lab.settings import Settings, settings
from lab.workspace import folder_fingerprint

SCHEMA = 2
DECIDING = ("embeddings", "device", "precision", "router")  # the settings outside the suite that can change an answer
PACKAGES = (
    "bakeoff",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "sentence-transformers",
    "chromadb",
    "datasketch",
    "langchain-core",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "numpy",
)
EMBEDS_NOTHING = {"majority", "zero_shot", "linear_probe", "finetuned", "native"}
UNCOMPARED = {
    "schema",
    "started",
    "suite_folder",
    "settings.home",
    "settings.cache",
    "suite.name",
    "suite.description",
    "suite.budgets",
}


def run_manifest(
    suite: Suite, data: Mapping[str, Any], seeds: Sequence[int] = (), limit: str | None = None
) -> dict[str, Any]:
    """Return the manifest of a run that is about to begin, with every setting but the secrets.

    Args:
        suite: what is run.
        data: facts about the data, its fingerprint among them.
        seeds: of the repeats, in order; none stands for the suite's own.
        limit: as the user gave it.
    """
    device = choose_device()
    return {
        "schema": SCHEMA,
        "suite": suite.model_dump(mode="json"),
        "suite_folder": suite.arms[0].folder or None,
        "limit": limit,
        "seeds": list(seeds) or [suite.seed],
        "dataset": dict(data),
        "models": {name: model_fingerprint(name) for name in sorted({n for arm in suite.arms for n in _models(arm)})},
        "own_code": own_code(suite),
        "settings": public_settings() | deciding_settings(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "device": device,
            "precision": str(choose_precision(device)).removeprefix("torch."),
        },
        "packages": {name: version(name) for name in PACKAGES},
        "revision": _revision(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def deciding_settings() -> dict[str, Any]:
    """Return the settings outside the suite that can change an answer; a run's id depends on them."""
    chosen = settings().model_dump(mode="json", include=set(DECIDING))
    address = urlsplit(settings().openai_base_url or "")
    server = f"{address.hostname or ''}:{address.port or ''}{address.path}"  # neither a password nor a query
    return chosen | {"openai_server": server if address.hostname else None}


def own_code(suite: Suite) -> dict[str, str | None]:
    """Return a fingerprint of each class of the user's own: edited code is another approach.

    None stands for one that cannot be found, which fails its arm alone.
    """
    return {arm.approach: _code(arm) for arm in suite.arms if _is_own(arm)}


def public_settings() -> dict[str, Any]:
    """Return every setting that is no secret; of an address only what names the server, for the rest may be a key."""
    secret = {name for name, field in Settings.model_fields.items() if SecretStr in _types(field.annotation)}
    chosen = settings().model_dump(mode="json", exclude=secret)
    return {name: _bare(value) if isinstance(value, str) else value for name, value in chosen.items()}


def model_fingerprint(name: str) -> str:
    """Return what stands for a base model's weights.

    Args:
        name: "embedded:…" gives the package that holds the weights, as name==version; a local folder gives the
            SHA-256 of its files (16 hex digits); anything else is known by its name alone.
    """
    if name in ("embedded:minilm", "embedded:minilm-3"):
        return _installed(EMBEDDED_MINILM[1])
    provider, _, model = name.partition(":")
    if provider == "embedded" and model in EMBEDDED:
        return ", ".join(_installed(requirement) for _, requirement, _ in EMBEDDED[model].parts)
    folder = Path(name)
    return f"sha256:{folder_fingerprint(folder)}" if folder.is_dir() else name


@dataclass(frozen=True)
class Difference:
    """Something that two manifests say differently, by its path in them ("packages.torch")."""

    what: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.what}: {self.before} -> {self.after}"


def manifest_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what two manifests say differently; what only one of them tells is no difference."""
    old, new = dict(_leaves(_by_arm(before))), dict(_leaves(_by_arm(after)))
    told = old.keys() & new.keys() - UNCOMPARED
    if old["schema"] != new["schema"]:
        told -= {"dataset.fingerprint"}  # it was taken of something else then
    return [Difference(what, old[what], new[what]) for what in sorted(told) if old[what] != new[what]]


def _models(arm: Arm) -> list[str]:
    """Return the names of the base models that an arm loads; of a class of the user's own, those it may."""
    trains, embeds = arm.approach in READ_BY["base"] or _is_own(arm), arm.approach not in EMBEDS_NOTHING
    named = [(arm.llm, arm.llm is not None), (arm.base, trains), (settings().embeddings, embeds)]
    return [name for name, used in named if name and used]


def _is_own(arm: Arm) -> bool:
    return arm.approach not in get_args(ApproachName)


def _code(arm: Arm) -> str | None:
    from evals.approaches.own import own_code

    try:
        return own_code(arm)
    except BakeoffError:
        return None


def _installed(requirement: str) -> str:
    """Return "name==version" of what is installed, else of the pinned package that is fetched in its place."""
    name = requirement.partition("==")[0]
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return requirement


def _types(annotation: Any) -> tuple[Any, ...]:
    return (annotation, *get_args(annotation))


def _bare(value: str) -> str:
    """Return an address without user, password and query, which may carry keys; other texts as they are."""
    address = urlsplit(value)
    if not (address.scheme and address.netloc):
        return value
    port = f":{address.port}" if address.port else ""
    return f"{address.scheme}://{address.hostname or ''}{port}{address.path}"


def _by_arm(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with its suite's arms under their keys, so that arms in another order are the same."""
    suite = recorded_suite(manifest)
    arms = {arm.key: arm.model_dump() for arm in suite.arms}
    return {**manifest, "suite": {**manifest["suite"], "arms": arms}}


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _revision() -> str | None:
    """Return the git revision of the code that runs, "-dirty" if it was edited since; None outside its checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    tracked = ["ls-files", "--error-unmatch", Path(__file__).name]  # else it is the checkout of something around us
    try:
        subprocess.run([*git, *tracked], capture_output=True, check=True)
        command = [*git, "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
