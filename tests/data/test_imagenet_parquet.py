"""ImageNet as parquet files: the same images as in folders, and clear mistakes."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from nasforge import DataError, DataModule, OptionError
from nasforge.testing import DataContract
from nasforge_plugins.data.imagenet import ImageNet, parquet_files as reader

datasets = pytest.importorskip("datasets", reason="PARQUET NOT CHECKED: pip install 'nasforge[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="PARQUET NOT CHECKED: pip install 'nasforge[parquet]'")

CLASSES = ["tench, Tinca tinca", "goldfish, Carassius auratus"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folders(tmp_path):
    """Ten training images and three test images of each class, in folders."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 10), ("val", 3)):
        for label in range(2):
            folder = tmp_path / "folders" / part / f"n{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                colors = rng.normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (6, 8, 3)).clip(0, 1)
                pixels = (255 * colors).astype(np.uint8).repeat(5, 0).repeat(5, 1)
                Image.fromarray(pixels).save(folder / f"{number}.JPEG", quality=95)
    return tmp_path / "folders"


def write(files, target, labels=None, plain=False, **features):
    """Rows with the content of files, as the Hub's copy has them, or as `plain` bytes."""
    content = [file.read_bytes() for file in files]
    rows = {
        "image": content if plain else [{"bytes": each, "path": "photo.JPEG"} for each in content],
        "label": [int(file.parent.name[1:]) for file in files] if labels is None else labels,
    }
    types = {
        "image": datasets.Value("binary") if plain else datasets.Image(),
        "label": datasets.ClassLabel(names=CLASSES),
        **features,
    }
    target.parent.mkdir(exist_ok=True)
    datasets.Dataset.from_dict(rows, features=datasets.Features(types)).to_parquet(target)


@pytest.fixture
def root(folders, tmp_path):
    """The same images as two parquet files for training and one with test images, beside one without labels."""
    train, test = (sorted((folders / part).rglob("*.JPEG")) for part in ("train", "val"))
    data = tmp_path / "parquet" / "data"
    data.parent.mkdir()
    write(train[:7], data / "train-00000-of-00002.parquet")
    write(train[7:], data / "train-00001-of-00002.parquet")
    write(test, data / "validation-00000-of-00001.parquet")
    write(test, data / "test-00000-of-00001.parquet", labels=[-1] * 6)
    return data.parent


def imagenet(root, **options):
    shares = {"search_training": 0.5, "search_validation": 0.5}
    return ImageNet(root=root, **{"size": 8, "batch_size": 4, "workers": 0, **shares, **options})


class TestContract(DataContract):
    @pytest.fixture
    def data(self, root) -> DataModule:
        return imagenet(root, size=32)


def test_a_parquet_copy_has_the_images_of_the_folders(root, folders):
    ours, theirs = imagenet(root), imagenet(folders)
    for part in ("train", "test"):
        everything = torch.arange(len(getattr(theirs, part)))
        for one, other in zip(getattr(ours, part)[everything], getattr(theirs, part)[everything], strict=True):
            assert torch.equal(one, other)
    numbers = torch.rand(4, 22)
    views = [data.train.images.views(torch.arange(3, 7), numbers) for data in (ours, theirs)]
    assert torch.equal(*views)
    assert ours.class_names == tuple(CLASSES)
    assert str(root / "data" / "val*.parquet") in ours.notes[-1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_search_reads_the_same_batches_from_either_copy(root, folders, workers):
    batches = []
    for place in (root, folders):
        loader = imagenet(place, workers=workers).for_search(3).halves().loader(0)
        batches.append([images for images, _ in loader])
    assert all(map(torch.equal, *batches))


def test_labels_without_names_are_numbers(root, folders):
    files = sorted((folders / "train").rglob("*.JPEG"))
    for number, part in enumerate((files[:7], files[7:])):
        write(part, root / "data" / f"train-0000{number}-of-00002.parquet", label=datasets.Value("int32"))
    assert imagenet(root).class_names == ("0", "1")


def test_the_fingerprint_follows_the_files_and_not_their_place(root, folders, tmp_path):
    first = imagenet(root).for_search(0).fingerprint
    moved = shutil.copytree(root / "data", tmp_path / "moved")
    assert imagenet(moved).for_search(0).fingerprint == first
    assert imagenet(moved, size=16).for_search(0).fingerprint != first
    with Image.open(folders / "train" / "n0" / "1.JPEG") as image:
        image.save(folders / "train" / "n0" / "1.JPEG", quality=50)
    write(sorted((folders / "train").rglob("*.JPEG"))[:7], moved / "train-00000-of-00002.parquet")
    assert imagenet(moved).for_search(0).fingerprint != first


def test_an_image_that_cannot_be_decoded_is_named_by_its_row(root, folders):
    broken = folders / "train" / "n0" / "1.JPEG"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(90))
    write(sorted((folders / "train").rglob("*.JPEG"))[:7], root / "data" / "train-00000-of-00002.parquet")
    images = imagenet(root).train
    with pytest.raises(DataError, match=r"the image in row 1 of \S+/train\*\.parquet cannot be read \(.+\)"):
        images[torch.arange(4)]


