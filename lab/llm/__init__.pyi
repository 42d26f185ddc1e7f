from .check import check_llm as check_llm
from .failures import FailureKind as FailureKind
from .names import canonical_name as canonical_name
from .resolve import BaseLLM as BaseLLM
from .resolve import resolve_llm as resolve_llm
from .labels import LabelPrompt as LabelPrompt
from .labels import LabelScores as LabelScores
