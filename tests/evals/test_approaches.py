"""The approaches on real models: hybrids, the agent, variants of RAG, calibration, updates, and a user's own."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from pydantic import ValidationError

from agents import Turn
from evals.answers import asked_anew
from evals.approach import Approach, Fit, Prediction, together
from evals.approaches import build_approach
from evals.approaches.agent import chosen_label
from evals.approaches.hybrid import Cascade, Stacked
from evals.approaches.labelling import CONTENT_FREE, fill
from evals.approaches.own import load_class, own_code
from evals.approaches.retrieval import Shots
from evals.approaches.tuned import Tuned
from evals.records import Question, Record
from evals.suite import PLAIN_INSTRUCTION, Arm, Suite
from finetune import Hyperparameters
from finetune.encoders import LOWER_HALF
from finetune.registry import champion_id
from lab.datasets import Dataset, Example, Split
from lab.errors import BakeoffError
from lab.llm import BaseLLM, LabelPrompt
from rag import Evidence, example_index
from rag.retrieve import fuse
from tests.conftest import Outcome

ROOT = Path(__file__).parents[2]
LLM = "embedded:smollm2"
BRIEF = Hyperparameters(num_train_epochs=0.5, learning_rate=2e-4)


@pytest.fixture
def tiny(small: Split) -> Split:
    """So few tweets that an approach is ready in seconds."""
    parts = (small.train.subset(range(100)), small.validation.subset(range(30)), small.test.subset(range(6)))
    return Split(*parts)


def _made(**fields: Any) -> Approach:
    arm = Arm(**fields)
    return build_approach(arm, Suite(name="x", arms=(arm,)))


def _data(*rows: tuple[str, str]) -> Dataset:
    return Dataset("d", tuple(Example(str(n), text, label, f"d:{n}") for n, (text, label) in enumerate(rows)))


def test_an_update_replaces_by_id_and_source_and_leaves_out_what_is_gone() -> None:
    old = _data(("a", "x"), ("b", "x"), ("c", "y"))
    new = Dataset("n", (replace(old.examples[0], label="y"), Example("1", "other file", "x", "n:1")))
    merged = together(old, new, gone=old.subset([2]))
    assert [(e.text, e.label) for e in merged.examples] == [("b", "x"), ("a", "y"), ("other file", "x")]


def test_majority_counts_again() -> None:
    data = _data(("a", "x"), ("b", "x"), ("c", "y"))
    approach = _made(approach="majority").fit(data, data)
    assert approach.predict(["?"])[0].label == "x"
    approach.update(_data(), gone=data.subset([0, 1]))
    assert approach.predict(["?"])[0].scores == {"y": 1.0}


def test_the_index_takes_in_changes_and_lets_go_of_what_was_withdrawn(tiny: Split) -> None:
    approach, other = _made(approach="knn", k=1), _made(approach="knn", k=1)
    approach.fit(tiny.train, tiny.validation)
    other.fit(tiny.train, tiny.validation)
    flipped, withdrawn = tiny.train.examples[0], tiny.train.examples[1]
    wrong = next(label for label in tiny.train.labels if label != flipped.label)
    new = Dataset("new", (replace(flipped, label=wrong), Example("n", "a quokka ate my homework", "neutral", "new:1")))
    approach.update(new, gone=tiny.train.subset([1]))
    assert approach.fitted.note == "index: 2 examples added, 2 removed, 98 unchanged"
    assert 0 < approach.fitted.seconds < other.fitted.seconds
    changed, there, gone = approach.predict([flipped.text, "a quokka ate my homework", withdrawn.text])
    assert (changed.label, list(changed.evidence)) == (wrong, [flipped.source])
    assert list(there.evidence) == ["new:1"]
    assert list(gone.evidence) != [withdrawn.source]
    unchanged = other.predict([flipped.text, withdrawn.text])
    assert unchanged[0].label == flipped.label, "another approach over the same data has an index of its own"
    assert list(unchanged[1].evidence) == [withdrawn.source]


def _tuned(**options: Any) -> Tuned:
    """Return the approach on half a BERT; as no champion, it needs no export."""
    return Tuned("finetuned", LOWER_HALF, BRIEF, may_reign=False, **options)


def test_fine_tuning_is_updated_by_training_anew_on_what_holds_now(tiny: Split) -> None:
    old, new, gone = tiny.train.subset(range(60)), tiny.train.subset(range(60, 80)), tiny.train.subset(range(5))
    updated = _tuned().fit(old, tiny.validation).update(new, gone)
    whole = _tuned().fit(tiny.train.subset(range(5, 80)), tiny.validation)
    assert updated.identifier == whole.identifier
    assert whole.fitted.reused
    assert updated.fitted.seconds > 0


def test_fine_tuning_may_learn_the_validation_texts_too_once_they_have_chosen(tiny: Split) -> None:
    first = _tuned().fit(tiny.train, tiny.validation)
    refitted = _tuned(refit=1).fit(tiny.train, tiny.validation)
    assert refitted.identifier == f"{first.identifier}-refit"
    assert refitted._classifier.card["examples"] == len(tiny.train) + len(tiny.validation)
    assert refitted.fitted.seconds > first.fitted.seconds
    assert refitted.predict(tiny.test.texts) != first.predict(tiny.test.texts)
    with pytest.raises(ValidationError, match="knn does not read refit"):
        Arm(approach="knn", refit=1)
    with pytest.raises(ValidationError, match="starts from weights that know the validation texts"):
        Arm(approach="finetuned", refit=1, update_by="continue")
    with pytest.raises(ValidationError, match="a suite of kind data_efficiency counts"):
        arms = (Arm(approach="finetuned", refit=1),)
        Suite(name="s", dataset="tweets", kind="data_efficiency", sizes=(10,), arms=arms)


def test_fine_tuning_may_go_on_from_its_weights_with_the_new_examples_alone(tiny: Split) -> None:
    old, new = tiny.train.subset(range(60)), tiny.train.subset(range(60, 80))
    approach = _tuned(update_by="continue").fit(old, tiny.validation)
    first, before = approach.identifier, approach.predict(tiny.test.texts)
    approach.update(_data(), gone=old.subset([0]))
    assert approach.predict(tiny.test.texts) == before, "weights do not unlearn"
    one_label = new.subset(index for index, label in enumerate(new.targets) if label == "neutral")
    approach.update(one_label)
    card = approach._classifier.card
    assert approach._classifier.base.endswith(first)
    assert card["examples"] == len(one_label) + 2, "one old example of each label that the new lack"
    assert approach.predict(tiny.test.texts) != before
    approach.update(_data(("is it?", "question"), ("or is it?", "question")))
    assert approach._classifier.base == LOWER_HALF, "a new label needs a new head"


def test_a_probe_is_fitted_again(tiny: Split) -> None:
    approach = _made(approach="linear_probe").fit(tiny.train.subset(range(50)), tiny.validation)
    before = approach.predict(tiny.test.texts)
    assert approach.update(tiny.train.subset(range(50, 100))).predict(tiny.test.texts) != before


def _evidence(*texts: str) -> list[Evidence]:
    return [Evidence(text, f"s:{text}", (0, 1), 0.5, text.upper()) for text in texts]


def test_examples_stand_in_the_order_asked_for() -> None:
    evidence = _evidence("nearest", "middle", "farthest")
    assert [text for text, _ in Shots(3).arrange("q", evidence)] == ["farthest", "middle", "nearest"]
    assert [text for text, _ in Shots(3, "nearest_first").arrange("q", evidence)] == ["nearest", "middle", "farthest"]
    texts = [str(number) for number in range(20)]
    mixed = [Shots(3, "random", seed=1).arrange(text, evidence) for text in texts]
    assert mixed == [Shots(3, "random", seed=1).arrange(text, evidence) for text in texts]
    assert len(set(mixed)) > 3
    assert mixed != [Shots(3, "random", seed=2).arrange(text, evidence) for text in texts]


def test_plain_rag_asks_what_it_always_asked(tiny: Split, smollm2: BaseLLM) -> None:
    approach = _made(approach="rag", llm=LLM, k=3).fit(tiny.train, tiny.validation)
    found = example_index(tiny.train.fingerprint).search(tiny.test.texts, 3)
    instruction = fill(PLAIN_INSTRUCTION, tiny.train.labels)
    prompts = [
        LabelPrompt(instruction, text, tuple((item.text, item.label) for item in reversed(row)))
        for text, row in zip(tiny.test.texts, found, strict=True)
    ]
    wanted = [scored.scores for scored in smollm2.score_labels(prompts, tiny.train.labels)]
    assert [answer.scores for answer in approach.predict(tiny.test.texts)] == wanted


def test_diversity_does_not_show_the_same_twice(tiny: Split) -> None:
    twins = _data(("great phone, love it", "positive"), ("great phone, I love it", "positive"))
    train = together(tiny.train.subset(range(30)), twins)
    shown = {}
    for diversity in (0.0, 0.7):
        approach = _made(approach="rag", llm=LLM, k=2, diversity=diversity).fit(train, tiny.validation)
        shown[diversity] = set(approach.predict(["great phone, love it!"])[0].evidence)
    assert shown[0.0] == {"d:0", "d:1"}
    assert len(shown[0.7]) == 2
    assert shown[0.7] != shown[0.0]


def test_fused_retrieval_finds_words_that_embeddings_miss(tiny: Split) -> None:
    code = _data(("the parcel marked QX-7731 never came and nobody answers", "negative"))
    suns = [
        f"what a joyful bright {time} outside, life is good" for time in ("morning", "noon", "afternoon", "evening")
    ]
    train = together(code, Dataset("s", tuple(Example(f"s{n}", t, "positive", f"s:{n}") for n, t in enumerate(suns))))
    question = "delighted by this warm sunny weather, QX-7731"
    found = {}
    for retrieval in ("dense", "fused"):
        approach = _made(approach="rag", llm=LLM, k=2, retrieval=retrieval).fit(train, tiny.validation)
        found[retrieval] = list(approach.predict([question])[0].evidence)
    assert "d:0" not in found["dense"]
    assert "d:0" in found["fused"]
    assert len(found["fused"]) == 2


def test_reciprocal_ranks_are_summed() -> None:
    fused = fuse([_evidence("a", "b"), _evidence("b", "c")])
    assert [item.text for item in fused] == ["b", "a", "c"]
    assert [item.score for item in fused] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def _divided(scores: dict[str, float], priors: Sequence[dict[str, float]]) -> dict[str, float]:
    ratios = {label: score / np.mean([prior[label] for prior in priors]) for label, score in scores.items()}
    return {label: float(ratio / sum(ratios.values())) for label, ratio in ratios.items()}


def test_batch_calibration_divides_by_the_mean_over_validation(tiny: Split, smollm2: BaseLLM) -> None:
    approach = _made(approach="zero_shot", llm=LLM, calibration="batch", validation_texts=20)
    approach.fit(tiny.train, tiny.validation)
    assert approach.fitted.tokens > 0
    instruction, labels = fill(PLAIN_INSTRUCTION, tiny.train.labels), tiny.train.labels
    watched = [LabelPrompt(instruction, text) for text in tiny.validation.texts[:20]]
    priors = [scored.scores for scored in smollm2.score_labels(watched, labels)]
    for texts in (tiny.test.texts, tiny.test.texts[:1]):  # alone or among others: the prior is the same
        raw = smollm2.score_labels([LabelPrompt(instruction, text) for text in texts], labels)
        with asked_anew():  # in bfloat16 a score depends on what is read beside it
            answers = approach.predict(texts)
        for answer, scored in zip(answers, raw, strict=True):
            assert answer.scores == pytest.approx(_divided(scored.scores, priors), abs=1e-6)
            assert answer.scores != pytest.approx(scored.scores, abs=0.05)


def test_content_free_calibration_asks_after_each_texts_own_examples(tiny: Split, smollm2: BaseLLM) -> None:
    plain = _made(approach="rag", llm=LLM, k=2).fit(tiny.train, tiny.validation)
    calm = _made(approach="rag", llm=LLM, k=2, calibration="content_free").fit(tiny.train, tiny.validation)
    assert calm.fitted.tokens == 0
    text = tiny.test.texts[0]
    shots = [(item.text, item.label) for item in reversed(example_index(tiny.train.fingerprint).search([text], 2)[0])]
    instruction = fill(PLAIN_INSTRUCTION, tiny.train.labels)
    asked = [LabelPrompt(instruction, words, tuple(shots)) for words in (text, *CONTENT_FREE)]
    raw, *priors = smollm2.score_labels(asked, tiny.train.labels)
    answer = calm.predict([text])[0]
    assert answer.scores == pytest.approx(_divided(raw.scores, [prior.scores for prior in priors]), abs=1e-6)
    assert answer.tokens == plain.predict([text])[0].tokens + sum(prior.tokens for prior in priors)


class Scripted:
    """An approach that says what stands in its table: text -> scores, or the reason of a failure."""

    def __init__(self, name: str, table: dict[str, dict[str, float] | str], tokens: int = 0) -> None:
        self.name, self.fitted, self._table, self._tokens = name, Fit(1.0, tokens=5), table, tokens
        self.asked: list[str] = []

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.asked += texts
        return [self._one(self._table[text]) for text in texts]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        self._table |= {example.text: {example.label: 1.0} for example in new.examples}
        return self

    def _one(self, said: dict[str, float] | str) -> Prediction:
        if isinstance(said, str):
            return Prediction(None, said, tokens=self._tokens)
        return Prediction(
            max(said, key=lambda label: said[label]), scores=said, evidence=[self.name], tokens=self._tokens
        )


def test_a_cascade_asks_the_second_where_validation_says_that_pays() -> None:
    targets = {"a": "x", "b": "x", "c": "y", "d": "y"}
    tops = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
    first = Scripted("first", {text: {"x": top, "y": 1 - top} for text, top in tops.items()})
    second = Scripted("second", {"a": {"y": 1.0}, "b": {"y": 1.0}, "c": {"y": 1.0}, "d": {"y": 1.0}}, tokens=7)
    hybrid = Cascade(first, second, 200)
    data = _data(*targets.items())
    hybrid.fit(data, data)
    assert hybrid.threshold == pytest.approx(0.8), "below it the second is right, from it on the first"
    assert hybrid.fitted.tokens == 2 * 5 + 4 * 7
    second.asked.clear()
    answers = hybrid.predict(["a", "c"])
    assert second.asked == ["c"]
    assert [(p.label, p.tokens, list(p.evidence)) for p in answers] == [
        ("x", 0, ["first"]),
        ("y", 7, ["first", "second"]),
    ]
    second._table["c"] = "no answer in time"
    assert hybrid.predict(["c"])[0].failure == "no answer in time"
    first._table |= {"c": {"x": 0.3, "y": 0.7}, "d": {"x": 0.1, "y": 0.9}}
    assert hybrid.update(data.subset([0])).threshold == 0, (
        "the first is right everywhere now: the second is never asked"
    )


def test_stacking_learns_whom_to_believe() -> None:
    random = np.random.default_rng(0)
    texts = [f"t{number}" for number in range(40)]
    targets = {text: str(random.choice(["x", "y"])) for text in texts}
    knows = {text: {"x": float(label == "x"), "y": float(label == "y")} for text, label in targets.items()}
    guesses = {text: {"x": (share := float(random.random())), "y": 1 - share} for text in texts}
    noise, expert = Scripted("noise", dict(guesses)), Scripted("expert", dict(knows), tokens=3)
    hybrid = Stacked([noise, expert], 200, seed=0)
    data = _data(*targets.items())
    hybrid.fit(data, data)
    answers = hybrid.predict(texts)
    assert [answer.label for answer in answers] == list(targets.values())
    assert sum(answers[0].scores.values()) == pytest.approx(1)
    assert list(answers[0].evidence) == ["noise", "expert"]
    expert._table["t0"] = "over the limit"
    failed, fine = hybrid.predict(["t0", "t1"])
    assert (failed.label, failed.failure, failed.tokens) == (None, "over the limit", 3)
    assert fine.label == targets["t1"]


def test_both_hybrids_run_on_real_parts(tiny: Split) -> None:
    common = {"approach": "hybrid", "llm": LLM, "k": 2, "hyperparameters": BRIEF, "validation_texts": 20}
    for form, words in (("cascade", "rag is asked below"), ("stacked", "3 parts stacked on 20 validation texts")):
        approach = _made(form=form, **common).fit(tiny.train, tiny.validation)
        assert words in approach.fitted.note
        answers = approach.predict(tiny.test.texts[:3])
        assert all(answer.label in tiny.train.labels and answer.failure is None for answer in answers)
    assert all(len(answer.evidence) == 2 and answer.tokens > 0 for answer in answers)
    spent = approach.fitted.tokens
    approach.update(tiny.train.subset([0]))
    assert approach.fitted.tokens == pytest.approx(spent, rel=0.5)


def test_the_agent_labels_with_this_experiments_classifier(with_classifier: Path, tiny: Split) -> None:
    approach = _made(approach="agent", llm=LLM, hyperparameters=BRIEF).fit(tiny.train, tiny.validation)
    tuned = _made(approach="finetuned", hyperparameters=BRIEF).fit(tiny.train, tiny.validation)
    assert isinstance(tuned, Tuned)
    assert tuned.identifier != champion_id()
    texts = ["I love this phone so much", 'she said "never again" to me']
    answers = approach.predict(texts)
    assert [list(answer.evidence) for answer in answers] == [[f"classifier:{tuned.identifier}"]] * 2
    quoted = [texts[0], texts[1].replace('"', "'")]
    assert [answer.label for answer in answers] == [answer.label for answer in tuned.predict(quoted)]
    assert all(answer.tokens > 0 for answer in answers)


def test_an_agents_answer_that_names_no_label_is_none() -> None:
    turn = Turn("It sounds Positive.", [], [], [], [], LLM, {}, 1.0, 10)
    assert chosen_label(turn, ["negative", "positive"]) == "positive"
    assert chosen_label(replace(turn, answer="positive or negative"), ["negative", "positive"]) is None
    assert chosen_label(replace(turn, answer="I am positively sure"), ["negative", "positive"]) is None
    tool = Evidence("…", "classifier:x", (0, 1), 0.9, "negative")
    assert chosen_label(replace(turn, evidence=[tool]), ["negative", "positive"]) == "negative"


def _handbook_blocks(title: str) -> list[str]:
    text = (ROOT / "docs" / "approaches.md").read_text(encoding="utf-8")
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"```\w+\n(.*?)```", section, flags=re.DOTALL)


def test_the_handbooks_own_approach_runs(my_csv: Path, bakeoff: Callable[..., Outcome]) -> None:
    (code,) = _handbook_blocks("Your own approach: a class")
    (suite,) = _handbook_blocks("Your own approach in a suite")
    assert len(code.strip().splitlines()) <= 20
    Path("words.py").write_text(code)
    Path("words.yaml").write_text(suite)
    told = bakeoff("eval", "words.yaml", "--no-estimate", "--data", str(my_csv), "--limit", "20", "--json")
    assert told.code == 0, told.err
    rows = told.json["results"]
    assert [row["approach"] for row in rows] == ["majority", "words:Words"]
    assert rows[1]["n"] == 20 and rows[1]["failures"] == 0
    assert rows[1]["fit_seconds"] > 0


OWN = """
from evals import Prediction
from evals.approach import Fit

