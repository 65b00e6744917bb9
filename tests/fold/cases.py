"""The table of the fold: for each sentence of the design and rule of the formats an accepting and a contrasting case."""

from tests.fold.building import Case
from tests.fold.cases_deployments import BASES, DEPLOYMENTS, LIVES
from tests.fold.cases_patches import PATCHES
from tests.fold.cases_times import IDENTITIES, TIMES
from tests.fold.cases_triggers import TRIGGERS
from tests.fold.cases_versions import VERSIONS

CASES: list[Case] = [*VERSIONS, *PATCHES, *TRIGGERS, *DEPLOYMENTS, *BASES, *LIVES, *TIMES, *IDENTITIES]
