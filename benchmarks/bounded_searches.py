"""Searches of NAS-Bench-201 under `params_m<=0.5`, 20 seeds of each strategy: how many find a cell within the bound.

    python benchmarks/bounded_searches.py [--seeds 20] [--one-shot darts,egnas] [--folder runs/bounded_searches]

Strategies that propose candidates are simulated on the installed table, with 50 candidates each. One-shot strategies
train small supernets on digits for one or two epochs, so their mixes are nearly those of an untrained supernet, and
derive a cell within the bound; their finished searches are kept in the folder. The parameters of the found cells are
counted anew. Writes `benchmarks/results/bounded_searches.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nasforge
from nasforge import Architecture, network_size
from nasforge.registry.entry_points import build
from reporting import parser, write
from searches import searched

LIMIT = 0.5
BOUND = f"params_m<={LIMIT}"
CANDIDATES = ("random_search", "regularized_evolution", "local_search", "nsga2", "nevergrad")
DIGITS = ["space=nasbench201", "space.channels=4", "data=digits", "data.batch_size=128", f"constraints=['{BOUND}']",
          "control.samples=2", "retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu"]  # fmt: skip
ONE_SHOT = {
    "darts": ["strategy.epochs=1"],
    "pc_darts": ["strategy.epochs=2", "strategy.warmup_epochs=1"],
    "egnas": ["strategy.epochs=2", "strategy.warmup_epochs=1", "strategy.samples=1", "strategy.population=2"],
    "medarts": ["strategy.stages=[{name: first, cells: 3, epochs: 1, population: 2}]"],
}


def simulated(strategy: str, seeds: int) -> list[Architecture | None]:
    """The cell that each search finds on the table; None if it finds none within the bound."""
    simulation = nasforge.simulate(
        strategy, "nasbench201", "cifar10", seeds=range(seeds), constraints=[BOUND], budget={"evaluations": 50}
    )
    return [simulation.architectures[number] if number >= 0 else None for number in simulation.found]


def derived(folder: Path, strategy: str, seeds: int) -> list[Architecture | None]:
    """The cell that each one-shot search derives."""
    words = [f"strategy={strategy}", *DIGITS, *ONE_SHOT[strategy]]
    results = [searched(folder / f"{strategy}_{seed}", [*words, f"seed={seed}"]) for seed in range(seeds)]
    return [Architecture.from_json(result["architecture"]) for result in results]


def parameters(cell: Architecture, shape: tuple[int, int, int]) -> float:
    """In millions, of the cell's network for images of this shape and ten classes."""
    space = build("space", {"name": "nasbench201"})
    return network_size(space.build(cell, shape, 10), shape)["params_m"]


def rows(sizes: Mapping[str, Sequence[float]], seeds: int) -> Iterator[str]:
    """The table."""
    yield "| strategy | searches | found a cell within the bound | largest of these |"
    yield "| --- | ---: | ---: | ---: |"
    for strategy, found in sizes.items():
        within = [size for size in found if size <= LIMIT]
        yield f"| `{strategy}` | {seeds} | **{len(within)}** | {max(within):.3f} M |"


def main() -> None:
    options = parser(__doc__, seeds=20, one_shot=",".join(ONE_SHOT), folder="runs/bounded_searches").parse_args()
    folder, one_shot = Path(options.folder).absolute(), [name for name in options.one_shot.split(",") if name]
    about = (
        f"Searches of NAS-Bench-201 under `{BOUND}`. Sizes were counted after the search: of networks for CIFAR-10, "
        "and after one-shot searches of those for digits."
    )
    sizes: dict[str, list[float]] = {}
    for strategy in (*CANDIDATES, *one_shot):
        table = strategy in CANDIDATES
        cells = simulated(strategy, options.seeds) if table else derived(folder, strategy, options.seeds)
        shape = (3, 32, 32) if table else (1, 8, 8)
        sizes[strategy] = [parameters(cell, shape) for cell in cells if cell is not None]
        write("bounded_searches", "Searches within a bound", about, rows(sizes, options.seeds))


if __name__ == "__main__":
    main()
