"""Estimates of candidates: each distinct one is computed once, and journaled as soon as it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file, save_file
from torch import Tensor

from nasforge.architecture import Architecture, Evaluation
from nasforge.errors import AbilityError, RunError
from nasforge.estimator import Context, Estimator, has_fidelities
from nasforge.execution.executor import Answer, Executor, Work
from nasforge.execution.remote_work import stays_here
from nasforge.journal.journal import Journal, atomic, canonical, digest_of, file_digest
from nasforge.journal.run_folder import RunFolder
from nasforge.randomness import seed_of
from nasforge.run.goals import Goals
from nasforge.run.progress import Progress

CONTRACT = 2
"""Version of the estimator contract; part of every key."""


class Part(NamedTuple):
    """One estimator's share of an evaluation: its key in the journal, and what an executor needs."""

    estimator: Estimator
    key: str
    work: tuple[Architecture, Context]


class Estimates:
    """The estimates of one run, from its journal or computed now, judged by its goals."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        estimators: Sequence[Estimator],
        executor: Executor,
        progress: Progress,
        goals: Goals | None = None,
    ) -> None:
        self._folder, self._journal, self._goals = folder, journal, goals or Goals()
        self._estimators, self._executor, self._progress = tuple(estimators), executor, progress
        self._known: dict[tuple[str, int | None], dict[Architecture, tuple[Evaluation, Evaluation]]] = {}
        self._frames: dict[tuple[str, str, int | None], tuple[str, str]] = {}

    def of(self, architectures: Sequence[Architecture], context: Context) -> list[Evaluation]:
        """Return evaluations in the order of `architectures`, with the metrics of all estimators merged."""
        return [whole for whole, _ in self.both(architectures, context)]

    def both(self, architectures: Sequence[Architecture], context: Context) -> list[tuple[Evaluation, Evaluation]]:
        """Return each evaluation as people see it, and as a strategy may see it."""
        known = self._known_after(context)
        if missing := [candidate for candidate in dict.fromkeys(architectures) if candidate not in known]:
            self._require_weights(context)
            parts = [self._by(estimator, missing, context) for estimator in self._estimators]
            for candidate in missing:
                evaluation = merged(candidate, [part[candidate] for part in parts], context)
                whole = self._goals.judged(evaluation)
                known[candidate] = whole, self._goals.visible(whole)
        return [known[architecture] for architecture in architectures]

    def missing(self, architecture: Architecture, context: Context) -> list[Part]:
        """Return the estimates of a candidate that workers must compute: not in the journal, and not from a table."""
        self._require_weights(context)
        parts = []
        for estimator in self._estimators if architecture not in self._known_after(context) else ():
            if not stays_here(estimator):
                own = for_estimator(estimator, context)
                key = self._key(estimator, architecture, own)
                if self._journaled(key) is None:
                    parts.append(Part(estimator, key, (architecture, self._own(estimator, architecture, own))))
        return parts

    def take(self, part: Part, answer: Answer) -> None:
        """Journal the answer to an estimate that was missing."""
        architecture, context = part.work
        self._write(part.key, architecture, context, answer)

    def tensors(self, weights: str) -> dict[str, Tensor]:
        """Return the trained tensors in a candidate's file `weights`; `RunError` if the file was altered."""
        path = self._folder / weights
        line = self._journal.find("estimate", path.stem)
        if line is None:
            raise RunError(f"{path} belongs to no candidate of this run")
        self._journal.check_file(path, line["digest"], line)
        return load_file(path)

    def _require_weights(self, context: Context) -> None:
        for estimator in self._estimators:
            if estimator.needs_weights and context.weights is None:
                raise AbilityError(
                    f"estimator '{estimator.name}' scores with shared weights, and this strategy trains none; "
                    "choose one that needs none, such as estimator=training"
                )

    def _by(
        self, estimator: Estimator, architectures: Sequence[Architecture], context: Context
    ) -> dict[Architecture, dict[str, Any]]:
        """Return the journal's line for each distinct architecture; compute those that are missing."""
        context = for_estimator(estimator, context)
        keys = {candidate: self._key(estimator, candidate, context) for candidate in architectures}
        known = {candidate: line for candidate, key in keys.items() if (line := self._journaled(key))}
        missing = [candidate for candidate in keys if candidate not in known]
        work = [(candidate, self._own(estimator, candidate, context)) for candidate in missing]
        for index, answer in self._answers(estimator, work):
            candidate, own = work[index]
            known[candidate] = self._write(keys[candidate], candidate, own, answer)
        return known

    def _known_after(self, context: Context) -> dict[Architecture, tuple[Evaluation, Evaluation]]:
        return self._known.setdefault((_digest(context), context.epochs), {})

    def _journaled(self, key: str) -> dict[str, Any] | None:
        """Return the line of an estimate, unless the machine was why it failed."""
        line = self._journal.find("estimate", key)
        return None if line is None or line.get("machine") else line

    def _own(self, estimator: Estimator, architecture: Architecture, context: Context) -> Context:
        """Return the context with the estimate's own seed, the same after any number of epochs, and checkpoint."""
        seed = seed_of(self._key(estimator, architecture, replace(context, epochs=None)))
        if context.epochs is None:
            return replace(context, seed=seed)
        fewer = [epochs for epochs in estimator.fidelities() if epochs < context.epochs]
        keys = (self._key(estimator, architecture, replace(context, epochs=epochs)) for epochs in reversed(fewer))
        return replace(context, seed=seed, checkpoint=next(filter(None, map(self._checkpoint, keys)), None))

    def _checkpoint(self, key: str) -> Path | None:
        """Return the checkpoint that an estimate left, unless it has been removed since."""
        path = RunFolder(self._folder).candidates / f"{key}.ckpt"
        line = self._journal.find("estimate", key)
        if line is None or "checkpoint" not in line or not path.exists():
            return None
        self._journal.check_file(path, line["checkpoint"], line)
        return path

    def _answers(self, estimator: Estimator, work: Work) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive, with a progress bar if that may take a while."""
        if stays_here(estimator) or not work:
            yield from self._executor.run(estimator, work)
            return
        with self._progress.bar(f"estimate ({estimator.name})", len(work)) as bar:
            for done, pair in enumerate(self._executor.run(estimator, work), start=1):
                yield pair
                bar()
                if len(work) > 1 and bar.due:
                    bar.tell(f"{done:,} of {len(work):,}")

    def _write(self, key: str, architecture: Architecture, context: Context, answer: Answer) -> dict[str, Any]:
        """Write the files first, then the line that refers to them; then remove the checkpoint that was used."""
        more: dict[str, Any] = {} if context.epochs is None else {"epochs": context.epochs}
        if answer.tensors is not None:
            self._journal.check_present()
            path = RunFolder(self._folder).candidates / f"{key}.safetensors"
            with atomic(path) as temporary:
                save_file({name: tensor.contiguous() for name, tensor in answer.tensors.items()}, temporary)
            more |= {"weights": str(path.relative_to(self._folder)), "digest": file_digest(path)}
        if answer.checkpoint is not None:
            self._journal.check_present()
            with atomic(path := RunFolder(self._folder).candidates / f"{key}.ckpt") as temporary:
                temporary.write_bytes(answer.checkpoint)
            more |= {"checkpoint": file_digest(path)}
        line = self._journal.write(
            "estimate",
            key,
            architecture=architecture.to_json(),
            metrics=dict(answer.metrics),
            status=answer.status,
            reason=answer.reason,
            seconds=round(answer.seconds, 4),
            machine=answer.machine,
            **more,
        )
        if context.checkpoint is not None and answer.status == "ok":
            context.checkpoint.unlink(missing_ok=True)
        return line

    def _key(self, estimator: Estimator, architecture: Architecture, context: Context) -> str:
        """Return the content key of an estimate; only the architecture's part of its text is written each time."""
        weights, epochs = _digest(context), context.epochs
        if (frame := self._frames.get((estimator.name, weights, epochs))) is None:
            data = context.data.fingerprint if estimator.needs_data else ""
            before = [CONTRACT, estimator.name, dict(estimator.options)]
            after = [data, estimator.fingerprint, context.seed, context.threads, weights]
            after += [] if epochs is None else [epochs]
            frame = f"{canonical(before)[:-1]}, ", f", {canonical(after)[1:]}"
            self._frames[estimator.name, weights, epochs] = frame
        return digest_of(canonical([architecture.space, architecture.genes]).join(frame))


def for_estimator(estimator: Estimator, context: Context) -> Context:
    """Return the context without epochs, unless the estimator depends on them."""
    return context if context.epochs is None or has_fidelities(estimator) else replace(context, epochs=None)


def _digest(context: Context) -> str:
    """Return the version of the context's weights; empty without any."""
    return context.weights.digest if context.weights else ""


def merged(architecture: Architecture, lines: Sequence[Mapping[str, Any]], context: Context) -> Evaluation:
    """Return the evaluation of a candidate from each estimator's line in the journal."""
    broken = next((line for line in lines if line["status"] != "ok"), None)
    return Evaluation(
        architecture,
        {} if broken else {name: value for line in lines for name, value in line["metrics"].items()},
        broken["status"] if broken else "ok",
        broken["reason"] if broken else "; ".join(line["reason"] for line in lines if line["reason"]),
        context.seed,
        sum(line["seconds"] for line in lines),
        next((line["weights"] for line in lines if "weights" in line), None),
        context.epochs,
    )
