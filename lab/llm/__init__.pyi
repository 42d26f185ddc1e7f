from .check import check_llm as check_llm
from .names import canonical_name as canonical_name
from .resolve import BaseLLM as BaseLLM
from .resolve import resolve_llm as resolve_llm
from .scoring import LabelPrompt as LabelPrompt
from .scoring import LabelScores as LabelScores