class Echo:
    def __init__(self, word="x"):
        self.word, self.fits = word, 0
    def fit(self, train, validation):
        self.fits += 1
        self.labels = train.labels
    def predict(self, texts):
        if "raise" in texts:
            raise ValueError("no idea")
        return [Prediction(self.word) if t == "prediction" else self.labels[-1] for t in texts]

class Lame:
    def fit(self, train, validation): ...

class Odd(Echo):
    fitted = Fit("soon")
    def predict(self, texts):
        return [Prediction("x", evidence=("cut \\ud83d",), tokens=int(t)) for t in texts]

class Leaver(Echo):
    def predict(self, texts):
        raise SystemExit("bye")

class Careful(Echo):
    def update(self, new, gone=None):
        self.word = new.labels[0]
"""


@pytest.fixture
def own_module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the current folder, under a name of this test's own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = "own_" + re.sub(r"\W", "_", request.node.name)[-30:]
    Path(f"{name}.py").write_text(OWN)
    return name


def test_an_own_class_may_lack_update_and_answer_with_bare_labels(own_module: str) -> None:
    approach = _made(approach=f"{own_module}:Echo", options={"word": "y"})
    data = _data(("a", "x"), ("b", "y"))
    approach.fit(data, data)
    assert approach.predict(["prediction", "text"]) == [Prediction("y"), Prediction("y")]
    first = approach._own  # type: ignore[attr-defined]
    approach.update(_data(("c", "z")))
    assert approach._own is not first  # type: ignore[attr-defined]
    answers = approach.predict(["prediction", "text"])
    assert [answer.label for answer in answers] == ["y", "z"]
    assert approach.fitted.seconds > 0
    with pytest.raises(BakeoffError, match="ValueError: no idea"):
        approach.predict(["raise"])


def test_an_own_update_is_used_and_a_word_that_is_no_label_is_a_failure(own_module: str) -> None:
    data = _data(("a", "x"), ("b", "y"))
    approach = _made(approach=f"{own_module}:Careful", options={"word": "?"}).fit(data, data)
    assert approach.predict(["prediction"])[0].failure == "answered '?', which is no label"
    approach.update(_data(("c", "x")))
    assert approach.predict(["prediction"])[0].label == "x"


def test_an_own_class_that_counts_badly_or_leaves_is_said_in_a_line(own_module: str) -> None:
    data = _data(("a", "x"), ("b", "y"))
    odd, leaver = (_made(approach=f"{own_module}:{name}", options={}) for name in ("Odd", "Leaver"))
    with pytest.raises(BakeoffError, match="expected seconds and tokens from 0 on"):
        odd.fit(data, data)
    for tokens in ("-5", "1" + "0" * 30):
        with pytest.raises(BakeoffError, match=f"ValueError: {tokens} tokens"):
            odd.predict([tokens])
    (answer,) = odd.predict(["7"])
    question = Question("odd", "", "", "test", 0, "1")
    assert Record.of(question, data.examples[0], answer, 0.1).evidence == ["cut \N{REPLACEMENT CHARACTER}"]
    with pytest.raises(BakeoffError, match="SystemExit: bye"):
        leaver.fit(data, data).predict(["a"])


@pytest.mark.parametrize(
    ("named", "options", "words"),
    [
        ("nowhere_to_be_found:Echo", {}, "a module nowhere_to_be_found; got none in the current folder"),
        ("{own}:Nobody", {}, "a class Nobody in the module {own}; got none"),
        ("{own}:Lame", {}, "a class with fit and predict; got {own}:Lame without predict"),
        ("{own}:Echo", {"colour": 1}, "to take its options; got TypeError"),
    ],
)
def test_what_is_wrong_with_an_own_class_is_said_in_a_line(
    named: str, options: dict[str, Any], words: str, own_module: str
) -> None:
    with pytest.raises(BakeoffError) as caught:
        _made(approach=named.format(own=own_module), options=options)
    assert words.format(own=own_module) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_beside_the_suites_file_is_found_and_its_code_counts(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside_suite.py").write_text(OWN)
    arms = {"name": "x", "arms": [{"approach": "beside_suite:Echo"}]}
    suite = Suite.model_validate(arms, context={"folder": folder})
    arm = suite.with_llm(LLM).arms[0]
    assert load_class(arm).__name__ == "Echo"
    before = own_code(arm)
    (folder / "beside_suite.py").write_text(OWN + "# edited\n")
    assert own_code(arm) != before
    assert "elsewhere" not in suite.model_dump_json()


def test_an_installed_package_offers_an_approach_by_an_entry_point(
    own_module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bakeoff.approaches]\necho = {own_module}:Echo\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    data = _data(("a", "x"), ("b", "y"))
    assert _made(approach="echo").fit(data, data).predict(["t"])[0].label == "y"


def test_an_arm_refuses_what_it_would_ignore() -> None:
    with pytest.raises(ValidationError, match="majority does not read diversity"):
        Arm(approach="majority", diversity=0.5)
    with pytest.raises(ValidationError, match="no approach 'hybird'"):
        Arm(approach="hybird")
    arm = Arm(approach="rag", llm=LLM, order="random")
    assert Arm.model_validate(arm.model_dump()) == arm, "what a manifest holds can be read again"
