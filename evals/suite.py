"""A suite: a dataset, the approaches to compare and how, in a YAML file that a user can copy."""

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from finetune import Hyperparameters
from lab.errors import BakeoffError
from lab.llm import canonical_name
from lab.settings import LARGEST_SEED, settings

ApproachName = Literal[
    "majority",
    "zero_shot",
    "knn",
    "rag",
    "linear_probe",
    "finetuned",
    "hybrid",
    "agent",
    "team",
    "closed_book",
    "dense",
    "bm25",
    "fused",
    "reranked",
    "router",
    "native",
]
Order = Literal["nearest_last", "nearest_first", "random"]
Retrieval = Literal["dense", "fused"]
Calibration = Literal["none", "content_free", "batch"]
UpdateBy = Literal["retrain", "continue"]
Form = Literal["cascade", "stacked"]
USES_LLM = ("zero_shot", "rag", "hybrid", "agent", "team", "closed_book", "native")
ENTRY_POINTS = "bakeoff.approaches"
OWN_CLASS = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"  # module:Class
_RETRIEVES, _PROMPTS, _TRAINS = {"rag", "hybrid"}, {"zero_shot", "rag", "hybrid"}, {"finetuned", "hybrid", "agent"}
READ_BY = {  # a knob that an approach does not read is refused: it would look as if it had an effect
    "llm": {*USES_LLM, "own"},
    "k": {"knn", *_RETRIEVES},
    "order": _RETRIEVES,
    "diversity": _RETRIEVES,
    "retrieval": _RETRIEVES,
    "calibration": _PROMPTS,
    "validation_texts": _PROMPTS,
    "base": {"linear_probe", *_TRAINS},
    "hyperparameters": {"linear_probe", *_TRAINS},
    "least_steps": _TRAINS,
    "update_by": _TRAINS,
    "refit": {"finetuned"},
    "form": {"hybrid"},
    "reranker": {"reranked"},
    "options": {"own"},
}
ASKING: dict[str, dict[str, set[str]]] = {  # kinds whose texts are questions: their approaches, and what these read
    "knowledge": {"closed_book": {"llm"}, "knn": {"k"}, "rag": {"llm", "k", "order", "diversity", "retrieval"}},
    "retrieval": {"dense": set(), "bm25": set(), "fused": set(), "reranked": {"reranker"}},
    "compound": {"agent": {"llm"}, "team": {"llm"}},
}
ONLY_ASKED = ("closed_book", "team", *ASKING["retrieval"])  # they label no texts
ROUTING = ("router", "native", "majority", "knn", "linear_probe", "finetuned")  # what tells an utterance's tools
Kind = Literal[
    "static",
    "data_efficiency",
    "freshness",
    "portability",
    "robustness",
    "knowledge",
    "retrieval",
    "compound",
    "routing",
]
_Share = Annotated[float, Field(gt=0, lt=1)]
PLAIN_INSTRUCTION = "Label each text as {labels}. Answer with the label alone."


class Arm(BaseModel):
    """One approach of the experiment, with its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approach: str
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/-]*$")
    llm: str | None = None
    k: int = Field(default=8, ge=1, le=100)
    order: Order = "nearest_last"
    diversity: float = Field(default=0.0, ge=0, le=1)
    retrieval: Retrieval = "dense"
    calibration: Calibration = "none"
    validation_texts: int = Field(default=200, ge=10)
    base: str = "embedded:minilm"
    hyperparameters: Hyperparameters = Hyperparameters()
    least_steps: int = Field(default=0, ge=0, le=100_000)
    update_by: UpdateBy = "retrain"
    refit: int = Field(default=0, ge=0, le=16)
    form: Form = "cascade"
    reranker: str = "embedded:minilm"
    options: dict[str, Any] = Field(default_factory=dict)
    _folder: str = PrivateAttr(default="")

    def model_post_init(self, context: Any) -> None:
        """Remember the suite's folder, where a class of the user's own may lie; it decides nothing else."""
        self._folder = str((context or {}).get("folder", ""))

    @field_validator("approach")
    @classmethod
    def _is_known(cls, name: str) -> str:
        named = name in get_args(ApproachName) or re.fullmatch(OWN_CLASS, name)
        if not named and name not in entry_points(group=ENTRY_POINTS).names:  # which takes long to look through
            known = ", ".join(get_args(ApproachName))
            raise ValueError(f"no approach '{name}': use {known}, a class as module:Class, or an entry point's name")
        return name

    @model_validator(mode="after")
    def _reads_its_knobs(self) -> Self:
        kind = self.approach if self.approach in get_args(ApproachName) else "own"
        for knob, readers in READ_BY.items():
            default = type(self).model_fields[knob].get_default(call_default_factory=True)
            if kind not in readers and getattr(self, knob) != default:
                raise ValueError(
                    f"{self.approach} does not read {knob}, leave it out; read by {', '.join(sorted(readers))}"
                )
        return self

    @model_validator(mode="after")
    def _may_be_refitted(self) -> Self:
        if self.refit and (self.update_by == "continue" or self.hyperparameters.method == "probe"):
            told = (
                "starts from weights that know the validation texts" if self.update_by == "continue" else "has no steps"
            )
            raise ValueError(f"refit with what {told}: leave one of them out")
        return self

    @property
    def uses_llm(self) -> bool:
        """Tell whether a base LLM is asked: by an approach that needs one, or by one's own that names one."""
        return self.approach in USES_LLM or (self.llm is not None and self.approach not in get_args(ApproachName))

    @property
    def always_asks(self) -> bool:
        """Tell whether a base LLM is asked for each answer; a hybrid or an agent may do without."""
        return self.uses_llm and self.approach not in ("hybrid", "agent")

    @property
    def is_local(self) -> bool:
        """Tell whether all of it is computed on this machine, by no remote LLM."""
        return self.llm is None or self.llm.startswith("embedded:")

    @property
    def folder(self) -> str:
        """Return the folder of the suite's file; empty for a suite that is not from one."""
        return self._folder

    @property
    def key(self) -> str:
        """Return the arm's name in flags and records: its own, or like "finetuned", "rag@embedded:smollm2"."""
        return self.name or (f"{self.approach}@{self.llm}" if self.llm else self.approach)


