"""Settings: who wins, and that a key never shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import BakeoffError
from lab.redact import reason, redacted
from lab.settings import settings


def test_environment_beats_env_file_beats_yaml(setting: Callable[[str, str], None]) -> None:
    Path("bakeoff.yaml").write_text("llm: from:yaml\nseed: 3\nprecision: float32\n")
    Path(".env").write_text("BAKEOFF_LLM=from:file\nBAKEOFF_SEED=4\nTAVILY_API_KEY=tvly-secret\n")
    setting("BAKEOFF_LLM", "from:environment")
    assert (settings().llm, settings().seed, settings().precision) == ("from:environment", 4, "float32")


def test_keys_never_print(setting: Callable[[str, str], None]) -> None:
    setting("OPENAI_API_KEY", "sk-very-secret")
    assert settings().openai_api_key is not None
    assert "very-secret" not in repr(settings()) + settings().model_dump_json()


def test_a_key_in_an_error_is_masked(setting: Callable[[str, str], None]) -> None:
    setting("OPENAI_API_KEY", "sk-very-secret")
    assert reason(ValueError("Incorrect API key: sk-very-secret.\nMore")) == "Incorrect API key: …."
    assert reason(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("PGPASSWORD", True),
        ("MYSQL_PWD", True),
        ("AZURE_CLIENT_CREDENTIALS", True),
        ("SOME_APIKEY_2", True),
        ("OLDPWD", False),
        ("KEYBOARD", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", False),
    ],
)
def test_a_secret_in_the_environment_is_known_by_its_name(
    name: str, secret: bool, setting: Callable[[str, str], None]
) -> None:
    setting(name, "what-it-holds")
    assert ("what-it-holds" in redacted("it is what-it-holds")) is not secret


@pytest.mark.parametrize(
    ("text", "complaint"), [("lmm: x", "got 'lmm'"), ("llm: [", "settings as YAML"), ("7", "YAML")]
)
def test_a_settings_file_that_is_none_is_one_line(text: str, complaint: str) -> None:
    Path("bakeoff.yaml").write_text(text)
    with pytest.raises(BakeoffError, match=complaint):
        settings()


def test_a_bad_value_names_the_setting(setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_DEVICE", "toaster")
    with pytest.raises(BakeoffError, match="BAKEOFF_DEVICE"):
        settings()
