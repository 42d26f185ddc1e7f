"""Every knob of a training run, under the name Hugging Face gives it, with its meaning and its limits."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.devices import choose_device, choose_precision
from lab.errors import BakeoffError
from lab.settings import LARGEST_SEED

Method = Literal["full", "lora", "probe"]
Scheduler = Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"]
ClassWeights = Literal["none", "balanced"]
Metric = Literal["accuracy", "macro_f1", "loss"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]

LORA_RATE = 1e-3  # at the default of full fine-tuning adapters learn nothing: docs/knobs/method.md
PROBE_HEEDS = ("method", "max_length", "seed", "device")


class Hyperparameters(BaseModel):
    """The settings of one training run; the defaults reach 80.7 % on the test tweets with the embedded MiniLM."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    method: Annotated[
        Method, Field(description="full fine-tuning, lora adapters, or a probe on frozen embeddings.")
    ] = "full"
    learning_rate: Annotated[float, Field(gt=0, le=1, description="AdamW's highest step size; of lora 0.001.")] = 1e-4
    batch_size: Annotated[int, Field(ge=1, description="Examples per step on the device.")] = 16
    num_train_epochs: Annotated[float, Field(gt=0, description="Passes over the data; 0.25 is a quarter.")] = 4.0
    weight_decay: Annotated[float, Field(ge=0, le=1, description="AdamW's decoupled L2 penalty.")] = 0.01
    warmup_steps: Annotated[int, Field(ge=0, description="Steps from zero to the full learning rate.")] = 0
    warmup_ratio: Annotated[float, Field(ge=0, lt=1, description="The same as a share of all steps.")] = 0.1
    gradient_accumulation_steps: Annotated[int, Field(ge=1, description="Batches per optimizer step.")] = 1
    lr_scheduler_type: Annotated[Scheduler, Field(description="How the learning rate falls.")] = "linear"
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="Share of each target spread over all labels.")] = (
        0.0
    )
    max_grad_norm: Annotated[float, Field(gt=0, description="Gradients are clipped to this length.")] = 1.0
    class_weights: Annotated[ClassWeights, Field(description="balanced: rare labels count more.")] = "none"
    max_length: Annotated[int, Field(ge=8, le=8192, description="Longest text in tokens; the rest is cut.")] = 128
    freeze_embeddings: Annotated[bool, Field(description="Leave the word vectors as they are.")] = True
    lora_rank: Annotated[int, Field(ge=1, le=256, description="Rank of the adapters of --method lora.")] = 8
    eval_steps: Annotated[int, Field(ge=0, description="Validate every so many steps; 0 is four times a run.")] = 0
    save_steps: Annotated[int, Field(ge=0, description="Checkpoint every so many steps; 0 is at each validation.")] = 0
    early_stopping_patience: Annotated[
        int, Field(ge=0, description="Stop after so many validations without gain; 0 is never.")
    ] = 5
    metric_for_best_model: Annotated[Metric, Field(description="What the best checkpoint is best in.")] = "accuracy"
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED, description="Seeds initial weights, shuffling and dropout.")] = 0
    precision: Annotated[Precision, Field(description="Of the forward pass; auto asks the processor.")] = "auto"
    device: Annotated[Device, Field(description="Where to train; auto takes the fastest there is.")] = "auto"

    @classmethod
    def checked(cls, **knobs: object) -> "Hyperparameters":
        """Make hyper-parameters of `knobs`; those that are None keep their default.

        Raises:
            BakeoffError: an unknown knob, or a value outside its limits; names both.
        """
        try:
            return cls.model_validate({name: value for name, value in knobs.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name, value = str(first["loc"][0]), first["input"]
            fix = f"--{name.replace('_', '-')} takes: {cls._meaning(name)}"
            raise BakeoffError(f"a usable {name} ({first['msg'].lower()})", str(value), fix) from None

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, knobs: Any) -> Any:
        """Give lora a learning rate of its own, and take a lone warmup_steps of 0 at its word."""
        if not isinstance(knobs, dict):
            return knobs
        meant = {"learning_rate": LORA_RATE} if knobs.get("method") == "lora" else {}
        if str(knobs.get("warmup_steps")) == "0":
            meant["warmup_ratio"] = 0.0
        return meant | knobs

    def told(self) -> dict[str, Any]:
        """Return what must be said to get these knobs: the method, and what is not as usual with it."""
        usual = self._usual() | {"method": "full"}
        return {name: value for name, value in self.model_dump().items() if value != usual[name]}

    def ignored(self) -> list[str]:
        """Return the knobs that are not as usual and that the method does nothing with."""
        heeded = set(self._usual()) - {"lora_rank" if self.method == "full" else "freeze_embeddings"}
        return [name for name in self.told() if name not in (PROBE_HEEDS if self.method == "probe" else heeded)]

    def heeded(self) -> Self:
        """Return the same with the knobs that the method ignores as usual: they change nothing."""
        usual = self._usual()
        return self.model_copy(update={name: usual[name] for name in self.ignored()})

    def remarks(self) -> list[str]:
        """Return what a user may not expect of these knobs, in words."""
        lines = []
        if ignored := self.ignored():
            lines.append(f"the method {self.method} ignores {', '.join(ignored)}")
        if self.method == "lora" and self.learning_rate == LORA_RATE:
            lines.append(f"learning_rate {LORA_RATE:g}, the default of lora; --learning-rate sets another")
        return lines

    def resolved(self) -> Self:
        """Return the same with the device and precision this machine gives, which decide the weights too.

        Raises:
            BakeoffError: the device asked for is not there.
        """
        device = choose_device(None if self.device == "auto" else self.device)
        precision = choose_precision(device, None if self.precision == "auto" else self.precision)
        return self.model_copy(update={"device": device, "precision": str(precision).removeprefix("torch.")})

    def _usual(self) -> dict[str, Any]:
        """Return the defaults of this method."""
        return Hyperparameters(method=self.method).model_dump()

    @classmethod
    def _meaning(cls, name: str) -> str:
        field = cls.model_fields.get(name)
        known = ", ".join(cls.model_fields)
        return str(field.description) if field else f"nothing, it is unknown; the knobs are {known}"