def test_plain_bytes_are_images_too(root, folders):
    files = sorted((folders / "val").rglob("*.JPEG"))
    write(files, root / "data" / "validation-00000-of-00001.parquet", plain=True)
    whole = torch.arange(len(files))
    assert torch.equal(imagenet(root).test[whole][0], imagenet(folders).test[whole][0])


def test_folders_of_classes_take_precedence(root, folders):
    (folders / "train_meta.parquet").write_bytes(b"anything")
    assert imagenet(folders).class_names == ("n0", "n1")


def test_a_process_with_another_cache_reads_the_files_itself(root, tmp_path, monkeypatch):
    images = imagenet(root).train.images
    before = images[torch.arange(3)]
    content = pickle.dumps(images)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "other")
    assert torch.equal(pickle.loads(content)[torch.arange(3)], before)


def test_a_link_to_the_folder_needs_no_second_cache(root, tmp_path):
    len(imagenet(root).train)
    arrows = set((tmp_path / "cache").rglob("*.arrow"))
    (tmp_path / "link").symlink_to(root)
    len(imagenet(tmp_path / "link").train)
    assert set((tmp_path / "cache").rglob("*.arrow")) == arrows


def test_a_cache_that_cannot_be_written_is_named(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "file" / "cache")
    with pytest.raises(DataError, match=r"cannot be copied to \S+/file/cache, .+ HF_DATASETS_CACHE=FOLDER moves it"):
        len(imagenet(root).train)


def incomplete(data, files):
    (data / "train-00001-of-00002.parquet").unlink()


def other_order(data, files):
    write(files, data / "validation-00000-of-00001.parquet", label=datasets.ClassLabel(names=CLASSES[::-1]))


def words_as_labels(data, files):
    write(files, data / "validation-00000-of-00001.parquet", labels=["a"] * 6, label=datasets.Value("string"))


def without_labels(data, files):
    write(files, data / "validation-00000-of-00001.parquet", labels=[0, 1, 0, 1, None, 0])


def test_parquet_files_in_a_folder_of_their_own_are_to_be_moved(root, mistake):
    (root / "train").mkdir()
    for file in (root / "data").glob("train-*"):
        file.rename(root / "train" / file.name.removeprefix("train-"))
    said = mistake("data=imagenet", f"data.root={root}", "data.size=8")
    assert f"{root}/train has parquet files, and data=imagenet finds them by their names: move them to" in said


def no_test_images(data, files):
    (data / "validation-00000-of-00001.parquet").unlink()


def no_parquet(data, files):
    (data / "train-00001-of-00002.parquet").write_bytes(b"<html>" * 9)


def other_columns(data, files):
    rows = {"img": [0, 1], "label": [0, 1]}
    datasets.Dataset.from_dict(rows).to_parquet(data / "train-00001-of-00002.parquet")


def arrays(data, files):
    rows = {"image": [[0, 1], [0, 1]], "label": [0, 1]}
    datasets.Dataset.from_dict(rows).to_parquet(data / "train-00001-of-00002.parquet")


def no_labels(data, files):
    write(files, data / "validation-00000-of-00001.parquet", labels=[-1] * 6)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (incomplete, "{data} has 1 of 2 files of 'train'; download the others too"),
        (other_order, "label 0 is 'tench, Tinca tinca' in {data}/train*.parquet, but 'goldfish, Carassius auratus' in"),
        (words_as_labels, "the column 'label' of {data}/validation-00000-of-00001.parquet holds string"),
        (without_labels, "{data}/validation-00000-of-00001.parquet has 1 row without a label"),
        (no_test_images, "there is no file {data}/val*.parquet"),
        (no_parquet, "{data}/train-00001-of-00002.parquet cannot be read (Parquet magic bytes not found"),
        (other_columns, "{data}/train-00001-of-00002.parquet has no column 'image', but img, label"),
        (arrays, "{data}/train-00001-of-00002.parquet holds list<"),
        (no_labels, "{data}/val*.parquet has the label -1; labels count from 0, and there are 2 classes"),
    ],
)
def test_a_mistake_in_the_files_is_named_before_the_work_starts(root, folders, mistake, break_it, sentence):
    break_it(root / "data", sorted((folders / "val").rglob("*.JPEG")))
    assert sentence.format(data=root / "data") in mistake("data=imagenet", f"data.root={root}", "data.size=8")


def test_a_missing_library_is_named_with_what_installs_it(root, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(reader.importlib, "import_module", missing)
    with pytest.raises(OptionError, match=r"need the package datasets \(.+\): pip install 'nasforge\[parquet\]'"):
        len(imagenet(root).train)
