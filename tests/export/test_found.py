"""What an export reads besides the network."""

import torch

import nasforge
from nasforge.export import found
from nasforge.registry.entry_points import build


def test_test_images_are_read_in_batches_and_in_their_order(trained_run, few_images, monkeypatch):
    monkeypatch.setattr(found, "TEST_BATCH", 4)
    batches = list(found.found_in(nasforge.load(trained_run)).test())
    whole = build("data", {"name": "arrays", "path": str(few_images)}).test
    images, labels = whole[torch.arange(len(whole))]
    assert len(labels) % 4
    assert [len(batch) for _, batch in batches] == [4] * (len(labels) // 4) + [len(labels) % 4]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), images)
    assert torch.equal(torch.cat([batch for _, batch in batches]), labels)
