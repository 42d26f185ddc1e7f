"""One string, "provider:model", to a base LLM."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from lab.errors import BakeoffError
from lab.llm.labels import LabelScorer
from lab.llm.names import canonical_name
from lab.llm.weights import EMBEDDED
from lab.redact import reason
from lab.settings import settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PROVIDER_KEYS = {"openai": "openai_api_key", "anthropic": "anthropic_api_key", "google_genai": "google_api_key"}

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True)
class BaseLLM:
    """A chat model under its name, with the way it scores labels and whether it may be offered tools."""

    name: str
    chat: "BaseChatModel"
    score_labels: LabelScorer
    embedded: bool


@cache
def resolve_llm(name: str | None = None) -> BaseLLM:
    """Return the base LLM called `name` (default: the settings'), made once per process.

    Raises:
        BakeoffError: the string has no provider, the provider is unknown, its package or its key is missing.
    """
    name = name or settings().llm
    provider, _, model = canonical_name(name).partition(":")
    if provider == "embedded":
        if model not in EMBEDDED:
            known = ", ".join(f"embedded:{known}" for known in EMBEDDED)
            raise BakeoffError(f"an embedded model among {known}", f"'{name}'", "choose one of these")
        from lab.llm.embedded import EmbeddedChat  # heavy: transformers
        from lab.llm.scoring import LikelihoodScorer

        chat = EmbeddedChat(model=model)
        return BaseLLM(f"embedded:{model}", chat, LikelihoodScorer(chat), embedded=True)
    from lab.llm.remote import RemoteScorer

    name = f"{provider}:{model}"
    scorer = RemoteScorer(_remote(provider, model, retries=0), settings().concurrency, name)
    return BaseLLM(name, _remote(provider, model, retries=4), scorer, embedded=False)


def _remote(provider: str, model: str, retries: int) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    options: dict[str, Any] = {"temperature": 0, "timeout": settings().timeout_seconds * 3, "max_retries": retries}
    if provider == "ollama":
        options = {"temperature": 0}
    if provider == "openai":
        options |= {"base_url": settings().openai_base_url or OPENAI, "stream_usage": True}
    key = getattr(settings(), PROVIDER_KEYS.get(provider, ""), None)
    if isinstance(key, SecretStr):
        options["api_key"] = key.get_secret_value()
    elif provider == "openai" and settings().openai_base_url:
        options["api_key"] = "none-needed"  # a compatible server of one's own seldom asks for a key
    try:
        chat: BaseChatModel = init_chat_model(model, model_provider=provider, **options)
        return chat
    except ImportError as error:
        raise BakeoffError(
            f"the package for {provider} models", "it is not installed", f"pip install langchain-{provider}"
        ) from error
    except Exception as error:  # a missing key is each provider's own error
        known = PROVIDER_KEYS.get(provider)
        where = f"{known.upper()} in the environment or .env" if known else "its API key in the environment"
        fix = f"set {where}, or use embedded:smollm2"
        raise BakeoffError(f"a base LLM {provider}:{model}", reason(error), fix) from error
