"""ImageNet (Russakovsky et al. 2015), or other photos: `module.py` is the data, `photos.py` how photos are read."""

from nasforge_plugins.data.imagenet.module import ImageNet

__all__ = ["ImageNet"]
