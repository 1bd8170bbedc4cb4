"""The contracts of plug-ins as pytest suites: inherit one, and supply its fixtures.

```python
class TestMySpace(SpaceContract):
    @pytest.fixture
    def space(self):
        return MySpace()
```
"""

from nasforge.testing.data import DataContract
from nasforge.testing.estimator import EstimatorContract
from nasforge.testing.host_requests import host_requests
from nasforge.testing.package import PackageContract
from nasforge.testing.samples import SHAPES, tiny_data
from nasforge.testing.space import SpaceContract
from nasforge.testing.strategy import StrategyContract

__all__ = [
    "SHAPES",
    "DataContract",
    "EstimatorContract",
    "PackageContract",
    "SpaceContract",
    "StrategyContract",
    "host_requests",
    "tiny_data",
]
