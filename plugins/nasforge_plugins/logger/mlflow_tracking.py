"""MLflow tracking (https://mlflow.org/docs/latest/tracking.html): one of its runs for each run of nasforge."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from nasforge import OptionError, RunFacts, RunLogger

LONGEST = 500
"""How many characters of a parameter every version of MLflow keeps."""
DATABASES = ("sqlite", "mysql", "postgresql", "mssql")


class MLflowTracking(RunLogger):
    """Records a run in MLflow: on a tracking server, or in a folder.

    Args:
        experiment: the experiment that runs belong to; it is made if it does not exist.
        tracking_uri: a server, as in http://localhost:5000; null: `MLFLOW_TRACKING_URI`, or else `save_dir`.
        name: null: the name of the run's folder.
        tags: further tags of the run.
        save_dir: the folder of MLflow's files, if no server is chosen.
    """

    packages: ClassVar[Mapping[str, str]] = {"mlflow": "mlflow"}
    addresses: ClassVar[tuple[str, ...]] = ("tracking_uri",)

    def __init__(
        self,
        *,
        experiment: str = "nasforge",
        tracking_uri: str | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        save_dir: Path = Path("RUN/mlflow"),
    ) -> None:
        super().__init__()
        self._experiment, self._name, self._tags = experiment, name, tags or {}
        self._given = tracking_uri
        self._uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self._folder = save_dir
        self._client: Any = None
        self._run = ""

    @property
    def name(self) -> str:
        """The experiment."""
        return self._experiment

    @property
    def save_dir(self) -> str:
        """Where files go without a server."""
        return str(self._folder)

    @property
    def experiment(self) -> Any:
        """The `MlflowClient`, once the run has begun."""
        return self._client

    @property
    def destination(self) -> str:
        """The server, if there is one."""
        uri = self._uri or ""
        return "" if uri.startswith(("file:", "sqlite:")) or _is_folder(uri) else uri

    def check(self) -> None:
        """Raise an `OptionError` if the address is a folder, or a database without the package that opens it."""
        if self._given is not None and _is_folder(self._given):
            raise OptionError(
                f"logger.mlflow.tracking_uri={self._given}: it must be the address of a server, as in "
                "http://localhost:5000; logger.mlflow.save_dir names a folder"
            )
        if (self._uri or "").startswith(DATABASES) and find_spec("sqlalchemy") is None:
            raise OptionError(f"mlflow-skinny cannot log to {self._uri}. Install the rest with: pip install mlflow")

    def begin(self, facts: RunFacts) -> str:
        """Open the run, or continue the one that has the same identifier as a tag."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a database would need the whole of MLflow
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # by default it waits for minutes
        from mlflow import MlflowClient

        place = self._uri or self._folder.absolute().as_uri()
        self._client = MlflowClient(tracking_uri=place)
        known = self._client.get_experiment_by_name(self._experiment)
        experiment = known.experiment_id if known else self._client.create_experiment(self._experiment)
        before = self._client.search_runs([experiment], f"tags.`nasforge.run` = '{facts.identifier}'")
        if before:
            self._run = before[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._create(experiment, facts)
        return f"mlflow: run {self._run} in {place}"

    def _create(self, experiment: str, facts: RunFacts) -> None:
        from mlflow.entities import Param

        own = {"nasforge.run": facts.identifier, **({"nasforge.sweep": facts.sweep} if facts.sweep else {})}
        name = self._name or facts.folder.name
        self._run = self._client.create_run(experiment, tags={**self._tags, **own}, run_name=name).info.run_id
        params = [Param(key, str(value)[:LONGEST]) for key, value in facts.config.items()]
        for start in range(0, len(params), 100):  # as many as a server takes at once
            self._client.log_batch(self._run, params=params[start : start + 100])

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the metrics at once."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        points = [Metric(name, float(value), now, step or 0) for name, value in metrics.items()]
        self._client.log_batch(self._run, points)

    def log_picture(self, title: str, svg: str) -> None:
        """Log the picture as an SVG file."""
        self._client.log_text(self._run, svg, f"pictures/{title}.svg")

    def log_file(self, path: Path) -> None:
        """Log the file as an artifact."""
        self._client.log_artifact(self._run, str(path))

    def finalize(self, status: str) -> None:
        """Finish this start of the run."""
        self._client.set_terminated(self._run, "FINISHED" if status == "success" else "KILLED")


def _is_folder(uri: str) -> bool:
    return "://" not in uri and not uri.startswith(("file:", "databricks"))
