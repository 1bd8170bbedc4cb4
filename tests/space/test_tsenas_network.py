"""Networks of space=tsenas: its cells against those of space=darts, alignment, caps, names of tensors, every chromosome
that the operators make."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import ArchitectureError, FactorizedReduce, OptionError, ReLUConvBN, operation
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.darts.network import EvaluationCell
from nasforge_plugins.space.tsenas import TSENAS, inside
from nasforge_plugins.space.tsenas.chain import Chain
from nasforge_plugins.space.tsenas.known import NAMES, REDUCTION
from nasforge_plugins.space.tsenas.network import ChainCell, places

PAPERS = {1: "AmoebaNet_A", 2: "NASNet_A", 3: "DARTS_V2", 4: "CARS_H"}
EXAMPLE = "0 | 0 0 2 | 0 1 6 | 1 2 1 | 0 3 7 | 2 4 4"


@pytest.fixture(scope="module")
def space():
    return TSENAS()


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def published(code):
    """The genotype of a known cell as space=darts holds it: nodes, and the states nobody takes."""
    preset = DARTS().presets[PAPERS[(code - 1) % 4 + 1]]
    nodes = preset["reduce" if code in REDUCTION else "normal"]
    taken = {state for node in nodes for _, state in node}
    return nodes, [state for state in range(2, 2 + len(nodes)) if state not in taken]


# Against the DARTS space, whose networks have the published sizes


@pytest.mark.parametrize("code", NAMES)
@pytest.mark.parametrize("halvings", [0, 1])
def test_a_cell_computes_what_the_published_genotype_computes(space, code, halvings):
    """With its weights, and its loose ends added where the DARTS space concatenates them."""
    reduction = code in REDUCTION
    nodes, loose_ends = published(code)
    theirs = EvaluationCell(nodes, loose_ends, (5, 7), 6, (reduction, bool(halvings)))
    ours = ChainCell(space.known_cells[code], reduction, (5, 7), 6, halvings)
    assert parameters(ours) == parameters(theirs)
    copy_weights(ours, theirs)
    images = torch.randn(2, 5, 9 if halvings else 5, 9 if halvings else 5), torch.randn(2, 7, 5, 5)
    expected = sum(theirs(*images, 0.0).chunk(len(loose_ends), dim=1))
    torch.testing.assert_close(ours(dict(enumerate(images)), 0.0), expected)


def copy_weights(ours, theirs):
    ours.inputs["0"][0].load_state_dict(theirs.preprocess0.state_dict())
    ours.inputs["1"].conv.load_state_dict(theirs.preprocess1.state_dict())
    flat = list(zip(theirs.sources, theirs.operations, strict=True))
    left = [flat[at : at + 2] for at in range(0, len(flat), 2)]
    for node, (_, incoming) in zip(left, ours.edges.items(), strict=True):
        for name, source in incoming:
            layer = ours.operations[name]
            at = next(i for i, (state, other) in enumerate(node) if (state, str(other)) == (source, str(layer)))
            layer.load_state_dict(node.pop(at)[1].state_dict())


def test_a_chain_of_one_cell_after_another_has_the_size_of_its_parts(space):
    """Stem, DARTS_V2's cells at C, 2C, 2C, 4C, 4C, the alignment of every input, classifier: added up by hand."""
    network = space.build(space.read("0 | 0 0 3 | 0 1 7 | 0 2 3 | 1 3 7 | 0 4 3"), (3, 16, 16), 10, channels=4)
    cells = {
        (code, width): [
            operation(name, width, 2 if code == 7 and state < 2 else 1) for node in nodes for name, state in node
        ]
        for code in (3, 7)
        for nodes, _ in [published(code)]
        for width in (4, 8, 16)
    }
    cells_size = sum(parameters(layer) for key in [(3, 4), (7, 8), (3, 8), (7, 16), (3, 16)] for layer in cells[key])
    aligned = [
        *(ReLUConvBN(4, 4), ReLUConvBN(4, 4)),
        *(ReLUConvBN(4, 8), ReLUConvBN(4, 8)),
        *(FactorizedReduce(4, 8), ReLUConvBN(8, 8)),
        *(FactorizedReduce(4, 16), ReLUConvBN(8, 16)),
        *(FactorizedReduce(4, 16), FactorizedReduce(16, 16), ReLUConvBN(16, 16)),
    ]
    stem = 3 * 4 * 9 + 2 * 4
    assert parameters(network) == stem + cells_size + sum(map(parameters, aligned)) + 16 * 10 + 10


# What stands around the cells


