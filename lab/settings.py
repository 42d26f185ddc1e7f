"""One Settings object; a flag beats the environment, then .env, then bakeoff.yaml, then the default."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
import yaml
from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from lab.errors import BakeoffError

LARGEST_SEED = 2**32 - 101  # what NumPy takes, with room for the seeds of a hundred repeats


def _customary(name: str) -> AliasChoices:
    """The name everybody already exports (OPENAI_API_KEY), and ours (BAKEOFF_OPENAI_API_KEY)."""
    return AliasChoices(name, f"bakeoff_{name}")


def _hosts(value: object) -> object:
    """Split "intranet.example, 127.0.0.1:8000" at its commas; from bakeoff.yaml comes a list."""
    hosts = value.split(",") if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple):
        raise ValueError("give hosts, separated by commas")
    names = tuple(name for host in hosts if (name := str(host).strip().lower()))
    if wrong := [name for name in names if set(name) & set("/@*")]:
        raise ValueError(f"'{wrong[0]}' is no host; give hosts such as intranet.example or 127.0.0.1:8000")
    return names


class Settings(BaseSettings):
    """Everything that can be set from outside; keys are secrets and never print."""

    model_config = SettingsConfigDict(
        env_prefix="BAKEOFF_",
        env_file=".env",
        yaml_file="bakeoff.yaml",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    home: Path = Path(".bakeoff")
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("bakeoff"))
    llm: str = "embedded:smollm2"
    embeddings: str = "embedded:minilm"
    chroma_url: str | None = None
    chroma_token: SecretStr | None = None
    reranker: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    router: Literal["auto", "native", "embedded"] = "auto"
    follow_ups: bool = False
    turn_tokens: int = Field(default=50_000, ge=1)
    turn_usd: float | None = Field(default=None, ge=0)
    wikipedia_lang: str = Field(default="en", pattern=r"^[a-z][a-z-]{1,11}$")
    classifier: str | None = None
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    timeout_seconds: float = Field(default=20.0, gt=0)
    concurrency: int = Field(default=4, ge=1, le=64)
    context_tokens: int = Field(default=8192, ge=512)
    usd_per_hour: float | None = Field(default=None, ge=0)
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)] = ()

    openai_api_key: SecretStr | None = Field(default=None, validation_alias=_customary("openai_api_key"))
    openai_base_url: str | None = Field(default=None, validation_alias=_customary("openai_base_url"))
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias=_customary("anthropic_api_key"))
    google_api_key: SecretStr | None = Field(default=None, validation_alias=_customary("google_api_key"))
    hf_token: SecretStr | None = Field(default=None, validation_alias=_customary("hf_token"))
    sweep_storage: SecretStr | None = None
    mcp_token: SecretStr | None = None
    database_url: SecretStr | None = None
    tavily_api_key: SecretStr | None = Field(default=None, validation_alias=_customary("tavily_api_key"))
    tavily_api_base_url: str | None = Field(default=None, validation_alias=_customary("tavily_api_base_url"))
    wikipedia_api_url: str | None = Field(default=None, validation_alias=_customary("wikipedia_api_url"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, .env, bakeoff.yaml."""
        return init_settings, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls)


@cache
def settings() -> Settings:
    """Return this process's settings, read once.

    Raises:
        BakeoffError: a value is not of its kind; names the setting and what it takes.
    """
    _check_yaml(Path("bakeoff.yaml"))
    try:
        chosen = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise BakeoffError(
            f"a usable value for the setting '{name}'",
            first["msg"].lower(),
            f"correct BAKEOFF_{name.upper()} in the environment, .env or bakeoff.yaml",
        ) from None
    if chosen.hf_token:  # the hub's own client looks only here
        os.environ["HF_TOKEN"] = chosen.hf_token.get_secret_value()
    return chosen


@contextmanager
def overridden(environment: Mapping[str, str | None]) -> Iterator[None]:
    """Work with other environment variables for the block (None: without), and the settings that follow from them."""
    before = {name: os.environ.get(name) for name in environment}
    _set(environment)
    settings.cache_clear()
    try:
        yield
    finally:
        _set(before)
        settings.cache_clear()


def _set(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _check_yaml(path: Path) -> None:
    """Refuse a settings file that is no YAML, or sets something that is not there: it would seem connected."""
    if not path.exists():
        return
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        unknown = sorted(set(document) - set(Settings.model_fields))
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise BakeoffError(f"settings as YAML in {path}", " ".join(str(error).split()), "correct the file") from None
    if unknown:
        known = ", ".join(Settings.model_fields)
        raise BakeoffError(f"settings among {known} in {path}", f"'{unknown[0]}'", "correct its name")
