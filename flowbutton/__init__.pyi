"""The names of the package, for type checkers and editors; `__init__.py` imports each when it is first used."""

from flowbutton.api import Pipeline as Pipeline
from flowbutton.api import RunFailed as RunFailed
from flowbutton.api import load as load
from flowbutton.dag.plan import Plan as Plan
from flowbutton.engine.run import Report as Report
from flowbutton.engine.run import Status as Status
from flowbutton.model.bundle import KeySchema as KeySchema
from flowbutton.model.bundle import Parts as Parts
from flowbutton.model.composite import Composite as Composite
from flowbutton.model.composite import Stored as Stored
from flowbutton.model.errors import BadInput as BadInput
from flowbutton.model.errors import FlowbuttonError as FlowbuttonError
from flowbutton.model.errors import MissingInput as MissingInput
from flowbutton.model.errors import OptionError as OptionError
from flowbutton.model.errors import SpecError as SpecError
from flowbutton.model.executor import Executor as Executor
from flowbutton.model.partitioner import Partitioner as Partitioner
from flowbutton.model.partitioner import Reader as Reader
from flowbutton.model.partitioner import WritesFiles as WritesFiles
from flowbutton.model.stage import AnyFile as AnyFile
from flowbutton.model.stage import Items as Items
from flowbutton.model.stage import Resources as Resources
from flowbutton.model.stage import Scratch as Scratch
from flowbutton.model.stage import Tally as Tally
from flowbutton.model.stage import conserves as conserves
from flowbutton.model.stage import expands as expands
from flowbutton.model.stage import reduces as reduces
from flowbutton.model.store import Store as Store
from flowbutton.stages.bundles import Bundle as Bundle
from flowbutton.stages.define import gather_stage as gather_stage
from flowbutton.stages.define import map_stage as map_stage

HOME_OF: dict[str, str]
__version__: str
