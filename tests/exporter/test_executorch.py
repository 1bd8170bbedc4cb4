"""`nasforge export --to executorch`: ExecuTorch's runtime computes what the network computes."""

import pytest

from nasforge.registry.entry_points import build

pytest.importorskip("executorch.runtime", reason="EXECUTORCH NOT CHECKED: pip install 'nasforge[executorch]'")


@pytest.mark.parametrize(("space", "shape", "normalize"), [("nasbench201", (1, 9, 14), True),
                                                           ("reolon", (3, 15, 18), False)])  # fmt: skip
def test_the_program_keeps_the_logits_through_xnnpack(space, shape, normalize, make_found, tmp_path):
    exporter = build("exporter", {"name": "executorch", "normalize": normalize})
    found = make_found(space, shape=shape)
    (path,) = exporter.write(found, tmp_path)
    assert exporter.check(tmp_path, found) < 1e-5
    assert b"XnnpackBackend" in path.read_bytes()
