"""Prices of base LLMs: a dated, sourced list that users override model by model; what is not in it is unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.errors import BakeoffError
from lab.llm import canonical_name
from lab.workspace import Workspace

FILE = "prices.yaml"

_Usd = Annotated[float, Field(ge=0)]


class Price(BaseModel):
    """What a model's tokens cost, in USD per million, as `source` said on the day `as_of`.

    A model that is `billed` by seconds runs on this machine: its tokens are free, its seconds are not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    input: _Usd
    output: _Usd
    as_of: Annotated[date, Field(strict=False)]
    source: str = Field(min_length=1)
    billed: Literal["tokens", "seconds"] = "tokens"
    note: str = ""

    @model_validator(mode="after")
    def _billed_once(self) -> Self:
        if self.billed == "seconds" and (self.input or self.output):
            raise ValueError("a model billed by seconds has tokens at 0")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    models: dict[str, Price]


@dataclass(frozen=True)
class PriceList:
    """Prices by model name; a name that ends in * stands for all that begin so."""

    models: Mapping[str, Price]

    def of(self, llm: str) -> Price | None:
        """Return the price of the model, by the longest name that fits; None where it is unknown."""
        if llm in self.models:
            return self.models[llm]
        fitting = [name for name in self.models if name.endswith("*") and llm.startswith(name[:-1])]
        return self.models[max(fitting, key=len)] if fitting else None


def load_prices(own: Path | None = None) -> PriceList:
    """Return Bakeoff's prices, overridden by the workspace's prices.yaml, the current folder's, and the file `own`.

    Raises:
        BakeoffError: a file is not there or is no list of prices; names the first field that is wrong.
    """
    if own is not None and not own.is_file():
        raise BakeoffError("a YAML file with prices", f"'{own}', which is not there", "correct --prices")
    paths = [path for path in (Workspace.current().home / FILE, Path(FILE)) if path.is_file()]
    models: dict[str, Price] = {}
    for path in (Path(str(files("lab"))) / FILE, *paths, *([own] if own else [])):
        models |= _read(path)
    return PriceList(models)


def _read(path: Path) -> dict[str, Price]:
    try:
        listed = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).models
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise BakeoffError(f"prices in {path}", f"{field}: {first['msg'].lower()}", "correct that field") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BakeoffError(f"prices as YAML in {path}", " ".join(str(error).split())[:200], "correct it") from None
    return {canonical_name(name): price for name, price in listed.items()}
