"""What a network reads of an image: the same pixels as in training, for every form that an image comes in."""

import numpy as np
import pytest
import torch
from PIL import Image

from nasforge import DataError, Transform

GRAY = Transform((1, 8, 8), (0.5,), (0.25,))
COLOR = Transform((3, 8, 8), (0.5, 0.4, 0.3), (0.25, 0.2, 0.1))
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
PHOTO = np.random.default_rng(1).integers(0, 256, (21, 34, 3), dtype=np.uint8)


def test_pixels_are_normalized_by_channel():
    expected = (PIXELS.transpose(2, 0, 1) / 255 - np.array(COLOR.mean)[:, None, None]) / np.array(COLOR.std)[
        :, None, None
    ]
    output = COLOR(PIXELS)
    assert (output.dtype, output.shape) == (torch.float32, (1, 3, 8, 8))
    np.testing.assert_allclose(output[0], expected, atol=1e-5)


def test_all_forms_of_an_image_are_read_alike(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    tensor = torch.from_numpy(PHOTO.transpose(2, 0, 1).copy())
    expected = COLOR(Image.fromarray(PHOTO))
    for image in (PHOTO, PHOTO[None], tensor, tensor[None], tmp_path / "photo.png", str(tmp_path / "photo.png")):
        assert torch.equal(COLOR(image), expected)
    assert torch.equal(COLOR(np.stack([PHOTO, PHOTO])), expected.repeat(2, 1, 1, 1))


def test_an_image_is_cropped_to_its_center_and_scaled():
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = PIXELS
    assert torch.equal(COLOR.pixels(wide), COLOR.pixels(PIXELS))


def test_a_turned_photo_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    path = tmp_path / "turned.png"
    Image.fromarray(np.rot90(PIXELS).copy()).save(path, exif=exif)
    assert torch.equal(COLOR.pixels(path), COLOR.pixels(PIXELS))


def test_gray_and_color_become_what_the_network_reads():
    gray = PIXELS[..., 0]
    assert torch.equal(COLOR.pixels(gray)[0, 2], torch.from_numpy(gray.copy()))
    luma = np.array(Image.fromarray(PIXELS).convert("L"))
    assert torch.equal(GRAY.pixels(PIXELS)[0, 0], torch.from_numpy(luma))
    assert torch.equal(GRAY.pixels(gray), GRAY.pixels(gray[..., None]))


def test_alpha_channels_are_dropped():
    rgba = np.concatenate([PIXELS, PIXELS[..., :1]], axis=-1)
    for image in (rgba, Image.fromarray(rgba)):
        assert torch.equal(COLOR.pixels(image), COLOR.pixels(PIXELS))


def test_any_number_of_channels_is_read_from_arrays():
    transform = Transform((5, 4, 4), (0.5,) * 5, (0.25,) * 5)
    bands = np.random.default_rng(2).integers(0, 256, (4, 4, 5), dtype=np.uint8)
    assert torch.equal(transform.pixels(bands)[0], torch.from_numpy(bands.transpose(2, 0, 1).copy()))
    constant = np.broadcast_to(np.arange(5, dtype=np.uint8), (12, 9, 5))
    assert torch.equal(transform.pixels(constant)[0, :, 0, 0], torch.arange(5, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (PIXELS / 255, "images are float64; they must be uint8, with pixels from 0 to 255"),
        (torch.zeros(3, 8, 8), "images are torch.float32; they must be uint8"),
        (np.zeros(8, np.uint8), r"images have the shape \(8,\); it must be \(H, W\), \(H, W, C\) or \(B, H, W, C\)"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"it must be \(C, H, W\) or \(B, C, H, W\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"images have the shape \(0, 8, 8, 3\)"),
        (np.zeros((8, 8, 5), np.uint8), "images have 5 channels, but the network reads 3"),
        (Image.new("I;16", (8, 8)), "the image has Pillow's mode I;16, more than 8 bits per channel"),
        ("nowhere.jpg", "there is no image file nowhere.jpg"),
        ([[1, 2], [3, 4]], "an image must be a PIL image, a path, a NumPy array or a torch tensor, not of type list"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(DataError, match=message):
        COLOR(image)


def test_a_file_that_is_no_image_is_named(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no image")
    with pytest.raises(DataError, match=r"text\.jpg cannot be read as an image"):
        COLOR(path)


def test_a_file_cannot_hold_what_a_network_of_five_channels_reads(tmp_path):
    with pytest.raises(DataError, match=r"the network reads 5 channels, which no image file has; pass an array"):
        Transform((5, 8, 8), (0.5,) * 5, (0.25,) * 5)(Image.fromarray(PIXELS))
