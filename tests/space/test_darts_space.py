"""Genotypes, vectors and mixing weights of space=darts."""

import json

import numpy as np
import pytest
import torch
import yaml

from nasforge import Architecture, ArchitectureError, OptionError, UnknownNameError
from nasforge_plugins.space.darts import DARTS

ORDER = ("avg_pool_3x3", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


@pytest.fixture(scope="module", params=[None, ORDER], ids=["published order", "EG-NAS order"])
def space(request):
    return DARTS() if request.param is None else DARTS(operations=request.param)


def test_yaml_lists_the_constructors_options(request):
    text = (request.config.rootpath / "conf" / "space" / "darts.yaml").read_text()
    options = yaml.safe_load(text)
    assert options.pop("name") == "darts"
    defaults = dict(DARTS.__init__.__kwdefaults__)
    assert {**options, "operations": tuple(options["operations"])} == defaults


def test_published_and_canonical_listings_are_equal():
    space = DARTS()
    published = (
        "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1), "
        "('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], "
        "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
        "('max_pool_3x3', 0), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
        "('avg_pool_3x3', 0)], reduce_concat=range(2, 6))"
    )
    assert space.read(published) == space.read("DARTS_V1")


def test_presets_survive_notation_json_and_validation():
    space = DARTS()
    assert len(space.presets) == 15
    for architecture in space.presets.values():
        assert space.read(str(architecture)) == architecture
        assert space.read(json.dumps(architecture.to_json())) == architecture
        assert space.validate(architecture) == architecture


def test_draw_shows_both_cells():
    normal, reduction = DARTS().draw(DARTS().read("DARTS_V2"))
    assert (normal.title, reduction.title) == ("normal cell", "reduction cell")
    assert normal.nodes == ("c_{k-2}", "c_{k-1}", "0", "1", "2", "3", "c_{k}")
    assert (0, 2, "sep_conv_3x3") in normal.edges
    assert [edge for edge in normal.edges if not edge[2]] == [(state, 6, "") for state in (2, 3, 4, 5)]


def broken(**changes):
    genes = dict(DARTS().read("DARTS_V1").genes) | changes
    return Architecture.of("darts", {name: value for name, value in genes.items() if value is not None})


GOOD = (("sep_conv_3x3", 0), ("sep_conv_3x3", 1))


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        (broken(reduce=None), "needs the field 'reduce'"),
        (broken(extra=1), "space 'darts' has no field 'extra'; its fields are normal, normal_concat"),
        (broken(normal="x"), "field 'normal' must be a list of nodes, each two"),
        (broken(normal=(GOOD, GOOD[:1])), "field 'normal', node 1 must be two"),
        (broken(normal=(GOOD, ("x", GOOD[0]))), "field 'normal', node 1 holds 'x' where an"),
        (broken(normal=((("none", 0), GOOD[1]),)), "node 0 has the operation 'none'; expected one of max_pool"),
        (broken(normal=((("sep_conv_3x3", 2), GOOD[1]),)), "node 0 takes state 2; expected an integer from 0 to 1"),
        (broken(normal=((("sep_conv_3x3", True), GOOD[1]),)), "node 0 takes state True"),
        (broken(normal_concat=(2, 2)), "field 'normal_concat' is (2, 2); expected distinct states from 0 to 5"),
        (broken(reduce_concat=(1, 2)), "field 'reduce_concat' is (1, 2); expected distinct states from 2 to 5"),
        (Architecture.of("other", {}), "an architecture of space 'other' does not belong to space 'darts'"),
    ],
)
def test_validation_names_field_and_expectation(architecture, sentence):
    with pytest.raises(ArchitectureError) as error:
        DARTS().validate(architecture)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Genotype(normal=[", "the genotype cannot be read as Genotype("),
        ("Genotype(1)", "it is not a call with named fields"),
        ("Genotype(normal=[('sep_conv_3x3', 1)])", "field 'normal' has an odd number of pairs, 1; expected two"),
    ],
)
def test_broken_notation(text, sentence):
    with pytest.raises(ArchitectureError) as error:
        DARTS().read(text)
    assert sentence in str(error.value)


def test_unknown_preset_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'DARTS_V2'"):
        DARTS().read("DARTS_V3")


def test_vectors_and_mixes_go_both_ways(space):
    rng = np.random.default_rng(0)
    assert space.cardinalities == (1, 7, 7, 3, 7, 7, 6, 7, 7, 10, 7, 7) * 2
    for _ in range(300):
        vector = rng.integers(space.cardinalities)
        architecture = space.decode(vector)
        assert np.array_equal(space.encode(architecture), vector)
        assert space.validate(architecture) == architecture
        assert space.derive(space.mix_of(architecture)) == architecture
        assert space.mutate(architecture, rng) != architecture
        mix = space.mix_of(architecture)
        assert all(rows.sum() == 8 and rows.shape == (14, 7) and rows.sum(1).max() == 1 for rows in mix.values())


def test_presets_of_other_papers_have_no_vector():
    space = DARTS()
    for use in (space.encode, space.mix_of, lambda a: space.mutate(a, np.random.default_rng(0))):
        with pytest.raises(ArchitectureError, match="the normal cell has 5 nodes; the supernet of space 'darts' has 4"):
            use(space.read("NASNet_A"))
    for name in set(space.presets) - {"NASNet_A", "AmoebaNet_A", "AmoebaNet_A_google"}:
        preset = space.read(name)
        assert space.decode(space.encode(preset)) == preset


def test_cells_outside_the_candidates_have_no_vector():
    nodes = (GOOD, GOOD, GOOD, GOOD)
    small = DARTS(operations=["skip_connect", "sep_conv_3x3"])
    with pytest.raises(ArchitectureError, match="'max_pool_3x3', which is not among the candidates"):
        small.encode(small.read("DARTS_V1"))
    with pytest.raises(ArchitectureError, match="node 3 of the normal cell takes state 0 twice"):
        DARTS().encode(broken(normal=(*nodes[:3], (GOOD[0], GOOD[0]))))
    with pytest.raises(ArchitectureError, match=r"the reduce cell concatenates states \[3, 4\]"):
        DARTS().encode(broken(reduce_concat=(3, 4)))
    with pytest.raises(ArchitectureError, match="24 integers below"):
        DARTS().decode(np.full(24, 7))


def test_ties_keep_the_lower_state_and_the_earlier_operation():
    space = DARTS()
    derived = space.derive({cell: torch.full((14, 7), 1 / 7) for cell in ("normal", "reduce")})
    assert derived["normal"] == ((("max_pool_3x3", 0), ("max_pool_3x3", 1)),) * 4


def test_derive_prefers_the_two_strongest_edges():
    rows = torch.full((14, 7), 0.1)
    rows[9 + 4, 3], rows[9 + 2, 6] = 0.5, 0.4
    derived = DARTS().derive({"normal": rows, "reduce": rows})
    assert derived["normal"][3] == (("dil_conv_5x5", 2), ("sep_conv_3x3", 4))


def test_mix_softmaxes_once_and_drops_none():
    space = DARTS()
    alphas = {cell: torch.randn(3, 14, 8, dtype=torch.float64) for cell in ("normal", "reduce")}
    betas = {cell: torch.randn(3, 14, dtype=torch.float64) for cell in alphas}
    plain, mixed = space.mix(alphas), space.mix(alphas, betas)
    for cell in alphas:
        torch.testing.assert_close(plain[cell], alphas[cell].softmax(-1)[..., 1:])
        shares = torch.cat([part.softmax(-1) for part in betas[cell].split([2, 3, 4, 5], dim=-1)], dim=-1)
        torch.testing.assert_close(mixed[cell], alphas[cell].softmax(-1)[..., 1:] * shares[..., None])
        torch.testing.assert_close(mixed[f"{cell}_bypass"], shares)
    without = space.mix({cell: values[..., 1:] for cell, values in alphas.items()})
    assert set(without) == {"normal", "reduce"}
    torch.testing.assert_close(without["normal"].sum(-1), torch.ones(3, 14, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"alphas\['normal'\] has shape \(14, 5\); space 'darts' expects \(14, 7\)"):
        space.mix({cell: torch.zeros(14, 5) for cell in alphas})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"channels": 6},
            "space.channels=6 is not divisible by space.partial_channels=4: each edge mixes "
            "channels/partial_channels; channels=8 or partial_channels=1 or 2 or 3 or 6 would fit",
        ),
        ({"operations": ["none"]}, "space.operations holds 'none'; leave it out and set space.include_none=true"),
        ({"operations": ["sep_conv"]}, "space.operations: no candidate operation named 'sep_conv'. Did you mean"),
        ({"operations": ["skip_connect"] * 2}, "space.operations names a candidate twice"),
    ],
)
def test_options_that_do_not_go_together(options, sentence):
    with pytest.raises(OptionError) as error:
        DARTS(**options)
    assert sentence in str(error.value)
