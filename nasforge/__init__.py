"""nasforge: neural architecture search built from plug-ins. This file is the whole public API; plug-ins import from it.

Names load on first use, so that `nasforge --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # type checkers read this block; `_HOMES` below is used at run time, and a test keeps the two equal
    from nasforge.architecture import (
        Architecture as Architecture,
        CellGraph as CellGraph,
        Constraint as Constraint,
        Evaluation as Evaluation,
        Metrics as Metrics,
        Objective as Objective,
        ParetoFront as ParetoFront,
    )
    from nasforge.charts.mixes import (
        mix_over_time as mix_over_time,
    )
    from nasforge.charts.plots import (
        SERIES as SERIES,
        WIDE as WIDE,
        axes_of as axes_of,
        in_percent as in_percent,
        legend as legend,
        over_decades as over_decades,
        scale_axis as scale_axis,
        whole_numbers as whole_numbers,
    )
    from nasforge.charts.svg import (
        LIGHT as LIGHT,
        svg_of as svg_of,
    )
    from nasforge.choices.declare import (
        choice as choice,
        kernel as kernel,
        repeat as repeat,
        width as width,
    )
    from nasforge.choices.sizes import (
        derived as derived,
    )
    from nasforge.choices.space import (
        ChoiceSpace as ChoiceSpace,
    )
    from nasforge.command.api import (
        ask_tell as ask_tell,
        search as search,
    )
    from nasforge.command.simulations import (
        simulate as simulate,
    )
    from nasforge.command.verdicts import (
        verdict as verdict,
    )
    from nasforge.data import (
        DataModule as DataModule,
        FitData as FitData,
        Preprocessing as Preprocessing,
        SearchData as SearchData,
    )
    from nasforge.devices.portions import (
        Portion as Portion,
    )
    from nasforge.devices.threads import (
        torch_threads as torch_threads,
    )
    from nasforge.devices.transfer import (
        sent as sent,
    )
    from nasforge.errors import (
        AbilityError as AbilityError,
        ArchitectureError as ArchitectureError,
        DataError as DataError,
        ExportError as ExportError,
        NasforgeError as NasforgeError,
        OptionError as OptionError,
        RunError as RunError,
        UnknownNameError as UnknownNameError,
        reason as reason,
        text_of as text_of,
        unknown as unknown,
    )
    from nasforge.estimator import (
        Context as Context,
        Estimate as Estimate,
        Estimator as Estimator,
        Infeasible as Infeasible,
        Weights as Weights,
        common_fidelities as common_fidelities,
    )
    from nasforge.experiment.forecast import (
        step_seconds as step_seconds,
    )
    from nasforge.experiment.outcome import (
        Outcome as Outcome,
    )
    from nasforge.export.classifier import (
        Classifier as Classifier,
    )
    from nasforge.export.exporter import (
        Exporter as Exporter,
        FoundNetwork as FoundNetwork,
    )
    from nasforge.export.loaded_run import (
        LoadedRun as LoadedRun,
        load as load,
    )
    from nasforge.export.transform import (
        Transform as Transform,
        fitted as fitted,
    )
    from nasforge.images import (
        HELD_OUT_NOTE as HELD_OUT_NOTE,
        Images as Images,
        ImageSet as ImageSet,
        SeededBatches as SeededBatches,
        ViewedImages as ViewedImages,
        hold_out as hold_out,
        scaled_shape as scaled_shape,
    )
    from nasforge.judging.judgment import (
        Verdict as Verdict,
    )
    from nasforge.latency.measurements import (
        Measurements as Measurements,
    )
    from nasforge.latency.promise import (
        measured_promise as measured_promise,
    )
    from nasforge.loggers.run_logger import (
        RunFacts as RunFacts,
        RunLogger as RunLogger,
    )
    from nasforge.memory import (
        PlannedNetwork as PlannedNetwork,
    )
    from nasforge.networks.batch_norms import (
        batch_statistics as batch_statistics,
    )
    from nasforge.networks.convolutions import (
        PointwiseConv2d as PointwiseConv2d,
        pointwise as pointwise,
    )
    from nasforge.networks.known_mix import (
        KnownMix as KnownMix,
        readable_mix as readable_mix,
    )
    from nasforge.networks.mixing import (
        counted_batch as counted_batch,
        drop_path as drop_path,
        scaled_norm as scaled_norm,
        softmax_per_node as softmax_per_node,
        weighted_sum as weighted_sum,
    )
    from nasforge.networks.operations import (
        OPERATIONS as OPERATIONS,
        FactorizedReduce as FactorizedReduce,
        Operation as Operation,
        ReLUConvBN as ReLUConvBN,
        dil_conv as dil_conv,
        operation as operation,
        pad_to_even as pad_to_even,
        sep_conv as sep_conv,
    )
    from nasforge.networks.sizes import (
        network_size as network_size,
    )
    from nasforge.networks.split_supernet import (
        SplitSupernet as SplitSupernet,
        build_supernet as build_supernet,
    )
    from nasforge.networks.weight_inheritance import (
        WeightInheritance as WeightInheritance,
    )
    from nasforge.networks.wider_space import (
        WiderSpace as WiderSpace,
    )
    from nasforge.pareto import (
        rank_sums as rank_sums,
    )
    from nasforge.randomness import (
        isolated as isolated,
        rng_of as rng_of,
        seed_of as seed_of,
    )
    from nasforge.registry.entry_points import (
        build as build,
    )
    from nasforge.registry.option_groups import (
        AdamOptions as AdamOptions,
        MixtureOptions as MixtureOptions,
        SGDOptions as SGDOptions,
        SupernetOptions as SupernetOptions,
        now_grouped as now_grouped,
    )
    from nasforge.registry.places import (
        data_folder as data_folder,
        user_path as user_path,
    )
    from nasforge.registry.quieting import (
        quiet as quiet,
    )
    from nasforge.registry.ranges import (
        BatchSize as BatchSize,
        Cells as Cells,
        Channels as Channels,
        Clip as Clip,
        Count as Count,
        CountOrZero as CountOrZero,
        Factor as Factor,
        FinalLearningRate as FinalLearningRate,
        Fraction as Fraction,
        LearningRate as LearningRate,
        Momentum as Momentum,
        Population as Population,
        Probability as Probability,
        WeightDecay as WeightDecay,
        Workers as Workers,
    )
    from nasforge.registry.user_modules import (
        Importable as Importable,
        importable as importable,
    )
    from nasforge.result import (
        Promise as Promise,
        Result as Result,
        SearchResult as SearchResult,
    )
    from nasforge.run.run import (
        Run as Run,
    )
    from nasforge.run.supernets import (
        FinishedSupernet as FinishedSupernet,
    )
    from nasforge.space import (
        Elastic as Elastic,
        Mix as Mix,
        Network as Network,
        RowGroup as RowGroup,
        SearchSpace as SearchSpace,
        Shape as Shape,
        Supernet as Supernet,
        VectorEncoded as VectorEncoded,
        WeightSharing as WeightSharing,
        size_or_default as size_or_default,
    )
    from nasforge.standalone.asking import (
        AskTell as AskTell,
        Candidate as Candidate,
    )
    from nasforge.standalone.simulation import (
        Simulation as Simulation,
    )
    from nasforge.strategy import (
        AskTellStrategy as AskTellStrategy,
        Strategy as Strategy,
    )
    from nasforge.tables.array_files import (
        ArrayFile as ArrayFile,
        open_arrays as open_arrays,
    )
    from nasforge.tables.columns import (
        Basis as Basis,
        Column as Column,
        Origin as Origin,
    )
    from nasforge.tables.files import (
        find_table as find_table,
    )
    from nasforge.tables.table import (
        Table as Table,
    )
    from nasforge.training.captured_steps import (
        capturable as capturable,
        capturable_in_parts as capturable_in_parts,
    )
    from nasforge.training.fit import (
        train as train,
    )
    from nasforge.training.modules import (
        FitModule as FitModule,
        OneShotModule as OneShotModule,
        SupernetModule as SupernetModule,
        supernet_state as supernet_state,
    )
    from nasforge.training.network_module import (
        NetworkModule as NetworkModule,
    )
    from nasforge.training.scoring import (
        one_hot_l1 as one_hot_l1,
        ordered_batches as ordered_batches,
        score as score,
    )
    from nasforge.training.shared_weights import (
        SharedWeights as SharedWeights,
        load_supernet as load_supernet,
    )
    from nasforge.training.weight_store import (
        WeightStore as WeightStore,
        entries as entries,
    )
    from nasforge.wording import (
        amount as amount,
        counted as counted,
        duration as duration,
        numbers as numbers,
        words as words,
    )

_HOMES = {
    "command.api": "ask_tell search",
    "standalone.asking": "AskTell Candidate",
    "command.simulations": "simulate",
    "command.verdicts": "verdict",
    "standalone.simulation": "Simulation",
    "judging.judgment": "Verdict",
    "choices.declare": "choice kernel repeat width",
    "choices.sizes": "derived",
    "choices.space": "ChoiceSpace",
    "registry.user_modules": "Importable importable",
    "architecture": "Architecture CellGraph Constraint Evaluation Metrics Objective ParetoFront",
    "networks.mixing": "counted_batch drop_path scaled_norm softmax_per_node weighted_sum",
    "networks.batch_norms": "batch_statistics",
    "networks.convolutions": "PointwiseConv2d pointwise",
    "data": "DataModule FitData Preprocessing SearchData",
    "devices.portions": "Portion",
    "devices.threads": "torch_threads",
    "devices.transfer": "sent",
    "errors": "AbilityError ArchitectureError DataError ExportError NasforgeError OptionError RunError "
    "UnknownNameError reason text_of unknown",
    "estimator": "Context Estimate Estimator Infeasible Weights common_fidelities",
    "training.fit": "train",
    "experiment.forecast": "step_seconds",
    "images": "HELD_OUT_NOTE ImageSet Images SeededBatches ViewedImages hold_out scaled_shape",
    "memory": "PlannedNetwork",
    "charts.mixes": "mix_over_time",
    "charts.plots": "SERIES WIDE axes_of in_percent legend over_decades scale_axis whole_numbers",
    "charts.svg": "LIGHT svg_of",
    "networks.sizes": "network_size",
    "networks.operations": "OPERATIONS FactorizedReduce Operation ReLUConvBN dil_conv operation pad_to_even sep_conv",
    "experiment.outcome": "Outcome",
    "export.classifier": "Classifier",
    "export.loaded_run": "LoadedRun load",
    "export.transform": "Transform fitted",
    "export.exporter": "Exporter FoundNetwork",
    "pareto": "rank_sums",
    "registry.quieting": "quiet",
    "registry.option_groups": "AdamOptions MixtureOptions SGDOptions SupernetOptions now_grouped",
    "registry.places": "data_folder user_path",
    "randomness": "isolated rng_of seed_of",
    "registry.ranges": "BatchSize Cells Channels Clip Count CountOrZero Factor FinalLearningRate Fraction "
    "LearningRate Momentum Population Probability WeightDecay Workers",
    "registry.entry_points": "build",
    "latency.measurements": "Measurements",
    "latency.promise": "measured_promise",
    "result": "Promise Result SearchResult",
    "run.run": "Run",
    "run.supernets": "FinishedSupernet",
    "training.shared_weights": "SharedWeights load_supernet",
    "space": "Elastic Mix Network RowGroup SearchSpace Shape Supernet VectorEncoded WeightSharing size_or_default",
    "strategy": "AskTellStrategy Strategy",
    "training.scoring": "one_hot_l1 ordered_batches score",
    "tables.array_files": "ArrayFile open_arrays",
    "tables.columns": "Basis Column Origin",
    "tables.table": "Table",
    "tables.files": "find_table",
    "training.captured_steps": "capturable capturable_in_parts",
    "training.modules": "FitModule OneShotModule SupernetModule supernet_state",
    "training.network_module": "NetworkModule",
    "loggers.run_logger": "RunFacts RunLogger",
    "training.weight_store": "WeightStore entries",
    "networks.known_mix": "KnownMix readable_mix",
    "networks.split_supernet": "SplitSupernet build_supernet",
    "networks.weight_inheritance": "WeightInheritance",
    "networks.wider_space": "WiderSpace",
    "wording": "amount counted duration numbers words",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nasforge' has no attribute '{name}'")
    return getattr(importlib.import_module(f"nasforge.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
