"""TensorBoard, with the pictures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from nasforge.loggers.run_logger import RunFacts, RunLogger


class TensorBoard(TensorBoardLogger, RunLogger):
    """Lightning's logger, which also gets what a run leaves: its cells as images, and where its report is.

    TensorBoard shows neither SVG nor HTML, so it gets those pictures of which the run's folder holds a PNG.
    """

    version = TensorBoardLogger.version  # each start of a run has one; Python would otherwise choose RunLogger's
    _folder = Path()

    def begin(self, facts: RunFacts) -> str:
        """Remember the run's folder."""
        self._folder = facts.folder
        return f"tensorboard: `tensorboard --logdir {self.root_dir}` shows this run"

    def log_picture(self, title: str, svg: str) -> None:
        """Log the picture's PNG, if there is one."""
        path = self._folder / f"{title.replace(' ', '_')}.png"
        if path.is_file():
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            self.experiment.add_image(f"pictures/{title}", pixels, dataformats="HWC")

    def log_file(self, path: Path) -> None:
        """Log where the file is."""
        self.experiment.add_text(path.stem, f"`{path}`")