class Suite(BaseModel):
    """Everything that decides what a run measures.

    Attributes:
        kind: what the arms live through: learn once (static), growing training data (data_efficiency), data that
            changes (freshness), other base models (portability), texts and labels that get worse (robustness),
            questions over documents (knowledge), the search for their passages alone (retrieval), questions in several
            parts (compound), tools that utterances need (routing).
        repeats: seeds, counted up from `seed`.
        train_limit, test_limit: so many examples of each dataset at most.
        sizes: of the training data, for data_efficiency; all examples are added as the last.
        arrivals: datasets that arrive one after the other, for freshness.
        label_noise: the share of the data's labels that is wrong, as far as that is known: no accuracy beyond it is
            believed. A list: shares of training labels that are made wrong, for robustness.
        documents: what is asked about, for knowledge, retrieval and compound: "handbook", "wikipedia", files, folders.
        quick: fields that `--quick` sets, `hyperparameters` among them for every arm that has some.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = ""
    kind: Kind = "static"
    dataset: str = "tweets"
    text_column: str = "text"
    label_column: str = "label"
    instruction: str = PLAIN_INSTRUCTION
    budgets: str = ""
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    repeats: int = Field(default=1, ge=1, le=100)
    train_limit: int | None = Field(default=None, ge=1)
    test_limit: int | None = Field(default=None, ge=1)
    sizes: tuple[Annotated[int, Field(ge=2)], ...] = ()
    arrivals: tuple[str, ...] = ()
    label_noise: _Share | tuple[_Share, ...] = ()
    documents: tuple[str, ...] = ()
    latency_sample: int = Field(default=20, ge=0, le=1000)
    reference: str = "finetuned"
    arms: tuple[Arm, ...] = Field(min_length=1)
    quick: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        needed = {"data_efficiency": "sizes", "freshness": "arrivals"} | dict.fromkeys(ASKING, "documents")
        if self.kind in needed and not getattr(self, needed[self.kind]):
            raise ValueError(f"a suite of kind {self.kind} needs {needed[self.kind]}")
        if self.documents and self.kind not in ASKING:
            raise ValueError(f"a suite of kind {self.kind} reads no documents, leave them out")
        several: dict[str, tuple[object, ...]] = {
            "sizes": self.sizes,
            "arrivals": (self.dataset, *self.arrivals),
            "label_noise": self.added_noise,
            "documents": self.documents,
        }
        for name, values in several.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} has something twice")
        return self

    @model_validator(mode="after")
    def _answers_as_its_kind_asks(self) -> Self:
        """Check that questions go to approaches that answer them, and labels to those that label."""
        fit = ASKING.get(self.kind, {})
        for arm in self.arms:
            if not fit and arm.approach in ONLY_ASKED:
                use = {"closed_book": "zero_shot", "team": "agent"}.get(arm.approach, "knn")
                raise ValueError(f"{arm.approach} answers questions: in a suite of kind {self.kind} use {use}")
            if not fit or arm.approach not in get_args(ApproachName):
                continue
            if arm.approach not in fit:
                raise ValueError(f"{arm.approach} answers no questions of kind {self.kind}: use {', '.join(fit)}")
            for knob in sorted(READ_BY.keys() - fit[arm.approach]):
                if getattr(arm, knob) != Arm.model_fields[knob].get_default(call_default_factory=True):
                    raise ValueError(
                        f"{arm.approach} does not read {knob} in a suite of kind {self.kind}, leave it out"
                    )
        return self

    @model_validator(mode="after")
    def _refits_where_labels_are_not_counted(self) -> Self:
        """Check that no arm learns from the validation texts where its figures tell of how much it has learned."""
        if self.kind != "static" and any(arm.refit for arm in self.arms):
            raise ValueError(f"refit learns more labels than a suite of kind {self.kind} counts: leave it out")
        return self

    @model_validator(mode="after")
    def _routes_as_its_kind_asks(self) -> Self:
        """Check that utterances go to approaches that can tell their tools, and nothing else to routers."""
        for arm in self.arms:
            if self.kind != "routing" and arm.approach in ROUTING[:2]:
                raise ValueError(f"{arm.approach} tells the tools of utterances: use it in a suite of kind routing")
            if self.kind == "routing" and arm.approach in get_args(ApproachName) and arm.approach not in ROUTING:
                raise ValueError(f"{arm.approach} tells no tools: use {', '.join(ROUTING)}")
            if arm.approach == "native" and (arm.llm or "").startswith("embedded:"):
                raise ValueError(f"native needs an LLM that calls tools, which {arm.llm} cannot")
        return self

    @property
    def known_noise(self) -> float | None:
        """Return the share of wrong labels that the suite states of its data; None where it states none."""
        return self.label_noise if isinstance(self.label_noise, float) else None

    @property
    def added_noise(self) -> tuple[float, ...]:
        """Return the shares of training labels that are made wrong, for robustness."""
        return () if isinstance(self.label_noise, float) else self.label_noise

    @property
    def reference_key(self) -> str | None:
        """Return the key of the arm the others are compared with: the first of that name or approach."""
        return next((arm.key for arm in self.arms if self.reference in (arm.key, arm.approach)), None)

    def with_llm(self, llm: str) -> "Suite":
        """Return the suite with `llm` in every arm that needs one and names none; arms that become equal are one.

        An embedded LLM cannot call tools: with it there is no native arm.

        Raises:
            BakeoffError: two different arms have the same name.
        """
        arms = [
            arm.model_copy(update={"llm": canonical_name(arm.llm or llm) if arm.uses_llm else None})
            for arm in self.arms
            if arm.approach != "native" or not canonical_name(arm.llm or llm).startswith("embedded:")
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


def built_in_suites() -> list[Suite]:
    """Return the suites that come with Bakeoff, by name."""
    return [load_suite(file.stem) for file in sorted(_built_in().glob("*.yaml"))]


def load_suite(name: str, llm: str | None = None, quick: bool = False) -> Suite:
    """Return the built-in suite called `name`, or the one in the YAML file at that path.

    Args:
        name: of the suite, or a path that ends in .yaml.
        llm: the base LLM of the arms that name none; None takes the settings'.
        quick: take the fields under the suite's `quick:`.

    Raises:
        BakeoffError: there is no such suite, or the file is not one; names the first field that is wrong.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _built_in() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _built_in().glob("*.yaml")))
        raise BakeoffError(f"a suite among {known}, or a YAML file", f"'{name}'", "choose one, or copy and edit one")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = {"folder": str(path.parent.resolve())}  # where a class of the user's own may lie
        suite = Suite.model_validate(_quickened(document) if quick else document, context=context)
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BakeoffError(
            f"a suite in {path.name}", _first(error), "compare it with bakeoff's sentiment.yaml"
        ) from None
    suite = suite.with_llm(llm or settings().llm)
    if suite.reference_key is None:
        known = ", ".join(arm.key for arm in suite.arms)
        raise BakeoffError(f"a reference among {known}", f"'{suite.reference}'", f"correct reference: in {path.name}")
    return suite