def test_maps_halve_and_widths_double_up_to_the_cap():
    def widths(**options):
        space = TSENAS(reductions=4, **options)
        chain = space.read("0 | 0 0 1 | 0 1 5 | 1 2 6 | 2 3 2 | 3 4 7 | 4 5 8 | 5 6 3 | 6 7 4")
        network = space.build(chain, (1, 32, 32), 2, channels=3)
        shapes = {}
        for position, cell in network.cells.items():
            cell.register_forward_hook(lambda _, __, out, position=position: shapes.update({position: out.shape[1:]}))
        network(torch.randn(2, 1, 32, 32))
        return [tuple(shape[:2]) for shape in shapes.values()]

    capped = [(3, 32), (6, 16), (12, 8), (12, 8), (24, 4), (24, 2), (24, 2), (24, 2)]
    assert widths() == capped
    assert widths(widening=16) == [*capped[:5], (48, 2), (48, 2), (48, 2)]
    assert {width for width, _ in widths(widening=3)} == {3, 6}


def test_unused_inputs_and_cells_that_nothing_depends_on_are_left_out(space):
    previous_only = "[(0,1) (1,1,11,11) 0]"
    earlier_only = "[(0,1) (0,0,11,11) 0]"
    chain = space.read(f"0 | 0 0 1 | 0 1 6 | 1 2 3 {earlier_only} | 2 3 3 {previous_only}")
    network = space.build(chain, (3, 8, 8), 2, channels=4)
    assert list(network.cells) == ["1", "3", "4"]
    assert list(network.cells["3"].inputs) == ["0"]
    assert list(network.cells["4"].inputs) == ["1"]
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_drop_path_spares_plain_identities_but_not_reducing_ones(space, monkeypatch):
    dropped = []
    monkeypatch.setattr(
        "nasforge_plugins.space.tsenas.network.drop_path", lambda x, p, training: dropped.append((p, training)) or x
    )
    identities = "[(0,1) (0,1,1,1) (0,2,1,1) 0]"
    chain = space.read(f"0 | 0 0 1 {identities} | 0 1 5 {identities} | 0 2 1 {identities} | 0 3 1 {identities}")
    network = space.build(chain, (3, 8, 8), 2, channels=2)
    network.drop_path = 0.25
    network(torch.randn(2, 3, 8, 8))
    assert dropped == [(0.25, True)] * 3


def test_large_images_get_a_stem_that_divides_by_eight(space):
    with torch.device("meta"):
        network = space.build(space.read(EXAMPLE), (3, 224, 224), 1000, channels=48)
        assert network.stem(torch.empty(2, 3, 224, 224)).shape == (2, 48, 28, 28)
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    with pytest.raises(OptionError, match=r"space\.channels=5 is odd: images of 128 pixels.*such as 6"):
        space.build(space.read(EXAMPLE), (3, 128, 128), 10, channels=5)
    with pytest.raises(OptionError, match=r"space\.channels=0 must be at least 1"):
        space.build(space.read(EXAMPLE), (3, 8, 8), 10, channels=0)


# Tensors that are handed on


def keyed(space, architecture, **size):
    """(key, shape) of every tensor of a network that may be inherited."""
    with torch.device("meta"):
        tensors = space.build(architecture, (3, 16, 16), 10, **size).state_dict()
    keys = {name: space.weight_key(architecture, name) for name in tensors}
    return {(key, tuple(tensors[name].shape)) for name, key in keys.items() if key}


def test_a_known_cell_has_the_same_keys_wherever_it_stands(space):
    chain, other = space.read("0 | 0 0 2 | 0 1 6 | 1 2 1 | 2 3 1"), space.read("0 | 0 0 1 | 0 1 2 | 1 2 6 | 1 3 1")
    mine, theirs = keyed(space, chain, channels=4), keyed(space, other, channels=4)
    for code in (2, 6):
        ours = {pair for pair in mine if pair[0].startswith(f"{code}/")}
        assert ours == {pair for pair in theirs if pair[0].startswith(f"{code}/")}
        assert len(ours) > 10
    assert ("2/operations.node2_edge0_sep_conv_5x5.1.weight", (4, 1, 5, 5)) in mine
    assert ("6/inputs.1.conv.1.weight", (8, 4, 1, 1)) in mine
    assert ("stem.0.weight", (4, 3, 3, 3)) in mine
    wider = keyed(space, chain, channels=6)
    assert {key for key, _ in wider} == {key for key, _ in mine}
    assert not {pair for pair in wider & mine if "operations" in pair[0]}


def test_statistics_are_not_handed_on_and_foreign_names_are_refused(space):
    chain = space.read(EXAMPLE)
    tensors = space.build(chain, (3, 8, 8), 2, channels=2).state_dict()
    for name in tensors:
        gathered = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert (space.weight_key(chain, name) is None) == gathered
    with pytest.raises(ArchitectureError, match="there is no cell 6 in a chain of 5 cells"):
        space.weight_key(chain, "cells.6.inputs.0.conv.1.weight")


def test_an_edit_inside_keeps_the_other_edges_keys(space):
    rng = np.random.default_rng(0)
    parent = space.read(EXAMPLE)
    before = keyed(space, parent, channels=4)
    for _ in range(20):
        child = space.mutate_operation(parent, 3, rng)
        lost = {key.split(".")[1] for key, _ in before - keyed(space, child, channels=4)}
        assert len(lost) <= 1
        assert lost <= {key.split(".")[1] for key, _ in before if key.startswith("1/operations")}


