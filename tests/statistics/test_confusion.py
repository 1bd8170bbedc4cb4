"""Which class was taken for which: counted right, added up over trainings, the worst class first."""

import numpy as np
import torch

from nasforge.statistics.confusion import Confusions, accuracy, added, confusion, predictions

LOGITS = torch.eye(3)[[0, 0, 1, 2, 2, 0]]
LABELS = torch.tensor([0, 1, 1, 2, 2, 2])


def test_rows_are_true_classes_and_columns_what_they_are_taken_for():
    batches = [(LOGITS[:4], LABELS[:4]), (LOGITS[4:], LABELS[4:])]
    matrix = confusion(predictions(lambda images: images, batches), 3)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 2]]
    assert accuracy(matrix) == 4 / 6


def test_trainings_are_added_up_and_come_back_from_the_file(tmp_path):
    one = [[1, 0, 0], [1, 1, 0], [1, 0, 2]]
    both = added(("a", "b", "c"), [one, one])
    both.write(tmp_path)
    again = Confusions.read((tmp_path / "confusion.json").read_text())
    assert again.counts.tolist() == (2 * np.array(one)).tolist()
    assert again.trainings == 2
    assert again.by_class == [("b", 2, 0.5, "a (50.0 %)"), ("c", 3, 2 / 3, "a (33.3 %)"), ("a", 1, 1.0, "")]


def test_it_is_left_out_where_a_training_has_none():
    assert added(("a", "b"), [[[1, 0], [0, 1]], None]) is None
    assert added(("a", "b"), []) is None
