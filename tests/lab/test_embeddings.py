"""Vectors are those of sentence-transformers, whatever computes them, and a query costs no import of torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.devices import usable_cores
from lab.embeddings import Embedder, TorchEncoder, model_folder
from lab.errors import BakeoffError
from lab.runtime import batches_by_length

ROOT = Path(__file__).parents[2]
TEXTS = [
    "I love this phone, the camera is amazing!",
    "",
    "   blanks around it\t\n",
    "😀 مرحبا 你好 naïve",
    "x" * 5000,
    "word " * 1000,
    *(f"Passage number {number} is about {'very ' * (number % 20)}different things." for number in range(40)),
]


@pytest.fixture
def tiny(tmp_path: Path, setting: Callable[[str, str], None]) -> Path:
    """A small model of random weights that pools by its first token, an empty cache, and float32."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel, set_seed

    set_seed(0)
    setting("BAKEOFF_CACHE", str(tmp_path / "cache"))
    setting("BAKEOFF_PRECISION", "float32")  # so wild a model embeds otherwise in bfloat16
    bert = tmp_path / "bert"
    tokenizer = AutoTokenizer.from_pretrained(model_folder("embedded:minilm"))
    tokenizer.save_pretrained(bert)
    sizes: dict[str, Any] = {
        "initializer_range": 1.0,
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)).save_pretrained(bert)
    folder = tmp_path / "tiny"
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(32, "cls")], device="cpu").save(str(folder))
    return folder


def test_vectors_are_those_of_sentence_transformers_in_the_order_of_the_texts() -> None:
    exported = Embedder.load()
    assert exported.kind.startswith("openvino ")
    found, expected = exported.embed(TEXTS), TorchEncoder("embedded:minilm", "cpu").outputs(TEXTS)
    assert found.dtype == np.float32
    assert (found * expected).sum(axis=1).min() > 0.9999
    assert exported.embed([]).shape == (0, exported.dimension)


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_vector_is_the_same_to_the_last_bit_beside_whatever_other_texts(
    precision: str, setting: Callable[[str, str], None]
) -> None:
    setting("BAKEOFF_PRECISION", precision)
    embedder, order = Embedder("embedded:minilm"), np.random.default_rng(0).permutation(len(TEXTS))
    together, mixed = embedder.embed(TEXTS), np.empty((len(TEXTS), embedder.dimension), dtype=np.float32)
    mixed[order] = embedder.embed([TEXTS[index] for index in order])
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    in_parts = np.concatenate([embedder.embed(TEXTS[:7]), embedder.embed(TEXTS[7:])])
    assert all((together == other).all() for other in (mixed, alone, in_parts))


def test_threads_may_embed_at_once() -> None:
    embedder = Embedder.load()
    expected = embedder.embed(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        assert all((found == expected).all() for found in pool.map(embedder.embed, [TEXTS] * 16))


def test_a_model_that_reads_no_multiple_of_the_step_is_not_led_beyond_its_end(tiny: Path) -> None:
    config = tiny / "sentence_bert_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_seq_length": 61}))
    embedder = Embedder(str(tiny))
    assert embedder.kind.startswith("openvino ")
    assert (embedder.embed(TEXTS) * TorchEncoder(str(tiny), "cpu").outputs(TEXTS)).sum(axis=1).min() > 0.9999


def test_where_bfloat16_embeds_otherwise_float32_computes(tiny: Path, setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_PRECISION", "bfloat16")
    assert Embedder(str(tiny)).kind == "openvino float32"


def test_a_process_that_embeds_a_query_does_not_import_torch() -> None:
    Embedder.load()  # the export is there
    code = (
        "import sys; from lab.embeddings import Embedder; vectors = Embedder.load().embed(['a query'])\n"
        "print(vectors.shape, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 384) False False", done.stderr


def test_another_pooling_is_exported_too_and_a_changed_model_is_exported_anew(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Embedder(str(tiny))
    assert (first.kind.split()[0], first.dimension) == ("openvino", 32)
    expected = TorchEncoder(str(tiny), "cpu").outputs(TEXTS)
    assert (first.embed(TEXTS) * expected).sum(axis=1).min() > 0.9999
    assert "exporting" in capsys.readouterr().err
    Embedder(str(tiny))
    assert "exporting" not in capsys.readouterr().err

    config = tiny / "config_sentence_transformers.json"
    document = json.loads(config.read_text()) | {"prompts": {"ask": "query: "}, "default_prompt_name": "ask"}
    config.write_text(json.dumps(document))
    changed = Embedder(str(tiny))
    told = capsys.readouterr().err
    assert "exporting" in told
    assert "runs in PyTorch, which is slower: its export embeds otherwise" in told
    assert changed.kind == "torch"
    again = Embedder(str(tiny))
    assert "exporting" not in capsys.readouterr().err, "that it cannot be used is known"
    assert np.allclose(again.embed(["a"]), changed.embed(["a"]))


def test_a_cache_that_cannot_be_written_costs_speed_only(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    embedder = Embedder(str(tiny))
    assert embedder.kind == "torch"
    assert embedder.embed(["one", "two"]).shape == (2, 32)
    assert "no export can be kept" in capsys.readouterr().err


def test_a_damaged_export_is_told_in_one_line(tiny: Path, tmp_path: Path) -> None:
    Embedder(str(tiny))
    (graph,) = (tmp_path / "cache" / "embeddings").glob("*/model.onnx")
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(BakeoffError) as caught:
        Embedder(str(tiny))
    assert "an ONNX graph in" in str(caught.value)
    assert "got Exception from" not in str(caught.value)
    assert f"remove {graph.parent}, and run again" in str(caught.value)


def test_batches_hold_every_text_once_with_little_padding() -> None:
    lengths = [int(length) for length in np.random.default_rng(0).integers(1, 256, 2000)] + [5000]
    batches = batches_by_length(lengths, 1024)
    assert sorted(index for batch in batches for index in batch) == list(range(2001))
    padded = [len(batch) * max(lengths[index] for index in batch) for batch in batches]
    assert all(size <= 1024 or len(batch) == 1 for size, batch in zip(padded, batches, strict=True))
    assert sum(padded) < 1.03 * sum(lengths)
    assert batches_by_length([], 1024) == []
    assert batches_by_length([8, 16, 8, 16, 8], 32, same=True) == [[1, 3], [0, 2, 4]]


def test_threads_are_those_that_the_user_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert usable_cores() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert usable_cores() >= 1