@pytest.mark.parametrize(
    "options",
    [{}, {"min_cells": 2, "max_cells": 3}, {"max_cells": 6, "reductions": 9}, {"reductions": 0}, {"min_cells": 12}],
)
def test_the_cover_holds_every_known_cell_at_every_width(options):
    space = TSENAS(**options)
    most = space.limits.reductions_of(space.limits.max_cells)
    places_of_cells = set()
    for architecture in space.cover():
        assert space.validate(architecture) == architecture
        _, halvings = places(Chain(architecture["chain"], architecture["cells"]), 1, 2)
        places_of_cells |= {
            (code, halvings[position]) for position, (_, _, code) in enumerate(architecture["chain"], 1)
        }
    normal = {(code, level) for code in (1, 2, 3, 4) for level in range(most + 1)}
    reduction = {(code, level) for code in (5, 6, 7, 8) for level in range(1, most + 1)}
    assert places_of_cells == normal | reduction


def test_the_cover_lends_rough_candidates_their_operations(space):
    """All tensors of the operations of any unedited chain are in a store that was filled from the cover."""
    rng = np.random.default_rng(0)
    stored = set().union(*(keyed(space, architecture, channels=4) for architecture in space.cover()))
    for _ in range(8):
        wanted = {pair for pair in keyed(space, space.sample(rng), channels=4) if "/operations." in pair[0]}
        assert wanted <= stored


# Every chromosome that the operators make


def lineage(space, rng, steps):
    """What long chains of the operators make: mostly edits of edits, some of them crossed, a few fresh ones."""
    pool = [space.sample(rng) for _ in range(4)]
    for step in range(steps):
        parent, other = (pool[index] for index in rng.choice(len(pool), 2, replace=False))
        if step % 40 == 0:
            child = space.sample(rng)
        elif step % 4 == 0:
            child = space.crossover(parent, other, rng)
        elif step % 4 == 1:
            edit = space.prune_node if step % 8 == 1 else space.mutate_operation
            child = edit(parent, int(rng.integers(1, len(space.kinds(parent)) + 1)), rng)
        else:
            child = space.mutate(parent, rng)
        pool = [*pool[-7:], child]
        yield child


def shape_classes(space, architecture):
    """All that decides whether the maps of a network fit together, cell by cell."""
    chain = Chain(architecture["chain"], architecture["cells"])
    widths, halvings = places(chain, 2, space.widening)
    for position in chain.used:
        first, second, _ = chain.links[position - 1]
        depth = halvings[position]
        yield "inputs", chain.reduces(position), halvings[second] - halvings[first], depth, widths[first]
        for _, _, source, code in inside.edges(chain.cells[position - 1]):
            yield "edge", chain.reduces(position) and source < 2, depth, code


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (3, 8, 8)),
        ({"max_cells": 8, "widening": 2, "previous_input": True}, (1, 9, 16)),
        ({"min_cells": 1, "max_cells": 5, "darts": "V1", "amoebanet": "google", "dil_conv_5x5": False}, (3, 12, 8)),
    ],
    ids=["default", "wide maps, narrow cap", "shallow"],
)
def test_every_chromosome_of_the_operators_can_be_built_and_run(options, shape):
    """Each is valid, reads back from its notation, and keeps the caps; whoever holds a new class of shapes is run."""
    space = TSENAS(**options)
    rng = np.random.default_rng(0)
    seen, run, depths, nodes = set(), 0, set(), set()
    for architecture in lineage(space, rng, 1200):
        assert space.read(str(architecture)) == architecture
        kinds = space.kinds(architecture)
        assert kinds.count("reduction") <= min(len(kinds) // 2, 3)
        depths.add(len(kinds))
        nodes |= {len(inside.kept(cell)) for cell in architecture["cells"]}
        classes = set(shape_classes(space, architecture))
        if not classes <= seen:
            seen |= classes
            run += 1
            network = space.build(architecture, shape, 3, channels=2).eval()
            with torch.no_grad():
                logits = network(torch.randn(1, *shape))
            assert logits.shape == (1, 3)
            assert logits.isfinite().all()
    least, most = space.depths
    assert depths == set(range(least, most + 1))
    assert nodes == {1, 2, 3, 4, 5}, "pruning goes down to a single node"
    strided = {(key[1], key[3]) for key in seen if key[0] == "edge"}
    assert strided >= set(itertools.product((True, False), range(1, 14))), "every operation with and without a stride"
    assert run >= 30


def test_networks_of_edited_chromosomes_learn(space):
    """Gradients reach every tensor of what the operators made."""
    rng = np.random.default_rng(3)
    for architecture in itertools.islice(lineage(space, rng, 200), 180, 185):
        network = space.build(architecture, (3, 8, 8), 3, channels=2)
        network(torch.randn(4, 3, 8, 8)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
        assert any(isinstance(layer, nn.Conv2d) for layer in network.modules())