def recorded_suite(manifest: Mapping[str, Any]) -> Suite:
    """Return the suite that a run's manifest holds, its own classes found where they were.

    Raises:
        BakeoffError: it names what this Bakeoff does not know, as an approach that is no longer installed.
    """
    context = {"folder": manifest.get("suite_folder") or ""}
    try:
        return Suite.model_validate(manifest["suite"], context=context)
    except ValidationError as error:
        fix = "install what the run used, or run its suite again"
        raise BakeoffError("the suite of a run that is kept", _first(error), fix) from None


def _built_in() -> Path:
    return Path(str(files("evals"))) / "suites"


def _quickened(document: Any) -> Any:
    """Return the suite with the fields under `quick:` in place; its hyperparameters go to every arm that has some."""
    if not isinstance(document, dict) or not isinstance(document.get("arms"), list):
        return document  # which is then refused for what it is
    if not isinstance(document.get("quick"), dict):
        raise BakeoffError("a suite with a quick form", "no quick: in it", "leave out --quick, or add the fields")
    changes = dict(document["quick"])
    knobs = changes.pop("hyperparameters", {})
    arms = [
        arm | {"hyperparameters": arm["hyperparameters"] | knobs} if _has_knobs(arm) else arm
        for arm in document["arms"]
    ]
    return document | {"arms": arms} | changes


def _has_knobs(arm: Any) -> bool:
    return isinstance(arm, dict) and isinstance(arm.get("hyperparameters"), dict)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return " ".join(str(error).split())[:200]
