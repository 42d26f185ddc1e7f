"""The embedded LLM as a LangChain chat model: it answers, streams and stops, with no network."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from transformers import StoppingCriteria, TextIteratorStreamer

from lab.devices import choose_device, choose_precision
from lab.errors import BakeoffError
from lab.llm.weights import load_embedded
from lab.loading import LOADING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WRITER, MOST_IDLE = "embedded-llm", 4  # the name of the threads that write answers, and how many may wait for one
ROLES = {"system": "system", "ai": "assistant"}


class EmbeddedChat(BaseChatModel):
    """A causal language model in this process; greedy, so that the same question gets the same answer."""

    model: str
    max_new_tokens: int = 128
    repetition_penalty: float = 1.1

    @property
    def _llm_type(self) -> str:
        return "embedded"

    @cached_property
    def _loaded(self) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
        device = choose_device()
        with LOADING:
            return load_embedded(self.model, device, choose_precision(device))

    @cached_property
    def _own_stops(self) -> list[str]:
        """Return what ends an answer where the model knows no end of a turn: it would go on to the next question."""
        return [] if "<|im_start|>" in self.tokenizer.get_vocab() else ["\nAnswer:"]

    @property
    def network(self) -> "PreTrainedModel":
        """Return the loaded causal language model."""
        return self._loaded[0]

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """Return the model's tokenizer."""
        return self._loaded[1]

    def render(self, messages: Sequence[BaseMessage]) -> str:
        """Return the prompt text for a conversation, up to where the assistant speaks next."""
        turns = [{"role": ROLES.get(message.type, "user"), "content": message.text} for message in messages]
        prompt = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return cast(str, prompt)

    def encode(self, prompt: str) -> list[int]:
        """Return the token ids of a rendered prompt.

        Raises:
            BakeoffError: it is longer than the model's context.
        """
        ids = self.tokenizer(prompt, add_special_tokens=self._wants_bos(prompt))["input_ids"]
        room = self.network.config.max_position_embeddings - self.max_new_tokens
        if len(ids) > room:
            raise BakeoffError(f"a prompt of at most {room} tokens", f"{len(ids)}", "shorten it, or use a larger LLM")
        return cast(list[int], ids)

    def _wants_bos(self, prompt: str) -> bool:
        """Chat templates write their own first token; plain text gets the tokenizer's."""
        first = self.tokenizer.bos_token
        return bool(first) and not prompt.startswith(("<|im_start|>", str(first)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        whole = AIMessageChunk(content="")
        for chunk in self._stream(messages, stop, run_manager, **kwargs):
            whole += cast(AIMessageChunk, chunk.message)
        answer = AIMessage(whole.text, usage_metadata=whole.usage_metadata, response_metadata=whole.response_metadata)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        ids = self.encode(self.render(messages))
        pieces = []
        for text in self._write(ids, stop or []):
            pieces.append(text)
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
            if run_manager:
                run_manager.on_llm_new_token(text, chunk=chunk)
            yield chunk
        written = len(self.tokenizer("".join(pieces), add_special_tokens=False)["input_ids"])
        usage = UsageMetadata(input_tokens=len(ids), output_tokens=written, total_tokens=len(ids) + written)
        made_by = {"model_name": f"embedded:{self.model}"}
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage, response_metadata=made_by))

    def _write(self, ids: list[int], stop: list[str]) -> Iterator[str]:
        """Yield the answer piece by piece; closing the iterator stops the model at its next token."""
        import torch

        cancelled = threading.Event()
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        prompt = torch.tensor([ids], device=self.network.device)
        stops = [*stop, *self._own_stops]

        def generate() -> None:
            try:
                self.network.generate(  # type: ignore[operator]
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=self.max_new_tokens,
                    do_sample=False,
                    repetition_penalty=self.repetition_penalty,
                    stop_strings=stops or None,
                    tokenizer=self.tokenizer,
                    stopping_criteria=[_Cancelled(cancelled)],
                    streamer=streamer,
                )
            finally:
                streamer.end()

        written = _WRITERS.submit(generate)
        try:
            yield from _until(stops, streamer)
        finally:
            cancelled.set()
            if threading.current_thread().name != WRITER:  # where a forgotten stream may be collected as garbage
                wait([written])
        written.result()  # or its error


def _until(stops: Sequence[str], pieces: Iterable[str]) -> Iterator[str]:
    """Yield the pieces up to the first stop string, holding back what may be the beginning of one."""
    held, longest = "", max(map(len, stops), default=0)
    for piece in pieces:
        held += piece
        cut = min((held.find(stop) for stop in stops if stop in held), default=-1)
        if cut >= 0:
            held = held[:cut]
            break
        ready, held = (held[:-longest], held[-longest:]) if longest else (held, "")
        if ready:
            yield ready
    if held:
        yield held


class _Writers:
    """Threads that stay and wait for the next answer to write.

    PyTorch gives each thread that computes a pool of its own; one that stays finds it ready, and two tokens of SmolLM2
    come in 110 ms in place of 125. They are daemons, unlike those of concurrent.futures: a program that ends does not
    wait for an answer that nobody hears any more.
    """

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[tuple[Callable[[], None], Future[None]]]] = []
        os.register_at_fork(after_in_child=self._idle.clear)  # where the threads are not

    def submit(self, write: Callable[[], None]) -> Future[None]:
        """Let a thread write that has nothing to do, or a new one; the future ends with it, or holds its error."""
        try:
            tasks = self._idle.pop()
        except IndexError:
            tasks = SimpleQueue()
            threading.Thread(target=self._work, args=(tasks,), name=WRITER, daemon=True).start()
        written: Future[None] = Future()
        tasks.put((write, written))
        return written

    def _work(self, tasks: SimpleQueue[tuple[Callable[[], None], Future[None]]]) -> None:
        while True:
            write, written = tasks.get()
            failure = None
            try:
                write()
            except BaseException as error:  # carried over to the reader's thread
                failure = error
            stays = len(self._idle) < MOST_IDLE
            if stays:
                self._idle.append(tasks)
            if failure is None:
                written.set_result(None)
            else:
                written.set_exception(failure)
            if not stays:
                return
            del write, written, failure  # or what they hold would stay until the next answer


_WRITERS = _Writers()


class _Cancelled(StoppingCriteria):
    """Stops generation once the reader has gone."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor", **kwargs: Any) -> "torch.Tensor":
        import torch

        return torch.full((input_ids.shape[0],), self._event.is_set(), device=input_ids.device, dtype=torch.bool)
