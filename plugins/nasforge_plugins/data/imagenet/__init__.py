"""ImageNet (Russakovsky et al. 2015), or other photos.

`module.py` is the data; `folder_copy.py` and `parquet_copy.py` are the two forms of their files, and `photos.py` crops.
"""

from nasforge_plugins.data.imagenet.module import ImageNet

__all__ = ["ImageNet"]
