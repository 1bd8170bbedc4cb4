"""Weights & Biases (https://docs.wandb.ai): one of its runs for each run of nasforge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nasforge import OptionError, RunFacts, RunLogger

FINISH = 300.0
"""How many seconds the end of a run waits for uploads; what is left stays on disk for `wandb sync`."""


class WeightsAndBiases(RunLogger):
    """Records a run in Weights & Biases: on its server, or offline in a folder that `wandb sync` uploads later.

    `WANDB_MODE` overrides `offline`; the other variables of wandb, such as `WANDB_API_KEY` and `WANDB_BASE_URL`, are
    respected.

    Args:
        project, entity: where runs belong; null: wandb's default entity.
        name: null: the name of the run's folder.
        group: null: the sweep's name, if the run is a job of one.
        offline: whether to send nothing.
        save_dir: wandb's files go to a folder `wandb` in it.
    """

    packages: ClassVar[Mapping[str, str]] = {"wandb": "wandb"}

    def __init__(
        self,
        *,
        project: str = "nasforge",
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: tuple[str, ...] = (),
        offline: bool = False,
        save_dir: Path = Path("RUN"),
    ) -> None:
        super().__init__()
        self._place = {"project": project, "entity": entity}
        self._name, self._group, self._tags = name, group, tags
        self._offline, self._folder = offline, save_dir
        self._run: Any = None
        self._axes: set[str] = set()

    @property
    def name(self) -> str | None:
        """The project."""
        return self._place["project"]

    @property
    def save_dir(self) -> str:
        """Where wandb puts its files."""
        return str(self._folder)

    @property
    def experiment(self) -> Any:
        """The `wandb.Run`, once the run has begun."""
        return self._run

    @property
    def mode(self) -> str:
        """What wandb calls the way of logging: online, offline or disabled."""
        mode = os.environ.get("WANDB_MODE") or ("offline" if self._offline else "online")
        return "offline" if mode == "dryrun" else mode

    @property
    def destination(self) -> str:
        """The server, unless this logs offline."""
        return "" if self.mode in ("offline", "disabled") else os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")

    def check(self) -> None:
        """Raise an `OptionError` if wandb is to send something, but is not logged in."""
        import wandb

        if self.destination and not wandb.login(prompt=False):
            raise OptionError(
                "logger=wandb is not logged in: run `wandb login`, set WANDB_API_KEY, or add logger.wandb.offline=true"
            )

    def begin(self, facts: RunFacts) -> str:
        """Open the run, or continue the one with the same identifier."""
        import wandb

        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            **self._place,
            id=facts.identifier,
            resume="allow" if self.mode == "online" else None,  # offline, `wandb sync` joins what has the same id
            name=self._name or facts.folder.name,
            group=self._group or facts.sweep or None,
            tags=self._tags,
            config=dict(facts.config),
            dir=self.save_dir,
            mode=self.mode,  # type: ignore[arg-type]  # from the environment; wandb checks it
            reinit="create_new",  # leaves a run alone that the user's own program has open
            settings=wandb.Settings(silent=True, console="off", finish_timeout=FINISH, finish_timeout_raises=True),
        )
        if self.mode == "offline":
            return f"wandb: offline; `wandb sync {Path(self._run.dir).parent}` sends it"
        return f"wandb: {self._run.url or self.mode}"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics `section/name`; each section has its own step, because every fit counts from 0."""
        section = next(iter(metrics)).rpartition("/")[0]
        axis = f"{section}/step"
        if axis not in self._axes:
            self._axes.add(axis)
            self._run.define_metric(axis, hidden=True)
            self._run.define_metric(f"{section}/*", step_metric=axis)
        self._run.log({**metrics, axis: step})

    def log_picture(self, title: str, svg: str) -> None:
        """Log the picture as HTML, because wandb's images cannot be SVG."""
        import wandb

        self._run.log({f"pictures/{title}": wandb.Html(svg[svg.find("<svg") :], inject=False)})

    def log_file(self, path: Path) -> None:
        """Log the file as an artifact."""
        import wandb

        artifact = wandb.Artifact(f"{path.stem}-{self._run.id}", type=path.stem)
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def finalize(self, status: str) -> None:
        """Finish this start of the run."""
        self._run.finish(exit_code=0 if status == "success" else 1)
