"""A suite: a dataset, the approaches to compare and how, in a YAML file that a user can copy."""

from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune import Hyperparameters
from lab.errors import BakeoffError
from lab.llm import canonical_name
from lab.settings import settings

ApproachName = Literal["majority", "zero_shot", "knn", "rag", "linear_probe", "finetuned"]
USES_LLM = ("zero_shot", "rag")
PLAIN_INSTRUCTION = "Label each text as {labels}. Answer with the label alone."


class Arm(BaseModel):
    """One approach of the experiment, with its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approach: ApproachName
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/-]*$")
    llm: str | None = None
    k: int = Field(default=8, ge=1, le=100)
    base: str = "embedded:minilm"
    hyperparameters: Hyperparameters = Hyperparameters()

    @property
    def key(self) -> str:
        """Return the arm's name in flags and records: its own, or like "finetuned", "rag@embedded:smollm2"."""
        return self.name or (f"{self.approach}@{self.llm}" if self.llm else self.approach)


class Suite(BaseModel):
    """Everything that decides what a run measures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = ""
    dataset: str = "tweets"
    text_column: str = "text"
    label_column: str = "label"
    instruction: str = PLAIN_INSTRUCTION
    budgets: str = ""
    seed: int = Field(default=0, ge=0)
    latency_sample: int = Field(default=20, ge=0, le=1000)
    reference: str = "finetuned"
    arms: tuple[Arm, ...] = Field(min_length=1)

    @property
    def reference_key(self) -> str | None:
        """Return the key of the arm the others are compared with: the first of that name or approach."""
        return next((arm.key for arm in self.arms if self.reference in (arm.key, arm.approach)), None)

    def with_llm(self, llm: str) -> "Suite":
        """Return the suite with `llm` in every arm that needs one and names none; arms that become equal are one.

        Raises:
            BakeoffError: two different arms have the same name.
        """
        arms = [
            arm.model_copy(update={"llm": canonical_name(arm.llm or llm) if arm.approach in USES_LLM else None})
            for arm in self.arms
        ]
        unique: dict[str, Arm] = {}
        for arm in arms:
            if unique.setdefault(arm.key, arm) != arm:
                raise BakeoffError("arms of different names", f"two called '{arm.key}'", "give one a name: field")
        return self.model_copy(update={"arms": tuple(unique.values())})

    def only(self, wanted: list[str], skipped: list[str]) -> "Suite":
        """Return the suite with the arms named `wanted` (all, if empty) but not those `skipped`.

        Raises:
            BakeoffError: a name fits no arm, or none is left.
        """
        known = [arm.key for arm in self.arms] + [arm.approach for arm in self.arms]
        for name in (*wanted, *skipped):
            if name not in known:
                raise BakeoffError(
                    f"an arm among {', '.join(a.key for a in self.arms)}", f"'{name}'", "name one of these"
                )
        arms = tuple(
            arm
            for arm in self.arms
            if (not wanted or {arm.key, arm.approach} & set(wanted)) and not {arm.key, arm.approach} & set(skipped)
        )
        if not arms:
            raise BakeoffError("at least one arm to run", "none", "skip fewer of them")
        return self.model_copy(update={"arms": arms})


def load_suite(name: str, llm: str | None = None) -> Suite:
    """Return the built-in suite called `name`, or the one in the YAML file at that path.

    Args:
        name: of the suite, or a path that ends in .yaml.
        llm: the base LLM of the arms that name none; None takes the settings'.

    Raises:
        BakeoffError: there is no such suite, or the file is not one; names the first field that is wrong.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else Path(str(files("evals"))) / "suites" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in (Path(str(files("evals"))) / "suites").glob("*.yaml")))
        raise BakeoffError(f"a suite among {known}, or a YAML file", f"'{name}'", "choose one, or copy and edit one")
    try:
        suite = Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BakeoffError(
            f"a suite in {path.name}", _first(error), "compare it with bakeoff's sentiment.yaml"
        ) from None
    suite = suite.with_llm(llm or settings().llm)
    if suite.reference_key is None:
        known = ", ".join(arm.key for arm in suite.arms)
        raise BakeoffError(f"a reference among {known}", f"'{suite.reference}'", f"correct reference: in {path.name}")
    return suite


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    return " ".join(str(error).split())[:200]
